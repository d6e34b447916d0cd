//! Nominal accuracy against accuracy under attack: a point a method, or a curve over its sweep.

use std::fmt::Write;

use planish_contract::{Coordinate, parse_fraction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::{Chart, Point, Scale, Series, lines, percents};
use super::{Drawn, Obstacle, Scene, Share, accuracy, nominal};
use crate::csv::quote;
use crate::gather::Attacked;
use crate::lines::Lines;
use crate::models::Placed;

/// Nominal accuracy against accuracy under attack.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TradeOff {
    /// The attacks that count: the worst case over them, image by image.
    pub columns: Lines,
    /// The axis of a sweep, such as TRADES' β: a point for each of its labels, which is written beside it, joined in the order of their values.
    #[serde(default)]
    pub along: Option<String>,
}

struct Found {
    along: String,
    nominal: Share,
    robust: Share,
}

impl TradeOff {
    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let evidence = scene.evidence(&self.columns)?;
        let mut data = "method,along,nominal,nominal_low,nominal_high,robust,robust_low,robust_high\n".to_owned();
        let mut series = Vec::new();
        for (label, name) in scene.rows(evidence.iter().map(|(_, piece)| &piece.coordinates)) {
            let found = self.points(&scene.of_row(&evidence, &label));
            for Found { along, nominal: n, robust: r } in &found {
                let numbers = [n.value, n.low, n.high, r.value, r.low, r.high].map(|value| format!("{value:.4}"));
                let _ = writeln!(data, "{},{},{}", quote(&name), quote(along), numbers.join(","));
            }
            let points = found.iter().map(|Found { along, nominal: n, robust: r }| Point {
                x: n.value,
                y: r.value,
                x_interval: Some((n.low, n.high)),
                y_interval: Some((r.low, r.high)),
                label: along.clone(),
            });
            series.push(Series { name, points: points.collect(), joined: self.along.is_some(), marked: true });
        }
        let points = || series.iter().flat_map(|series| &series.points);
        let reach =
            |interval: fn(&Point) -> Option<(f64, f64)>| percents(points().filter_map(interval).flat_map(|(low, high)| [low, high]));
        let chart = Chart {
            x: Scale::plain("nominal accuracy, %", reach(|point| point.x_interval)),
            y: Scale::plain("accuracy under attack, %", reach(|point| point.y_interval)),
            series,
        };
        let caption = "Accuracy on clean images against accuracy under attack (the worst case over all attacks, image by image). Up and to \
                       the right is better; thin lines are 95 % intervals over the images (Wilson).";
        Ok(Drawn { svg: lines(&chart)?, data, caption: caption.to_owned() })
    }

    /// A point for each label of the sweep, in the order of their values.
    fn points(&self, evidence: &[Placed<'_, Attacked>]) -> Vec<Found> {
        // Where values are no numbers, the order is that of the evidence.
        let mut groups: Vec<(Option<f64>, String, Vec<Placed<'_, Attacked>>)> = Vec::new();
        for (index, piece) in evidence {
            let coordinate = self.along.as_ref().and_then(|axis| piece.coordinates.get(axis));
            let label = coordinate.map(|coordinate| coordinate.label.clone()).unwrap_or_default();
            match groups.iter_mut().find(|(_, known, _)| *known == label) {
                Some((.., pieces)) => pieces.push((*index, piece)),
                None => groups.push((coordinate.and_then(place_in_sweep), label, vec![(*index, piece)])),
            }
        }
        if groups.iter().all(|(place, ..)| place.is_some()) {
            groups.sort_by(|(a, ..), (b, ..)| a.unwrap_or_default().total_cmp(&b.unwrap_or_default()));
        }
        let found = groups.into_iter().filter_map(|(_, along, pieces)| {
            Some(Found { along, nominal: nominal(&pieces, &self.columns)?, robust: accuracy(&pieces, &self.columns)? })
        });
        found.collect()
    }
}

/// Where a label stands in a sweep: the only number that its variant sets, or the number that it is.
fn place_in_sweep(coordinate: &Coordinate) -> Option<f64> {
    let mut numbers = Vec::new();
    collect_numbers(&coordinate.value, &mut numbers);
    match numbers.as_slice() {
        [only] => Some(*only),
        _ => parse_fraction(&coordinate.label),
    }
    .filter(|place| place.is_finite())
}

/// Every number in a value; fractions such as `"8/255"` are numbers too.
fn collect_numbers(value: &Value, numbers: &mut Vec<f64>) {
    match value {
        Value::Object(map) => map.values().for_each(|value| collect_numbers(value, numbers)),
        Value::Array(list) => list.iter().for_each(|value| collect_numbers(value, numbers)),
        Value::String(text) => numbers.extend(parse_fraction(text)),
        other => numbers.extend(other.as_f64()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sweeps_are_ordered_by_their_values() {
        let place = |label: &str, value: Value| place_in_sweep(&Coordinate { label: label.to_owned(), value });
        assert_eq!(place("beta-10", json!({ "objective": { "trades": { "beta": 10.0 } } })), Some(10.0));
        assert_eq!(place("small", json!("8/255")), Some(8.0 / 255.0));
        assert_eq!(place("1e-7", json!(1e-7)), Some(1e-7));
        assert_eq!(place("3", json!({ "lambda": 4.0, "mu": 3.0 })), Some(3.0), "of several numbers the label decides");
        assert_eq!(place("wide", json!({ "lambda": 4.0, "mu": 3.0 })), None);
    }
}
