//! Attacks and the judge.
//!
//! *The attack proposes, the judge disposes.* An [`attack::Attack`] makes candidates for images that
//! still stand, using the gradients of a `Victim`; the [`judge::Judge`] brings every candidate back into the
//! threat model and scores it with the exported ONNX model; the [`bench::Bench`] keeps the worst case of each image. Nothing
//! that an attack says about its own success counts.
//!
//! An attack is one file in `attacks/` and one line in `attacks/mod.rs`.

pub mod agreement;
pub mod ascent;
pub mod attack;
pub mod attacks;
pub mod bench;
mod choice;
pub mod evaluate;
mod evidence;
pub mod judge;
pub mod loss;
pub mod masking;
mod meter;
pub mod optimizer;
mod outlook;
mod parameters;
mod recall;
pub mod search;
mod stage;

pub use choice::{Attacks, Named};
pub use masking::MaskingParameters;
pub use parameters::{AttackExecution, AttackParameters};
pub use stage::AttackStage;
