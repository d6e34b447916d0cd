//! Loss surfaces around images, as contours and as a landscape.

use std::fmt::Write;

use planish_contract::Invalid;
use planish_formats::Measurement;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::colours::{amount, hex};
use super::drawing::{Anchor, Drawing};
use super::linearity::{coordinates, measured};
use super::png::{Canvas, data_address};
use super::{Drawn, Obstacle, Scene};
use crate::csv::quote;

/// Loss surfaces l(x + a·δ + b·r) on the plane of an adversarial direction δ and a random corner r of the ball.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Surfaces {
    /// How many of the measured images are shown, from the first.
    pub images: usize,
}

impl Default for Surfaces {
    fn default() -> Self {
        Surfaces { images: 1 }
    }
}

/// The surface of one image.
struct Surface<'a> {
    id: i64,
    /// Points a side.
    points: usize,
    /// `[a, b]`, in nats.
    loss: &'a [f32],
    offsets: &'a [f32],
}

const PANEL: f64 = 168.0;
const GAP: f64 = 22.0;
const LEFT: f64 = 34.0;
const CONTOURS: usize = 8;
/// The most patches a side of a landscape.
const PATCHES: usize = 24;

impl Surfaces {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        if self.images == 0 { Err(Invalid::at("show.images", "no image is shown").hint("write at least 1")) } else { Ok(()) }
    }

    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let measured = measured(scene)?;
        let mut methods: Vec<(String, &Measurement)> = Vec::new();
        for (label, name) in scene.rows(coordinates(&measured)) {
            // One model of each method: surfaces of several can't be averaged.
            let mut of_row = measured.iter().filter(|piece| scene.parameters.rows.holds(&piece.coordinates, &label));
            methods.extend(of_row.find_map(|piece| piece.get()).filter(|found| surface(found, 0).is_some()).map(|found| (name, found)));
        }
        let most = methods.iter().map(|(_, found)| count(found)).max().unwrap_or(0).min(self.images);
        if most == 0 {
            return Err(Obstacle::Nothing(
                "the measurements in `inputs.landscape` have no surfaces: set `surfaces` of their stage".to_owned(),
            ));
        }
        let mut data = "method,image,a,b,loss\n".to_owned();
        let block = 2.0 * PANEL + 64.0;
        let width = LEFT + methods.len() as f64 * (PANEL + GAP) + 6.0;
        let mut drawing = Drawing::new(width.max(400.0), 30.0 + most as f64 * block + 8.0);
        for (column, (name, found)) in methods.iter().enumerate() {
            let left = LEFT + column as f64 * (PANEL + GAP);
            drawing.text((left + PANEL / 2.0, 20.0), Anchor::Middle, 15, name);
            for image in 0..most {
                let Some(surface) = surface(found, image) else { continue };
                surface.panels(&mut drawing, (left, 30.0 + image as f64 * block), column == 0)?;
                surface.write(name, &mut data);
            }
        }
        let caption = "The loss around an image: along an adversarial direction δ (to the right; at 1 the image that sign ascent ends with) and \
                       a random corner r of the ball (upwards). Above its contours, below the same as a landscape, seen from the far side of \
                       the attack. Every panel has its own scale, written below it: compare shapes by the pictures and heights by the numbers.";
        Ok(Drawn { svg: drawing.finish(), data, caption: caption.to_owned() })
    }
}

/// How many images have surfaces.
fn count(found: &Measurement) -> usize {
    found.arrays.iter().find(|array| array.name == "surfaces/loss").and_then(|array| array.shape.first().copied()).unwrap_or(0)
}

/// The surface of image number `image`; nothing where it was not drawn.
fn surface(found: &Measurement, image: usize) -> Option<Surface<'_>> {
    let offsets = found.floats("surfaces/offsets")?;
    let points = offsets.len();
    let loss = found.floats("surfaces/loss")?.get(image * points * points..(image + 1) * points * points)?;
    let id = *crate::linearity::whole(found, "ids")?.get(image)?;
    (points > 1).then_some(Surface { id, points, loss, offsets })
}

impl Surface<'_> {
    /// The loss at point `a` of the adversarial axis and `b` of the random one.
    fn at(&self, a: usize, b: usize) -> f64 {
        f64::from(self.loss.get(a * self.points + b).copied().unwrap_or(0.0))
    }

    /// Lowest and highest loss.
    fn range(&self) -> (f64, f64) {
        self.loss
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), loss| (low.min(f64::from(*loss)), high.max(f64::from(*loss))))
    }

    /// The loss there as a part of the range.
    fn part(&self, a: usize, b: usize, (low, high): (f64, f64)) -> f64 {
        if high > low { (self.at(a, b) - low) / (high - low) } else { 0.0 }
    }

    fn write(&self, name: &str, data: &mut String) {
        for (a, along) in self.offsets.iter().enumerate() {
            for (b, across) in self.offsets.iter().enumerate() {
                let _ = writeln!(data, "{},{},{along},{across},{}", quote(name), self.id, self.at(a, b));
            }
        }
    }

    fn panels(&self, drawing: &mut Drawing, (left, top): (f64, f64), labelled: bool) -> Result<(), Obstacle> {
        let range = self.range();
        let last = self.points - 1;
        let mut canvas = Canvas::new(self.points, self.points, [0; 3]);
        for a in 0..self.points {
            for b in 0..self.points {
                canvas.set((a, last - b), amount(self.part(a, b, range)));
            }
        }
        drawing.picture((left, top), (PANEL, PANEL), &data_address(&canvas)?);
        // A point lies in the middle of its pixel.
        let pixel = PANEL / self.points as f64;
        let place = |a: f64, b: f64| (left + (a + 0.5) * pixel, top + PANEL - (b + 0.5) * pixel);
        for level in 1..CONTOURS {
            let lines: Vec<_> =
                self.contour(level as f64 / CONTOURS as f64, range).map(|[p, q]| [place(p.0, p.1), place(q.0, q.1)]).collect();
            drawing.segments(&lines, ("#ffffff", 0.8));
        }
        let (low, high) = range;
        let words = format!("{low:.2} to {high:.2} nats");
        if labelled {
            drawing.text((left - 8.0, top + PANEL / 2.0), Anchor::End, 13, "r");
        }
        drawing.text((left + PANEL / 2.0, top + PANEL + 14.0), Anchor::Middle, 12, &format!("δ → (image {})", self.id));
        self.landscape(drawing, (left, top + PANEL + 22.0), range);
        drawing.text((left + PANEL / 2.0, top + 2.0 * PANEL + 38.0), Anchor::Middle, 12, &words);
        Ok(())
    }

    /// Marching squares: the line of height `level` (a part of the range), in units of points.
    fn contour(&self, level: f64, range: (f64, f64)) -> impl Iterator<Item = [(f64, f64); 2]> {
        let last = self.points - 1;
        (0..last).flat_map(move |a| (0..last).map(move |b| (a, b))).flat_map(move |(a, b)| {
            let corners = [(a, b), (a + 1, b), (a + 1, b + 1), (a, b + 1)];
            let mut crossings = Vec::with_capacity(4);
            for (index, from) in corners.iter().enumerate() {
                let to = corners.get((index + 1) % 4).unwrap_or(from);
                let (here, there) = (self.part(from.0, from.1, range), self.part(to.0, to.1, range));
                if (here < level) != (there < level) {
                    let share = (level - here) / (there - here);
                    let between = |p: usize, q: usize| p as f64 + share * (q as f64 - p as f64);
                    crossings.push((between(from.0, to.0), between(from.1, to.1)));
                }
            }
            // Two lines cross a saddle; either way of joining is as good.
            let lines: Vec<[(f64, f64); 2]> = crossings.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).collect();
            lines
        })
    }

    /// The surface as patches, the farthest first.
    fn landscape(&self, drawing: &mut Drawing, (left, top): (f64, f64), range: (f64, f64)) {
        let last = self.points - 1;
        let stride = last.div_ceil(PATCHES).max(1);
        let ends: Vec<usize> = (0..=last).step_by(stride).collect();
        let (wide, deep, high) = (PANEL / 2.0, PANEL * 0.22, PANEL * 0.5);
        // The attack's end is far, so that its peak hides nothing.
        let project = |a: usize, b: usize| {
            let (along, across) = (a as f64 / last as f64, b as f64 / last as f64);
            let x = left + wide + (along - across) * wide;
            let y = top + high + 8.0 + (2.0 - along - across) * deep - self.part(a, b, range) * high;
            (x, y)
        };
        let mut patches: Vec<(usize, usize, usize, usize)> = Vec::new();
        for a in ends.windows(2) {
            for b in ends.windows(2) {
                if let ([a0, a1], [b0, b1]) = (a, b) {
                    patches.push((*a0, *a1, *b0, *b1));
                }
            }
        }
        patches.sort_by_key(|(a, _, b, _)| std::cmp::Reverse(a + b));
        for (a0, a1, b0, b1) in patches {
            let mean = [(a0, b0), (a1, b0), (a1, b1), (a0, b1)].map(|(a, b)| self.part(a, b, range)).iter().sum::<f64>() / 4.0;
            drawing.polygon(&[project(a0, b0), project(a1, b0), project(a1, b1), project(a0, b1)], &hex(amount(mean)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contours_lie_where_the_loss_has_their_height() {
        // A plane that rises along the adversarial axis from 0 to 2.
        let loss = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
        let surface = Surface { id: 7, points: 3, loss: &loss, offsets: &[-1.0, 0.0, 1.0] };
        assert_eq!(surface.range(), (0.0, 2.0));
        let lines: Vec<_> = surface.contour(0.25, surface.range()).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().flatten().all(|(a, _)| (a - 0.5).abs() < 1e-9), "{lines:?}");
    }
}
