//! The parameters of the attack stage.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use planish_contract::Invalid;
use planish_formats::{SplitName, Threat};
use planish_nn::DeviceName;
use planish_onnx::Provider;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::choice::Attacks;
use crate::masking::MaskingParameters;

/// What is attacked, how, and within which bounds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttackParameters {
    /// `attack.pgd = { … }`, or a list of attacks that run one after the other on the images that still stand.
    pub attack: Attacks,
    /// What an adversary may do: norm and ε, in units of pixels in `[0,1]`.
    pub threat: Threat,
    /// The split that is attacked.
    #[serde(default = "test_split")]
    pub split: SplitName,
    /// Only the first so many images of the split; all unless given.
    #[serde(default)]
    pub images: Option<usize>,
    /// The seed of all random streams.
    #[serde(default)]
    pub seed: u64,
    /// Whether evidence says of each adversarial image if it still is one when it is rounded to 8 bits a value, as image files are.
    #[serde(default)]
    pub report_u8: bool,
    /// Whether and how the model is checked for masked gradients.
    #[serde(default)]
    pub masking: MaskingParameters,
}

fn test_split() -> SplitName {
    SplitName::Test
}

impl AttackParameters {
    /// The module paths of the attacks in use, those of the masking checks included.
    #[must_use]
    pub fn members(&self) -> Vec<&'static str> {
        let mut members = self.attack.members();
        if self.masking.images > 0 {
            members.extend(crate::masking::members());
        }
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.threat.check("threat")?;
        if self.images == Some(0) {
            return Err(Invalid::at("images", "at least one image must be attacked").hint("leave `images` out for the whole split"));
        }
        self.masking
            .validate()
            .map_err(|invalid| Invalid { path: ["masking".to_owned()].into_iter().chain(invalid.path).collect(), ..invalid })?;
        self.attack.validate(self.threat.norm)
    }
}

/// How the attack stage runs; changes no result.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttackExecution {
    /// How many images go through the network at once.
    pub batch_size: NonZeroUsize,
    /// Where gradients of a checkpoint are computed.
    pub device: DeviceName,
    /// Where ONNX Runtime computes: `cpu`, or `cuda` for the first visible NVIDIA GPU, which must then be there.
    pub provider: Provider,
    /// ONNX Runtime's shared library; found or obtained unless given.
    pub onnxruntime: Option<PathBuf>,
}

impl Default for AttackExecution {
    fn default() -> Self {
        const BATCH: NonZeroUsize = NonZeroUsize::new(100).unwrap();
        AttackExecution { batch_size: BATCH, device: DeviceName::Auto, provider: Provider::Cpu, onnxruntime: None }
    }
}
