//! Nominal accuracy against accuracy under attack: a point a method, or a curve over its sweep.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The axis of a sweep, such as TRADES' β: a point for each of its labels, joined in the order of their values.
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
            let points = found.iter().map(|Found { nominal: n, robust: r, .. }| Point {
                x: n.value,
                y: r.value,
                x_interval: Some((n.low, n.high)),
                y_interval: Some((r.low, r.high)),
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
        let mut groups: BTreeMap<(Order, String), Vec<Placed<'_, Attacked>>> = BTreeMap::new();
        for (index, piece) in evidence {
            let label = self.along.as_ref().and_then(|axis| piece.label(axis)).unwrap_or_default().to_owned();
            groups.entry((Order::of(&label), label)).or_default().push((*index, piece));
        }
        let found = groups.into_iter().filter_map(|((_, along), pieces)| {
            Some(Found { along, nominal: nominal(&pieces, &self.columns)?, robust: accuracy(&pieces, &self.columns)? })
        });
        found.collect()
    }
}

/// Labels that are numbers come in the order of numbers, before the others.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order(u8, i64);

impl Order {
    fn of(label: &str) -> Self {
        match label.parse::<f64>() {
            Ok(number) if number.is_finite() => Order(0, (number * 1e6) as i64),
            _ => Order(1, 0),
        }
    }
}
