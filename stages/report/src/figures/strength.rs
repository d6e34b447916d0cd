//! Accuracy under attacks of growing strength.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::{Chart, Point, Scale, Series, lines, percents};
use super::{Drawn, Obstacle, Scene, accuracy, nominal};
use crate::csv::quote;
use crate::lines::Lines;

/// Accuracy under attacks of growing strength.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strength {
    /// The attacks, from the weakest to the strongest.
    pub columns: Lines,
}

impl Strength {
    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let evidence = scene.evidence(&self.columns)?;
        let attacks = self.columns.labels(evidence.iter().map(|(_, piece)| &piece.coordinates));
        let names: Vec<String> =
            std::iter::once("no attack".to_owned()).chain(attacks.iter().map(|label| self.columns.name(label).to_owned())).collect();
        let mut data = "method,attack,accuracy,low,high\n".to_owned();
        let mut series = Vec::new();
        let rows = scene.rows(evidence.iter().map(|(_, piece)| &piece.coordinates));
        let middle = rows.len().saturating_sub(1) as f64 / 2.0;
        for (index, (label, name)) in rows.into_iter().enumerate() {
            // Beside each other, so that intervals can be told apart.
            let aside = (index as f64 - middle) * 0.06;
            let of_row = scene.of_row(&evidence, &label);
            let of_attack = |attack: &String| {
                let pieces: Vec<_> = of_row.iter().filter(|(_, piece)| self.columns.holds(&piece.coordinates, attack)).copied().collect();
                accuracy(&pieces, &self.columns)
            };
            let shares = std::iter::once(nominal(&of_row, &self.columns)).chain(attacks.iter().map(of_attack));
            let mut points = Vec::new();
            for ((place, attack), share) in names.iter().enumerate().zip(shares) {
                let Some(share) = share else { continue };
                let _ = writeln!(data, "{},{},{:.4},{:.4},{:.4}", quote(&name), quote(attack), share.value, share.low, share.high);
                points.push(Point {
                    x: place as f64 + aside,
                    y: share.value,
                    y_interval: Some((share.low, share.high)),
                    ..Point::default()
                });
            }
            series.push(Series { name, points, joined: true, marked: true });
        }
        let reach = series.iter().flat_map(|s| &s.points).filter_map(|p| p.y_interval).flat_map(|(low, high)| [low, high]);
        let y = Scale::plain("accuracy, %", percents(reach));
        let chart = Chart { x: Scale::named("attack, from weak to strong", &names), y, series };
        let caption = "Accuracy under attacks from the weakest to the strongest. A method whose curve drops far between them looked more robust \
                       than it is. Thin lines are 95 % intervals over the images (Wilson).";
        Ok(Drawn { svg: lines(&chart)?, data, caption: caption.to_owned() })
    }
}
