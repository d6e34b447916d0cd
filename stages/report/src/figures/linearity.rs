//! The distribution of γ, the local linearity measure, over the images.

use std::fmt::Write;

use planish_contract::Coordinates;
use planish_formats::{Measurement, Threat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::{Chart, Point, Scale, Series, lines};
use super::{Drawn, Obstacle, Scene};
use crate::csv::quote;
use crate::gather::Piece;
use crate::linearity::gamma;

/// The distribution of γ over the images.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linearity {
    /// Within which threat model; the first that was measured unless given.
    pub threat: Option<Threat>,
}

/// Smaller values than this are shown there: a logarithm has no place for 0.
const FLOOR: f64 = 1e-6;

impl Linearity {
    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let measured = measured(scene)?;
        let first = measured.iter().find_map(|piece| piece.get()?.header.threats.first().copied());
        let threat = self.threat.or(first).ok_or_else(|| Obstacle::Nothing("γ was not measured".to_owned()))?;
        let mut data = "method,gamma,share\n".to_owned();
        let mut series = Vec::new();
        for (label, name) in scene.rows(coordinates(&measured)) {
            let of_row = measured.iter().filter(|piece| scene.parameters.rows.holds(&piece.coordinates, &label));
            let scores = of_row.filter_map(|piece| piece.get()).filter_map(|found| gamma(found, threat));
            let mut values: Vec<f64> = scores.flat_map(|scores| scores.into_values().collect::<Vec<_>>()).collect();
            values.sort_by(f64::total_cmp);
            let count = values.len() as f64;
            let mut points = Vec::new();
            for (rank, value) in values.iter().enumerate() {
                let share = 100.0 * (rank + 1) as f64 / count;
                let _ = writeln!(data, "{},{value:e},{share:.4}", quote(&name));
                points.push(Point { x: value.max(FLOOR).log10(), y: share, ..Point::default() });
            }
            series.push(Series { name, points, joined: true, marked: false });
        }
        let places = || series.iter().flat_map(|s| &s.points).map(|point| point.x);
        let (low, high) = places().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            return Err(Obstacle::Nothing(format!("γ was not measured within {threat}")));
        }
        // A tail of few images would squeeze the rest.
        let range = (low - 0.1).max(high - 5.0)..high + 0.1;
        for point in series.iter_mut().flat_map(|s| &mut s.points) {
            point.x = point.x.max(range.start);
        }
        let x = Scale::logarithmic(&format!("γ(ε, x) within {threat}, nats"), range);
        let chart = Chart { x, y: Scale::plain("images with a smaller γ, %", 0.0..100.0), series };
        let caption = format!(
            "How far the loss is from linear around each image: γ is the largest |l(x+δ) − l(x) − δᵀ∇l(x)| within {threat}, and curves further to \
             the left belong to flatter losses. {}",
            settings(&measured)
        );
        Ok(Drawn { svg: lines(&chart)?, data, caption })
    }
}

/// The measurements that the figure shows.
pub(super) fn measured<'a>(scene: &Scene<'a>) -> Result<Vec<&'a Piece<Measurement>>, Obstacle> {
    let found: Vec<_> = scene.sources.landscape.iter().filter(|piece| scene.belongs(&piece.coordinates)).collect();
    if found.iter().any(|piece| piece.get().is_some()) {
        return Ok(found);
    }
    Err(Obstacle::Nothing("no measurement was gathered in `inputs.landscape` for these rows".to_owned()))
}

/// Where they stand.
pub(super) fn coordinates<'p>(pieces: &'p [&Piece<Measurement>]) -> impl Iterator<Item = &'p Coordinates> {
    pieces.iter().map(|piece| &piece.coordinates)
}

/// A measured γ is a lower bound, so how it was searched for belongs to it.
fn settings(measured: &[&Piece<Measurement>]) -> String {
    let Some(header) = measured.iter().find_map(|piece| piece.get()).map(|found| &found.header) else { return String::new() };
    let search = header.parameters.get("linearity");
    let number = |key: &str| search.and_then(|search| search.get(key)).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let (steps, restarts) = (number("steps"), number("restarts"));
    format!("Lower bounds, found with {steps} steps and {restarts} restart(s) on {} images.", header.images)
}
