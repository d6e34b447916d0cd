//! Training: objectives, inner maximisers, schedules, the fit loop.
//!
//! [`TrainStage`] is the stage kind. An objective ([`objective::Objective`]) is one file in `objectives/`; what it needs from a step
//! is in [`objective::Step`], and the searches for perturbations go through [`ascent::Ascent`].

mod ahead;
pub mod ascent;
pub mod augmentation;
pub mod averaging;
pub mod batches;
mod clock;
pub mod device_check;
pub mod devices;
mod diverged;
mod fit;
pub mod gradients;
mod held_out;
pub mod input_gradient;
pub mod linearity;
pub mod normalisation;
pub mod objective;
pub mod objectives;
mod outlook;
mod parameters;
pub mod probe;
mod recipe;
pub mod rehearsal;
mod resized_crop;
pub mod schedule;
pub mod selection;
pub mod sgd;
mod slots;
mod stage;
mod start;
mod state;
mod step;
mod totals;
mod trial;
pub mod warmup;
pub mod weight_perturbation;
mod words;

#[cfg(test)]
mod tests;

pub use parameters::{Execution, Parameters};
pub use resized_crop::RandomResizedCrop;
pub use stage::TrainStage;
