//! What a probe measured along training: γ, accuracy or loss against the step.

use std::collections::BTreeMap;
use std::fmt::Write;

use planish_formats::{EventKind, Probed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::{Chart, Point, Scale, Series, lines, percents};
use super::{Drawn, Obstacle, Scene};
use crate::csv::quote;
use crate::gather;

/// What a probe measured along training, a curve a method: the mean over its models at each step. Needs trainings with the parameter `probe`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// What the curve shows; the figure's data hold all of it.
    pub value: Along,
}

/// What is shown along training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Along {
    /// The mean of γ(ε, x) over the probe's images, in nats (figure 2 of the paper, from memory).
    #[default]
    Gamma,
    /// Accuracy on clean images, in percent.
    Accuracy,
    /// Accuracy under the probe's search of several steps, in percent.
    RobustAccuracy,
    /// Mean cross-entropy of clean images, in nats.
    Loss,
    /// Mean cross-entropy at the end of the search, in nats.
    RobustLoss,
}

/// Smaller values than this are shown there: a logarithm has no place for 0.
const FLOOR: f64 = 1e-6;

impl Along {
    fn of(self, probed: &Probed) -> f64 {
        match self {
            Along::Gamma => probed.gamma.mean,
            Along::Accuracy => 100.0 * probed.accuracy,
            Along::RobustAccuracy => 100.0 * probed.robust_accuracy,
            Along::Loss => probed.loss,
            Along::RobustLoss => probed.robust_loss,
        }
    }

    /// How it is called on the axis.
    fn title(self) -> &'static str {
        match self {
            Along::Gamma => "mean γ(ε, x), nats",
            Along::Accuracy => "accuracy, %",
            Along::RobustAccuracy => "accuracy under the search, %",
            Along::Loss => "mean loss, nats",
            Along::RobustLoss => "mean loss under the search, nats",
        }
    }

    fn is_logarithmic(self) -> bool {
        self == Along::Gamma
    }
}

impl Training {
    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let pieces: Vec<_> = scene.sources.training.iter().filter(|piece| scene.belongs(&piece.coordinates)).collect();
        let mut data = "method,instance,step,accuracy,loss,robust_accuracy,robust_loss,gamma_mean,gamma_median,gamma_largest\n".to_owned();
        let (mut series, mut signs) = (Vec::new(), Vec::new());
        for (label, name) in scene.rows(pieces.iter().map(|piece| &piece.coordinates)) {
            let of_row = pieces.iter().filter(|piece| scene.parameters.rows.holds(&piece.coordinates, &label));
            let mut steps: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
            for (piece, training) in of_row.filter_map(|piece| Some((piece, piece.get()?))) {
                let instance = gather::place(&piece.coordinates);
                for probed in &training.probes {
                    record(&mut data, (&name, &instance), probed);
                    steps.entry(probed.step).or_default().push(self.value.of(probed));
                }
                let collapsed = training.events.iter().find(|event| event.kind == EventKind::CatastrophicOverfitting);
                signs.extend(collapsed.map(|event| format!("{name} at step {}", event.step)));
            }
            series.push(Series {
                name,
                points: steps.into_iter().map(|(step, values)| self.point(step, &values)).collect(),
                joined: true,
                marked: false,
            });
        }
        let Some(last) = series.iter().flat_map(|s| &s.points).map(|point| point.x).reduce(f64::max) else {
            return Err(Obstacle::Nothing(
                "no training of these rows in `inputs.training` has measurements along it: give their stage a `probe`".to_owned(),
            ));
        };
        let y = self.scale(&series);
        let chart = Chart { x: Scale::plain("optimiser steps", 0.0..last.max(1.0)), y, series };
        Ok(Drawn { svg: lines(&chart)?, data, caption: caption(&signs) })
    }

    fn point(&self, step: u64, values: &[f64]) -> Point {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Point { x: step as f64, y: if self.value.is_logarithmic() { mean.max(FLOOR).log10() } else { mean }, ..Point::default() }
    }

    fn scale(&self, series: &[Series]) -> Scale {
        let values = || series.iter().flat_map(|s| &s.points).map(|point| point.y);
        let title = self.value.title();
        if matches!(self.value, Along::Accuracy | Along::RobustAccuracy) {
            return Scale::plain(title, percents(values()));
        }
        let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        if self.value.is_logarithmic() {
            // Whole powers of ten, so that the axis is labelled however short the curves are.
            return Scale::logarithmic(title, low.floor()..high.ceil().max(low.floor() + 1.0));
        }
        Scale::plain(title, 0.0..(high * 1.05).max(1e-6))
    }
}

/// One line of the figure's data.
fn record(data: &mut String, (name, instance): (&str, &str), probed: &Probed) {
    let Probed { step, accuracy, loss, robust_accuracy, robust_loss, gamma } = probed;
    let shares = format!("{:.4},{loss},{:.4},{robust_loss}", 100.0 * accuracy, 100.0 * robust_accuracy);
    let _ = writeln!(data, "{},{},{step},{shares},{},{},{}", quote(name), quote(instance), gamma.mean, gamma.median, gamma.largest);
}

fn caption(signs: &[String]) -> String {
    let seen = if signs.is_empty() {
        "The trainings saw no sign of catastrophic overfitting.".to_owned()
    } else {
        format!("Signs of catastrophic overfitting: {}.", signs.join(", "))
    };
    format!(
        "Measured along training on the same held-out images each time, at the full radius: accuracy and loss, both also at the end of a search of \
         several steps, and γ, the largest linearity error that a search found (a lower bound). Where a method finds too weak examples while it \
         trains, γ rises. {seen}"
    )
}
