//! Loss landscapes around data: how far from linear the loss is, how curved, what it looks like.
//!
//! [`LandscapeStage`] is the stage kind. Everything is measured image by image on a fixed network; an image's numbers depend on that
//! image, the seed and the parameters alone.

mod arrays;
mod curvature;
mod linearity;
mod outlook;
mod parameters;
mod stage;
mod surface;
mod vectors;

#[cfg(test)]
mod tests;

pub use parameters::{Curvature, LandscapeExecution, LandscapeParameters, Linearity, Optimizer, Surfaces};
pub use stage::LandscapeStage;
