//! Images, their adversarial versions, and the magnified difference.

use std::fmt::Write;

use planish_contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drawing::{Anchor, Drawing};
use super::png::{Canvas, data_address};
use super::{Drawn, Obstacle, Scene};
use crate::csv::quote;
use crate::gather::{Attacked, Images};
use crate::lines::Lines;
use crate::models::Placed;

/// Images, their adversarial versions under each method, and the magnified difference.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gallery {
    /// The attacks: of each image the first that breaks it is shown, or the last of all.
    pub columns: Lines,
    /// How many images are shown.
    #[serde(default = "default_images")]
    pub images: usize,
    /// How many times a difference is magnified.
    #[serde(default = "default_magnify")]
    pub magnify: f64,
}

fn default_images() -> usize {
    8
}

fn default_magnify() -> f64 {
    5.0
}

const TILE: f64 = 76.0;
const LINE: f64 = 22.0;
const LEFT: f64 = 120.0;
const BROKEN: &str = "#b3450e";
const STANDS: &str = "#007a5a";

/// What became of one image.
struct Fate {
    prediction: u32,
    robust: bool,
    distance: f64,
    pixels: Vec<f32>,
}

impl Gallery {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        const MOST: usize = 64;
        if !(1..=MOST).contains(&self.images) {
            return Err(Invalid::at("show.images", format!("a gallery has 1 to {MOST} images, not {}", self.images)));
        }
        if !(self.magnify > 0.0 && self.magnify.is_finite()) {
            return Err(Invalid::at("show.magnify", format!("{} does not magnify", self.magnify)));
        }
        Ok(())
    }

    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let evidence = scene.evidence(&self.columns)?;
        let first = evidence.iter().find_map(|(_, piece)| piece.get());
        let split = first.map_or(planish_formats::SplitName::Test, |attacked| attacked.evidence.header.split);
        let images = scene.sources.images(split)?;
        let images = images.ok_or_else(|| Obstacle::Nothing("the gallery needs the clean images: connect `inputs.data`".to_owned()))?;
        let rows = scene.rows(evidence.iter().map(|(_, piece)| &piece.coordinates));
        let rows: Vec<(String, Vec<&Attacked>)> =
            rows.into_iter().map(|(label, name)| (name, self.attacks(&scene.of_row(&evidence, &label)))).collect();
        let shown = self.choose(&rows);
        if shown.is_empty() {
            return Err(Obstacle::Nothing("no image was attacked under every method".to_owned()));
        }
        let classes = scene.sources.data.as_ref().map(|data| data.info.classes.clone()).unwrap_or_default();
        let class = |label: u32| classes.get(label as usize).cloned().unwrap_or_else(|| label.to_string());
        let page = Page { images: &images, shown: &shown, class: &class, magnify: self.magnify };
        let mut data = "method,image,class,predicted,stands,distance\n".to_owned();
        let height = LINE + TILE + 12.0 + rows.len() as f64 * (2.0 * TILE + LINE + 14.0);
        let mut drawing = Drawing::new(LEFT + shown.len() as f64 * (TILE + 6.0), height);
        page.clean(&mut drawing)?;
        for (index, (name, attacks)) in rows.iter().enumerate() {
            let top = LINE + TILE + 12.0 + index as f64 * (2.0 * TILE + LINE + 14.0);
            page.row(&mut drawing, (name, top), attacks, &mut data)?;
        }
        let caption = format!(
            "The same images under each method: the clean image, the worst that the attacks found within the threat model with what the \
             model takes it for, and the difference, {} times magnified around grey. Images that every method classifies correctly come first.",
            self.magnify
        );
        Ok(Drawn { svg: drawing.finish(), data, caption })
    }

    /// The evidence of one model, from the first attack to the last.
    fn attacks<'a>(&self, of_row: &[Placed<'a, Attacked>]) -> Vec<&'a Attacked> {
        let axes = self.columns.axes();
        let models = crate::models::by_model(of_row, &axes);
        let Some(model) = models.into_values().next() else { return Vec::new() };
        let labels = self.columns.labels(model.iter().map(|(_, piece)| &piece.coordinates));
        let of_label = |label: &String| -> Vec<&'a Attacked> {
            model.iter().filter(|(_, piece)| self.columns.holds(&piece.coordinates, label)).filter_map(|(_, piece)| piece.get()).collect()
        };
        labels.iter().flat_map(of_label).collect()
    }

    /// Images that were attacked under every method: id and class; those that all classify correctly first.
    fn choose(&self, rows: &[(String, Vec<&Attacked>)]) -> Vec<(u32, u32)> {
        let attacked: Vec<&&Attacked> = rows.iter().filter_map(|(_, attacks)| attacks.first()).collect();
        let Some(first) = attacked.first() else { return Vec::new() };
        let mut images: Vec<(bool, u32, u32)> = Vec::new();
        // The first ones are enough to choose from.
        for image in first.evidence.images.iter().take(self.images * 20) {
            let everywhere: Option<Vec<bool>> = attacked
                .iter()
                .map(|a| a.evidence.images.iter().find(|other| other.id == image.id).map(|other| other.clean_prediction == other.label))
                .collect();
            images.extend(everywhere.map(|correct| (correct.contains(&false), image.id, image.label)));
        }
        images.sort_by_key(|(wrong, ..)| *wrong);
        images.into_iter().map(|(_, id, label)| (id, label)).take(self.images).collect()
    }
}

/// What the lines of a gallery share.
struct Page<'a> {
    images: &'a Images,
    shown: &'a [(u32, u32)],
    class: &'a dyn Fn(u32) -> String,
    magnify: f64,
}

impl Page<'_> {
    fn x(place: usize) -> f64 {
        LEFT + place as f64 * (TILE + 6.0)
    }

    fn clean(&self, drawing: &mut Drawing) -> Result<(), Obstacle> {
        drawing.text((LEFT - 10.0, LINE + TILE / 2.0 + 4.0), Anchor::End, 14, "clean");
        for (place, (id, label)) in self.shown.iter().enumerate() {
            let Some(image) = self.images.image(*id) else { continue };
            drawing.text((Self::x(place) + TILE / 2.0, LINE - 7.0), Anchor::Middle, 12, &(self.class)(*label));
            self.tile(drawing, (Self::x(place), LINE), |at| f64::from(image.get(at).copied().unwrap_or(0.0)))?;
        }
        Ok(())
    }

    /// One method: adversarial images with predictions, and differences.
    fn row(&self, drawing: &mut Drawing, (name, top): (&str, f64), attacks: &[&Attacked], data: &mut String) -> Result<(), Obstacle> {
        drawing.text((LEFT - 10.0, top + LINE + TILE / 2.0 + 4.0), Anchor::End, 14, name);
        drawing.text((LEFT - 10.0, top + LINE + TILE * 1.5 + 8.0), Anchor::End, 12, &format!("difference × {}", self.magnify));
        for (place, (id, label)) in self.shown.iter().enumerate() {
            let Some(fate) = fate(attacks, *id)? else { continue };
            let clean = self.images.image(*id).unwrap_or_default();
            let predicted = (self.class)(fate.prediction);
            let colour = if fate.robust { STANDS } else { BROKEN };
            let words = if fate.robust { "stands".to_owned() } else { predicted.clone() };
            drawing.coloured((Self::x(place) + TILE / 2.0, top + LINE - 7.0), Anchor::Middle, (12, colour), &words);
            let at = |image: &[f32], place: usize| f64::from(image.get(place).copied().unwrap_or(0.0));
            self.tile(drawing, (Self::x(place), top + LINE), |pixel| at(&fate.pixels, pixel))?;
            let difference = |pixel| 0.5 + 0.5 * self.magnify * (at(&fate.pixels, pixel) - at(&clean, pixel));
            self.tile(drawing, (Self::x(place), top + LINE + TILE + 4.0), difference)?;
            let class = quote(&(self.class)(*label));
            let _ = writeln!(data, "{},{id},{class},{},{},{:.6}", quote(name), quote(&predicted), fate.robust, fate.distance);
        }
        Ok(())
    }

    fn tile(&self, drawing: &mut Drawing, at: (f64, f64), value: impl Fn(usize) -> f64) -> Result<(), Obstacle> {
        let [channels, height, width] = self.images.shape();
        let mut canvas = Canvas::new(width, height, [255; 3]);
        canvas.place((0, 0), [channels, height, width], |c, y, x| value((c * height + y) * width + x));
        drawing.picture(at, (TILE, TILE), &data_address(&canvas)?);
        Ok(())
    }
}

/// What the attacks made of image `id`: the first that broke it, or the last.
fn fate(attacks: &[&Attacked], id: u32) -> Result<Option<Fate>, Obstacle> {
    let of_image = attacks.iter().filter_map(|attacked| {
        let place = attacked.evidence.images.iter().position(|image| image.id == id)?;
        Some((attacked, place, attacked.evidence.images.get(place)?))
    });
    let found: Vec<_> = of_image.collect();
    let Some((attacked, place, image)) = found.iter().find(|(.., image)| !image.robust).or(found.last()) else { return Ok(None) };
    let pixels = attacked.adversarial(&[*place])?.pop().unwrap_or_default();
    Ok(Some(Fate { prediction: image.attacked_prediction, robust: image.robust, distance: image.distance, pixels }))
}
