//! The parameters of the landscape stage.

use std::num::NonZeroUsize;

use planish_contract::{Fraction, Invalid};
use planish_formats::{Norm, SplitName, Threat};
use planish_nn::{DeviceName, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured, on which images and within which balls.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LandscapeParameters {
    /// The ball in which γ is measured and surfaces are drawn.
    pub threat: Threat,
    /// Further radii at which γ is measured, in the unit of the images: γ over ε.
    #[serde(default)]
    pub radii: Vec<Fraction>,
    /// The split that is measured.
    #[serde(default = "test_split")]
    pub split: SplitName,
    /// Only the first so many images of the split; all unless given.
    #[serde(default)]
    pub images: Option<usize>,
    /// The seed of all random streams.
    #[serde(default)]
    pub seed: u64,
    /// How γ is searched for.
    #[serde(default)]
    pub linearity: Linearity,
    /// Measures the curvature; needs a checkpoint.
    #[serde(default)]
    pub curvature: Option<Curvature>,
    /// Draws loss surfaces.
    #[serde(default)]
    pub surfaces: Option<Surfaces>,
}

fn test_split() -> SplitName {
    SplitName::Test
}

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Every pixel moves by the step size, along the sign of its gradient.
    Sign,
    /// Adam on the raw gradient: betas 0.9 and 0.999, epsilon 1e-9, bias correction (the inner search of LLR's released code).
    Adam,
}

/// The maximiser of g(δ; x) = |l(x+δ) − l(x) − δᵀ∇l(x)|, whose largest value in the ball is the local linearity measure γ(ε, x) (Qin et
/// al. 2019, arXiv 1907.02610, section 3). The best iterate of all restarts counts, so a measured γ is a lower bound. Defaults: the inner
/// search of the released code (Adam with rate 0.1 from a uniform start), with more steps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linearity {
    /// Gradients a restart.
    pub steps: u32,
    /// Restarts, each from its own uniform start.
    pub restarts: u32,
    /// The step; Adam's learning rate. Unit of the image, or a part of ε.
    pub step_size: StepSize,
    /// How it steps.
    pub optimizer: Optimizer,
}

impl Default for Linearity {
    fn default() -> Self {
        Linearity { steps: 20, restarts: 1, step_size: StepSize::Absolute(0.1), optimizer: Optimizer::Adam }
    }
}

/// The eigenvalue of the largest magnitude of the Hessian of the loss with respect to the image, by power iteration on Hessian-vector
/// products. Unit: nats a squared unit of the image.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Curvature {
    /// Hessian-vector products an image.
    pub iterations: u32,
}

impl Default for Curvature {
    fn default() -> Self {
        Curvature { iterations: 10 }
    }
}

/// Loss surfaces l(x + a·δ + b·r) over a, b in ± `extent`: δ is where sign ascent on the loss ends, r a random corner of the ball. Images
/// are clipped to `[0,1]` (figure 1 of the paper, from memory).
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Surfaces {
    /// The first so many images are drawn.
    pub images: usize,
    /// Points along each axis; odd, so that the image itself is one.
    pub points: usize,
    /// How far the axes reach, in multiples of δ and r.
    pub extent: f64,
    /// Steps of ε/4 that lead to δ.
    pub steps: u32,
}

impl Default for Surfaces {
    fn default() -> Self {
        Surfaces { images: 4, points: 31, extent: 1.0, steps: 10 }
    }
}

impl LandscapeParameters {
    /// The threat model, then the further radii in its norm.
    #[must_use]
    pub fn threats(&self) -> Vec<Threat> {
        let further = self.radii.iter().map(|&eps| Threat { norm: self.threat.norm, eps });
        std::iter::once(self.threat).chain(further).collect()
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.threat.check("threat")?;
        if self.threat.norm != Norm::Linf {
            return Err(Invalid::at("threat.norm", format!("γ is measured in the linf ball, not in {}", self.threat.norm))
                .hint("write norm = \"linf\""));
        }
        for eps in &self.radii {
            Threat { norm: self.threat.norm, eps: *eps }.check("radii").map_err(|found| Invalid::at("radii", found.message))?;
        }
        if self.images == Some(0) {
            return Err(Invalid::at("images", "at least one image must be measured").hint("leave `images` out for the whole split"));
        }
        at_least_one("linearity.steps", self.linearity.steps)?;
        at_least_one("linearity.restarts", self.linearity.restarts)?;
        let step = self.linearity.step_size.value(1.0);
        if !(step > 0.0 && step.is_finite()) {
            return Err(Invalid::at("linearity.step_size", format!("{step} is not a positive step")));
        }
        if let Some(curvature) = &self.curvature {
            at_least_one("curvature.iterations", curvature.iterations)?;
        }
        self.surfaces.as_ref().map_or(Ok(()), Surfaces::validate)
    }
}

impl Surfaces {
    fn validate(&self) -> Result<(), Invalid> {
        const MOST: usize = 501;
        if self.points < 3 || self.points.is_multiple_of(2) || self.points > MOST {
            let hint = format!("use an odd number from 3 to {MOST}");
            return Err(Invalid::at("surfaces.points", format!("a surface can't have {} points a side", self.points)).hint(hint));
        }
        if self.images == 0 {
            return Err(Invalid::at("surfaces.images", "no image is drawn").hint("leave `surfaces` out to draw none"));
        }
        if !(self.extent > 0.0 && self.extent.is_finite()) {
            return Err(Invalid::at("surfaces.extent", format!("{} is not a positive number", self.extent)));
        }
        at_least_one("surfaces.steps", self.steps)
    }
}

fn at_least_one(path: &str, value: u32) -> Result<(), Invalid> {
    if value == 0 { Err(Invalid::at(path, "0 are too few").hint("write at least 1")) } else { Ok(()) }
}

/// How the landscape stage runs; changes no result.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LandscapeExecution {
    /// How many images are measured at once.
    pub batch_size: NonZeroUsize,
    /// Where a checkpoint is computed.
    pub device: DeviceName,
}

impl Default for LandscapeExecution {
    fn default() -> Self {
        const BATCH: NonZeroUsize = NonZeroUsize::new(100).unwrap();
        LandscapeExecution { batch_size: BATCH, device: DeviceName::Auto }
    }
}
