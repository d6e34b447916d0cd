//! Accuracy against the radius of the threat model.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::{Chart, Point, Scale, Series, lines, percents};
use super::{Drawn, Obstacle, Scene, Share, nominal, share};
use crate::csv::quote;
use crate::gather::Attacked;
use crate::lines::Lines;
use crate::models::{Placed, attacked};
use crate::quantity::Quantity;

/// Accuracy against the radius of the threat model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Radius {
    /// The instances with their radii; the radius itself is read from the evidence.
    pub columns: Lines,
}

impl Radius {
    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let evidence = scene.evidence(&self.columns)?;
        let norm = evidence.iter().find_map(|(_, piece)| piece.get()).map(|attacked| attacked.evidence.header.threat.norm);
        let mut data = "method,radius,accuracy,low,high\n".to_owned();
        let mut series = Vec::new();
        let mut largest: f64 = 0.0;
        for (label, name) in scene.rows(evidence.iter().map(|(_, piece)| &piece.coordinates)) {
            let mut points = Vec::new();
            for (radius, share) in self.curve(&scene.of_row(&evidence, &label)) {
                largest = largest.max(radius);
                let _ = writeln!(data, "{},{radius},{:.4},{:.4},{:.4}", quote(&name), share.value, share.low, share.high);
                points.push(Point { x: radius, y: share.value, y_interval: Some((share.low, share.high)), ..Point::default() });
            }
            series.push(Series { name, points, joined: true, marked: true });
        }
        let reach = series.iter().flat_map(|s| &s.points).filter_map(|p| p.y_interval).flat_map(|(low, high)| [low, high]);
        let y = Scale::plain("accuracy, %", percents(reach));
        let title = format!("radius ε, {}", norm.map_or("", |norm| norm.as_str()));
        let chart = Chart { x: Scale::plain(&title, 0.0..(largest * 1.04).max(1e-6)), y, series };
        let caption = "Accuracy against the radius within which the attack may move an image; radius 0 is the clean image. An honest classifier \
                       falls to 0 where the radius lets an attack do anything. Thin lines are 95 % intervals over the images (Wilson).";
        Ok(Drawn { svg: lines(&chart)?, data, caption: caption.to_owned() })
    }

    /// Radius → accuracy.
    fn curve(&self, evidence: &[Placed<'_, Attacked>]) -> Vec<(f64, Share)> {
        let mut radii: BTreeMap<u64, Vec<Placed<'_, Attacked>>> = BTreeMap::new();
        for (index, piece) in evidence {
            // Radii are not negative, so the order of their bits is theirs.
            let Some(attacked) = piece.get() else { continue };
            radii.entry(attacked.evidence.header.threat.eps.value().to_bits()).or_default().push((*index, piece));
        }
        let clean = nominal(evidence, &self.columns).map(|share| (0.0, share));
        let attacked = radii.into_iter().filter_map(|(bits, pieces)| {
            let filling = attacked(&pieces, Quantity::Accuracy, None, &self.columns.axes());
            Some((f64::from_bits(bits), share(&filling)?))
        });
        clean.into_iter().chain(attacked).collect()
    }
}
