//! The learning rate over a training.

use planish_contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the milestones of [`Schedule::Piecewise`] count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Parts of the whole training, in (0, 1).
    #[default]
    Fraction,
    /// Epochs.
    Epochs,
    /// Steps (batches).
    Steps,
}

/// How often a smooth schedule changes the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// From step to step.
    #[default]
    Step,
    /// From epoch to epoch: all steps of an epoch have one rate, that of as many epochs in place of steps.
    Epoch,
}

impl Pace {
    /// What was before there could be another: it is not written, so that keys stay what they were.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_step(&self) -> bool {
        *self == Pace::Step
    }

    /// The place in the training and its length, counted so.
    fn count(self, step: u64, total: u64, per_epoch: u64) -> (u64, u64) {
        match self {
            Pace::Step => (step, total),
            Pace::Epoch => (step / per_epoch.max(1), total.div_ceil(per_epoch.max(1))),
        }
    }
}

/// How the learning rate changes from step to step; `optimizer.learning_rate` is its largest value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Always the same.
    Constant {},
    /// Multiplied by `factor` at each milestone. The default, 0.1 at 0.8, 0.88 and 0.96 of the training, is the released code of
    /// LLR (steps 80k, 88k and 96k of 100k).
    Piecewise {
        /// What the milestones count.
        #[serde(default)]
        unit: Unit,
        /// The milestones, ascending.
        #[serde(default = "released_milestones")]
        at: Vec<f64>,
        /// What the rate is multiplied by at each of them, in (0, 1].
        #[serde(default = "tenth")]
        factor: f64,
    },
    /// Half a cosine from the full rate down to `floor` times it (Loshchilov and Hutter 2017, without restarts).
    Cosine {
        /// The share of the rate that is left at the end, in `[0,1]`.
        #[serde(default)]
        floor: f64,
        /// How often it changes.
        #[serde(default, skip_serializing_if = "Pace::is_step")]
        #[schemars(extend("default" = "step"))]
        pace: Pace,
    },
    /// Up and down once along two half cosines (Smith and Topin 2018, in the form of `PyTorch`'s `OneCycleLR`).
    OneCycle {
        /// Where in the training the peak lies, in (0, 1).
        #[serde(default = "one_cycle_peak")]
        peak: f64,
        /// The share of the rate at the start, in (0, 1].
        #[serde(default = "one_cycle_initial")]
        initial: f64,
        /// The share of the rate at the end, in `[0,1]`.
        #[serde(default = "one_cycle_floor")]
        floor: f64,
        /// How often it changes.
        #[serde(default, skip_serializing_if = "Pace::is_step")]
        #[schemars(extend("default" = "step"))]
        pace: Pace,
    },
}

fn released_milestones() -> Vec<f64> {
    vec![0.8, 0.88, 0.96]
}

fn tenth() -> f64 {
    0.1
}

fn one_cycle_peak() -> f64 {
    0.3
}

fn one_cycle_initial() -> f64 {
    0.04
}

fn one_cycle_floor() -> f64 {
    4e-6
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule::Piecewise { unit: Unit::default(), at: released_milestones(), factor: tenth() }
    }
}

impl Schedule {
    /// The share of `optimizer.learning_rate` that step `step` (from 0) of `total` uses; an epoch has `per_epoch` steps.
    #[must_use]
    pub fn factor(&self, step: u64, total: u64, per_epoch: u64) -> f64 {
        match self {
            Schedule::Constant {} => 1.0,
            Schedule::Piecewise { unit, at, factor } => {
                let length = match unit {
                    Unit::Fraction => total as f64,
                    Unit::Epochs => per_epoch as f64,
                    Unit::Steps => 1.0,
                };
                let passed = at.iter().filter(|milestone| step as f64 >= **milestone * length).count();
                factor.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
            Schedule::Cosine { floor, pace } => {
                let (step, total) = pace.count(step, total, per_epoch);
                half_cosine(1.0, *floor, step as f64 / total as f64)
            }
            Schedule::OneCycle { peak, initial, floor, pace } => {
                let (step, total) = pace.count(step, total, per_epoch);
                let last = (total.max(2) - 1) as f64;
                let top = (peak * total as f64 - 1.0).clamp(f64::MIN_POSITIVE, last);
                let step = step as f64;
                if step <= top { half_cosine(*initial, 1.0, step / top) } else { half_cosine(1.0, *floor, (step - top) / (last - top)) }
            }
        }
    }

    /// Checks the ranges; `path` is where the schedule stands in the parameters.
    ///
    /// # Errors
    /// The first value that can't be used.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        match self {
            Schedule::Constant {} => Ok(()),
            Schedule::Piecewise { unit, at, factor } => {
                let path = format!("{path}.piecewise");
                if *factor <= 0.0 || *factor > 1.0 {
                    return Err(Invalid::at(&format!("{path}.factor"), format!("{factor} is not in (0, 1]")));
                }
                if at.iter().any(|m| *m <= 0.0 || !m.is_finite()) || at.windows(2).any(|pair| matches!(pair, [a, b] if a >= b)) {
                    return Err(Invalid::at(&format!("{path}.at"), "the milestones are not positive and ascending"));
                }
                match at.last() {
                    Some(last) if *unit == Unit::Fraction && *last >= 1.0 => {
                        Err(Invalid::at(&format!("{path}.at"), format!("the milestone {last} is not a part of the training, in (0, 1)"))
                            .hint("write `unit = \"epochs\"` or `unit = \"steps\"` to count those"))
                    }
                    _ => Ok(()),
                }
            }
            Schedule::Cosine { floor, .. } => in_unit(*floor, 0.0, &format!("{path}.cosine.floor")),
            Schedule::OneCycle { peak, initial, floor, .. } => {
                in_unit(*peak, f64::MIN_POSITIVE, &format!("{path}.one-cycle.peak"))?;
                in_unit(*initial, f64::MIN_POSITIVE, &format!("{path}.one-cycle.initial"))?;
                in_unit(*floor, 0.0, &format!("{path}.one-cycle.floor"))
            }
        }
    }
}

/// From `start` (part 0) to `end` (part 1) along half a cosine.
fn half_cosine(start: f64, end: f64, part: f64) -> f64 {
    end + (start - end) * 0.5 * (1.0 + (std::f64::consts::PI * part.clamp(0.0, 1.0)).cos())
}

fn in_unit(value: f64, least: f64, path: &str) -> Result<(), Invalid> {
    if value >= least && value <= 1.0 {
        Ok(())
    } else {
        Err(Invalid::at(path, format!("{value} is not a share of the learning rate, at most 1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_default_is_the_released_recipe() {
        let schedule = Schedule::default();
        for (step, expected) in [(0, 1.0), (79_999, 1.0), (80_000, 0.1), (88_000, 0.01), (96_000, 0.001), (99_999, 0.001)] {
            assert!(close(schedule.factor(step, 100_000, 781), expected), "step {step}");
        }
    }

    #[test]
    fn milestones_count_what_they_are_told_to() {
        let epochs = Schedule::Piecewise { unit: Unit::Epochs, at: vec![2.0], factor: 0.5 };
        assert!(close(epochs.factor(19, 100, 10), 1.0));
        assert!(close(epochs.factor(20, 100, 10), 0.5));
        let steps = Schedule::Piecewise { unit: Unit::Steps, at: vec![3.0], factor: 0.5 };
        assert!(close(steps.factor(2, 100, 10), 1.0));
        assert!(close(steps.factor(3, 100, 10), 0.5));
    }

    #[test]
    fn a_cosine_starts_full_and_is_half_in_the_middle() {
        let schedule = Schedule::Cosine { floor: 0.0, pace: Pace::Step };
        assert!(close(schedule.factor(0, 100, 10), 1.0));
        assert!(close(schedule.factor(50, 100, 10), 0.5));
        assert!(schedule.factor(99, 100, 10) < 0.001);
    }

    /// Values of `OneCycleLR(max_lr=1, total_steps=10, pct_start=0.3, div_factor=25, final_div_factor=1e4)`.
    #[test]
    fn one_cycle_is_that_of_pytorch() {
        let schedule = Schedule::OneCycle { peak: 0.3, initial: 0.04, floor: 4e-6, pace: Pace::Step };
        let expected = [0.04, 0.52, 1.0, 0.950_484_632, 0.811_745_654, 0.611_262_022, 0.388_741_978, 0.188_258_346, 0.049_519_368, 4e-6];
        for (step, expected) in expected.into_iter().enumerate() {
            let factor = schedule.factor(step as u64, 10, 5);
            assert!((factor - expected).abs() < 1e-8, "step {step}: {factor}");
        }
    }

    /// Values of `CosineAnnealingLR(T_max=4, eta_min=0.1)` and of the one-cycle test above, stepped once an epoch.
    #[test]
    fn by_epoch_all_steps_of_an_epoch_have_the_rate_of_its_place() {
        let cosine = Schedule::Cosine { floor: 0.1, pace: Pace::Epoch };
        let rates: Vec<f64> = (0..12).map(|step| cosine.factor(step, 12, 3)).collect();
        for (rates, expected) in rates.chunks(3).zip([1.0, 0.868_198_052, 0.55, 0.231_801_948]) {
            assert!(rates.iter().all(|rate| (rate - expected).abs() < 1e-8), "{rates:?}");
        }
        let cycle = |pace| Schedule::OneCycle { peak: 0.3, initial: 0.04, floor: 4e-6, pace };
        for step in 0..40 {
            assert!(close(cycle(Pace::Epoch).factor(step, 40, 4), cycle(Pace::Step).factor(step / 4, 10, 4)));
        }
    }

    #[test]
    fn impossible_schedules_are_refused() {
        let refused = [
            Schedule::Piecewise { unit: Unit::Fraction, at: vec![100.0], factor: 0.1 },
            Schedule::Piecewise { unit: Unit::Epochs, at: vec![5.0, 4.0], factor: 0.1 },
            Schedule::Piecewise { unit: Unit::Epochs, at: vec![5.0], factor: 0.0 },
            Schedule::Cosine { floor: 1.5, pace: Pace::Step },
            Schedule::OneCycle { peak: 0.0, initial: 0.1, floor: 0.0, pace: Pace::Step },
        ];
        for schedule in refused {
            assert!(schedule.validate("schedule").is_err(), "{schedule:?}");
        }
        assert!(Schedule::default().validate("schedule").is_ok());
    }
}
