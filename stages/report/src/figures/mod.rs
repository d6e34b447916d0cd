//! Figures: SVG and their data as CSV.

mod chart;
mod colours;
mod cost;
mod drawing;
mod gallery;
mod linearity;
mod pair;
mod png;
mod radius;
mod strength;
mod surfaces;
mod trade_off;
mod training;

use planish_contract::{Coordinates, Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cost::Cost;
pub use gallery::Gallery;
pub use linearity::Linearity;
pub use pair::Pair;
pub use radius::Radius;
pub use strength::Strength;
pub use surfaces::Surfaces;
pub use trade_off::TradeOff;
pub use training::{Along, Training};

pub(crate) use png::{data_address, sprite};

use crate::gather::{Attacked, Piece, Sources};
use crate::lines::{Condition, Lines, hidden_axis, meets_where_carried};
use crate::models::{Placed, attacked};
use crate::quantity::Quantity;
use crate::statistics::wilson;
use crate::table::Origin;

/// A figure: what it shows, with a curve, a bar or a picture for each row.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FigureParameters {
    /// What its files are called: `figures/NAME.svg` and `figures/NAME.csv`; other characters than letters, digits and `-` become `-`.
    pub name: String,
    /// The heading of the figure.
    pub title: String,
    /// The methods that are compared.
    pub rows: Lines,
    /// Which of the gathered instances are shown: axis → labels. Axes that an instance does not have don't count.
    #[serde(default, rename = "where")]
    pub condition: Condition,
    /// Axes that are averaged over, such as `seed`; pictures of single images are those of the first model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
    /// What is shown of them.
    pub show: Show,
}

/// What a figure shows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// Nominal accuracy against accuracy under attack.
    TradeOff(TradeOff),
    /// Accuracy under attacks of growing strength.
    Strength(Strength),
    /// Accuracy against the radius of the threat model.
    Radius(Radius),
    /// The distribution of γ over the images.
    Linearity(Linearity),
    /// Loss surfaces around images: contours, and as a landscape.
    Surfaces(Surfaces),
    /// What training costs.
    Cost(Cost),
    /// What a probe measured along training.
    Training(Training),
    /// Two attacks side by side, image by image.
    Pair(Pair),
    /// Images, their adversarial versions, and the difference.
    Gallery(Gallery),
}

/// A figure that was drawn.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) svg: String,
    pub(crate) data: String,
    pub(crate) caption: String,
}

/// Why there is no figure: nothing to show (words for people), or an error.
#[derive(Debug)]
pub(crate) enum Obstacle {
    Nothing(String),
    Failed(Failure),
}

impl From<Failure> for Obstacle {
    fn from(failure: Failure) -> Self {
        match failure {
            // What is malformed is a gap, here as in tables.
            Failure::Input { message, .. } => Obstacle::Nothing(message),
            failure => Obstacle::Failed(failure),
        }
    }
}

/// A figure under way.
pub(crate) struct Scene<'a> {
    pub(crate) parameters: &'a FigureParameters,
    pub(crate) sources: &'a Sources,
}

impl FigureParameters {
    /// Checks what types alone can't.
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        if self.name.is_empty() {
            return Err(Invalid::at("name", "a figure without a name").hint("its files are called after it"));
        }
        self.rows.validate(&["rows"])?;
        let columns = match &self.show {
            Show::TradeOff(show) => Some(&show.columns),
            Show::Strength(show) => Some(&show.columns),
            Show::Radius(show) => Some(&show.columns),
            Show::Pair(show) => Some(&show.columns),
            Show::Gallery(show) => {
                show.validate()?;
                Some(&show.columns)
            }
            Show::Surfaces(show) => {
                show.validate()?;
                None
            }
            Show::Linearity(_) | Show::Cost(_) | Show::Training(_) => None,
        };
        columns.map_or(Ok(()), |columns| columns.validate(&["show", "columns"]))
    }

    /// Every axis on which what is shown differs is shown or averaged over, as in tables.
    fn hidden_axis(&self, sources: &Sources) -> Option<String> {
        let (columns, along) = match &self.show {
            Show::TradeOff(show) => (Some(&show.columns), show.along.as_deref()),
            Show::Strength(show) => (Some(&show.columns), None),
            Show::Radius(show) => (Some(&show.columns), None),
            Show::Pair(show) => (Some(&show.columns), None),
            Show::Gallery(show) => (Some(&show.columns), None),
            Show::Linearity(_) | Show::Surfaces(_) | Show::Cost(_) | Show::Training(_) => (None, None),
        };
        let (rows, columns) = (self.rows.axes(), columns.map(Lines::axes).unwrap_or_default());
        let known =
            |axis: &str| rows.contains(axis) || columns.contains(axis) || along == Some(axis) || self.over.iter().any(|over| over == axis);
        let shown = self.origins(sources);
        hidden_axis("figure", shown.iter().filter_map(|origin| sources.coordinates(origin)), known)
    }

    /// The instances behind it.
    pub(crate) fn origins(&self, sources: &Sources) -> Vec<Origin> {
        let scene = Scene { parameters: self, sources };
        let columns = match &self.show {
            Show::TradeOff(show) => &show.columns,
            Show::Strength(show) => &show.columns,
            Show::Radius(show) => &show.columns,
            Show::Pair(show) => &show.columns,
            Show::Gallery(show) => &show.columns,
            Show::Linearity(_) | Show::Surfaces(_) => return scene.origins("landscape", coordinates(&sources.landscape)),
            Show::Cost(_) | Show::Training(_) => return scene.origins("training", coordinates(&sources.training)),
        };
        let evidence = scene.evidence(columns).unwrap_or_default();
        evidence.into_iter().map(|(index, _)| Origin { input: "attacks".to_owned(), index }).collect()
    }

    /// Draws the figure.
    pub(crate) fn draw(&self, sources: &Sources) -> Result<Drawn, Obstacle> {
        let scene = Scene { parameters: self, sources };
        if let Some(problem) = self.hidden_axis(sources) {
            return Err(Obstacle::Nothing(problem));
        }
        match &self.show {
            Show::TradeOff(show) => show.draw(&scene),
            Show::Strength(show) => show.draw(&scene),
            Show::Radius(show) => show.draw(&scene),
            Show::Linearity(show) => show.draw(&scene),
            Show::Surfaces(show) => show.draw(&scene),
            Show::Cost(show) => show.draw(&scene),
            Show::Training(show) => show.draw(&scene),
            Show::Pair(show) => show.draw(&scene),
            Show::Gallery(show) => show.draw(&scene),
        }
    }
}

/// An accuracy in percent with its 95 % interval over the images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Share {
    /// From a mean in percent and the number of images behind it.
    fn new(percent: f64, images: usize) -> Self {
        let (low, high) = wilson(percent / 100.0, images);
        Share { value: percent, low: 100.0 * low, high: 100.0 * high }
    }
}

impl<'a> Scene<'a> {
    /// Whether an instance belongs to the figure.
    fn belongs(&self, coordinates: &Coordinates) -> bool {
        self.parameters.rows.holds_any(coordinates) && meets_where_carried(coordinates, &self.parameters.condition)
    }

    /// Those instances of `input` that belong to the figure.
    fn origins<'p>(&self, input: &str, instances: impl Iterator<Item = &'p Coordinates>) -> Vec<Origin> {
        let shown = instances.enumerate().filter(|(_, coordinates)| self.belongs(coordinates));
        shown.map(|(index, _)| Origin { input: input.to_owned(), index }).collect()
    }

    /// The evidence that the figure shows, of any of `columns`.
    fn evidence(&self, columns: &Lines) -> Result<Vec<Placed<'a, Attacked>>, Obstacle> {
        let fits = |coordinates: &Coordinates| self.belongs(coordinates) && columns.holds_any(coordinates);
        let found: Vec<_> = self.sources.attacks.iter().enumerate().filter(|(_, piece)| fits(&piece.coordinates)).collect();
        if found.iter().any(|(_, piece)| piece.get().is_some()) {
            return Ok(found);
        }
        let axes: Vec<&str> = self.parameters.rows.axes().union(&columns.axes()).copied().collect();
        Err(Obstacle::Nothing(format!("no evidence was gathered in `inputs.attacks` that has the axes {}", axes.join(", "))))
    }

    /// The rows of some instances, in order: label and name.
    fn rows<'p>(&self, instances: impl Iterator<Item = &'p Coordinates>) -> Vec<(String, String)> {
        let rows = &self.parameters.rows;
        rows.labels(instances).into_iter().map(|label| (label.clone(), rows.name(&label).to_owned())).collect()
    }

    /// The evidence of one row.
    fn of_row(&self, evidence: &[Placed<'a, Attacked>], row: &str) -> Vec<Placed<'a, Attacked>> {
        evidence.iter().filter(|(_, piece)| self.parameters.rows.holds(&piece.coordinates, row)).copied().collect()
    }
}

fn coordinates<T>(pieces: &[Piece<T>]) -> impl Iterator<Item = &Coordinates> {
    pieces.iter().map(|piece| &piece.coordinates)
}

/// The mean over models of the share of images that stand against all of `evidence`.
fn accuracy(evidence: &[Placed<'_, Attacked>], columns: &Lines) -> Option<Share> {
    share(&attacked(evidence, Quantity::Accuracy, None, &columns.axes()))
}

/// The mean over models of the accuracy on clean images.
fn nominal(evidence: &[Placed<'_, Attacked>], columns: &Lines) -> Option<Share> {
    share(&crate::models::nominal(evidence, &columns.axes()))
}

fn share(filling: &crate::models::Filling) -> Option<Share> {
    let (mean, _) = crate::statistics::mean_and_spread(&filling.values)?;
    Some(Share::new(mean, filling.scores.iter().map(std::collections::BTreeMap::len).min().unwrap_or(0)))
}

/// A file name for a figure: letters, digits and `-` only.
pub(crate) fn file_stem(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_stems_are_tame() {
        assert_eq!(file_stem("../a b"), "---a-b");
    }
}
