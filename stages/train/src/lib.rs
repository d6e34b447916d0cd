//! Training: objectives, inner maximisers, schedules, the fit loop.
//!
//! [`TrainStage`] is the stage kind. An objective ([`objective::Objective`]) is one file in `objectives/`; what it needs from a step
//! is in [`objective::Step`], and the searches for perturbations go through [`ascent::Ascent`].

pub mod ascent;
pub mod augmentation;
pub mod batches;
mod clock;
mod fit;
pub mod input_gradient;
pub mod objective;
pub mod objectives;
mod parameters;
pub mod schedule;
pub mod selection;
pub mod sgd;
mod slots;
mod stage;
mod state;
mod totals;
pub mod warmup;
pub mod weight_perturbation;

#[cfg(test)]
mod tests;

pub use parameters::{Execution, Parameters};
pub use stage::TrainStage;
