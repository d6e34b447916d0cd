//! The parameters of the stage: what a training's result depends on.

use planish_contract::Invalid;
use planish_formats::{Norm, Threat};
use planish_nn::{AnyNetwork, DeviceName, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::augmentation::Augmentation;
use crate::averaging::Averaging;
use crate::normalisation::InputNormalisation;
use crate::objectives::AnyObjective;
use crate::probe::Probe;
use crate::recipe::Written;
use crate::schedule::Schedule;
use crate::selection::Selection;
use crate::sgd::Sgd;
use crate::warmup::Warmup;
use crate::weight_perturbation::WeightPerturbation;

/// Everything that a training's result depends on. Defaults are those of LLR's released code for CIFAR-10 where it has them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Parameters {
    /// The network.
    pub network: AnyNetwork,
    /// The first thing that the network does with images.
    #[serde(skip_serializing_if = "InputNormalisation::is_default")]
    pub input_normalisation: InputNormalisation,
    /// The numbers that convolutions and linear layers multiply in a training step, its search included. What is measured along the training
    /// is measured in single precision, as attacks measure it.
    #[serde(skip_serializing_if = "Precision::is_single")]
    pub precision: Precision,
    /// What is minimised.
    pub objective: AnyObjective,
    /// Keys initial weights, data order, augmentation and random starts.
    pub seed: u64,
    /// How many times the training images are passed; 0 only for weights from elsewhere, which are then taken as they are.
    pub epochs: u32,
    /// Images in a step.
    pub batch_size: usize,
    /// In how many parts a step's images go through the network.
    #[serde(skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// The descent.
    pub optimizer: Sgd,
    /// The largest norm of all weights' gradients together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// The learning rate over the training.
    pub schedule: Schedule,
    /// The perturbations that inner searches and validation may use.
    pub threat: Threat,
    /// How the radius of the threat rises at the start.
    pub warmup: Warmup,
    /// Random changes of the training images.
    pub augmentation: Augmentation,
    /// How the `selected` checkpoint is chosen on the validation split.
    pub selection: Selection,
    /// Averages of the weights over the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub averaging: Option<Averaging>,
    /// What is measured on fixed images along the training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// Adversarial weight perturbation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_perturbation: Option<WeightPerturbation>,
    /// The share of a batch's statistics in the running averages: running ← (1 − m)·running + m·batch.
    pub statistics_momentum: f64,
}

/// One part is what was before there could be several: it is not written, so that keys stay what they were.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_one(parts: &usize) -> bool {
    *parts == 1
}

impl Parameters {
    /// The weight perturbation, in an epoch (from 1) that has it.
    pub(crate) fn weight_perturbation_in(&self, epoch: u32) -> Option<&WeightPerturbation> {
        self.weight_perturbation.as_ref().filter(|perturbation| perturbation.active(epoch))
    }

    /// How many images go forward and back for one training image in an epoch (from 1): in searches, and in outer passes.
    pub(crate) fn gradients_per_image(&self, epoch: u32) -> (u64, u64) {
        let passes = if self.weight_perturbation_in(epoch).is_some() { 2 } else { 1 };
        (self.objective.search_gradients(), passes * self.objective.outer_gradients())
    }

    /// Checks every range, at plan time.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.epochs == 0 && self.probe.is_some() {
            return Err(Invalid::at("probe", "0 epochs have no steps to measure along").hint("leave it out, or write at least 1 epoch"));
        }
        if self.batch_size == 0 {
            return Err(Invalid::at("batch_size", "0 images are no batch").hint("write at least 1"));
        }
        if self.accumulate == 0 || self.accumulate > self.batch_size {
            let message = format!("a batch of {} images can't be cut into {} parts", self.batch_size, self.accumulate);
            return Err(Invalid::at("accumulate", message).hint("write a number from 1 to batch_size"));
        }
        if let Some(norm) = self.clip_norm.filter(|norm| !(*norm > 0.0 && norm.is_finite())) {
            return Err(Invalid::at("clip_norm", format!("{norm} is not a positive norm")));
        }
        self.threat.check("threat")?;
        if self.threat.norm != Norm::Linf {
            let message = format!("training searches within linf balls, not {}", self.threat.norm);
            return Err(Invalid::at("threat.norm", message).hint("write norm = \"linf\"; attacks take the other norms"));
        }
        let momentum = self.statistics_momentum;
        if !(momentum > 0.0 && momentum <= 1.0) {
            return Err(Invalid::at("statistics_momentum", format!("{momentum} is not a share in (0, 1]")));
        }
        check_network(&self.network)?;
        self.input_normalisation.validate("input_normalisation")?;
        self.objective.validate(&format!("objective.{}", toml_name(self.objective.member())))?;
        self.optimizer.validate("optimizer")?;
        self.augmentation.validate("augmentation")?;
        if let Some(averaging) = &self.averaging {
            averaging.validate("averaging", self.epochs)?;
        }
        if let Some(probe) = &self.probe {
            probe.validate("probe")?;
        }
        if let Some(perturbation) = &self.weight_perturbation {
            perturbation.validate("weight_perturbation")?;
        }
        self.schedule.validate("schedule")?;
        self.warmup.validate("warmup")?;
        self.selection.validate("selection")
    }
}

/// The network's own checks, with the path that they have in the stage's parameters.
fn check_network(network: &AnyNetwork) -> Result<(), Invalid> {
    network.check().map_err(|mut invalid| {
        invalid.path.splice(0..0, ["network".to_owned(), toml_name(network.member())]);
        invalid
    })
}

/// The name in TOML of the family member with that module path.
fn toml_name(member: &str) -> String {
    member.rsplit("::").next().unwrap_or(member).replace('_', "-")
}

/// What must not change a byte of the result.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Execution {
    /// Where to train.
    pub device: DeviceName,
    /// After how many epochs a state to resume from is kept; at least 1.
    pub checkpoint_interval: std::num::NonZeroU32,
}

impl Default for Execution {
    fn default() -> Self {
        Execution { device: DeviceName::Auto, checkpoint_interval: std::num::NonZeroU32::MIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Parameters, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    fn with(extra: &str) -> Result<Parameters, String> {
        let network = if extra.contains("network") { "" } else { r#""network": {"small-cnn": {}}, "# };
        parse(&format!(r#"{{{network}"epochs": 2, {extra}}}"#))
    }

    #[test]
    fn defaults_are_filled_in_and_read_back() {
        let parameters = with(r#""objective": {"llr": {}}"#).unwrap();
        parameters.validate().unwrap();
        let canonical = serde_json::to_value(&parameters).unwrap();
        assert_eq!(canonical["objective"]["llr"]["lambda"], 4.0);
        assert_eq!(canonical["batch_size"], 64);
        // What came later and is not used must not change keys.
        for name in ["input_normalisation", "precision", "accumulate", "clip_norm", "averaging", "probe", "weight_perturbation"] {
            assert!(canonical.get(name).is_none(), "{name}");
        }
        assert_eq!(canonical["optimizer"]["weight_decay"], 2e-4);
        let again: Parameters = serde_json::from_value(canonical.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), canonical);
    }

    #[test]
    fn unknown_keys_are_refused_everywhere() {
        for text in [
            r#""objective": {"llr": {"lamda": 1}}"#,
            r#""objective": {"nominal": {"steps": 1}}"#,
            r#""objective": {"tradez": {}}"#,
            r#""objective": {"nominal": {}}, "epoch": 3"#,
            r#""objective": {"nominal": {}}, "optimizer": {"nesterov": true}"#,
            r#""objective": {"nominal": {}}, "selection": {"split": "test"}"#,
            r#""objective": {"nominal": {}}, "augmentation": {"crops": 1}"#,
            r#""objective": {"nominal": {}}, "schedule": {"cosine": {"end": 1}}"#,
            r#""objective": {"nominal": {}}, "averaging": {"rate": 1}"#,
            r#""objective": {"nominal": {}}, "probe": {"split": "test"}"#,
            r#""objective": {"nominal": {}}, "recipe": "llr""#,
        ] {
            assert!(with(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_with_their_place() {
        for (text, place) in [
            (r#""objective": {"nominal": {}}, "network": {"small-cnn": {"width": 0}}"#, "network.small-cnn.width"),
            (r#""objective": {"adv": {"steps": 0}}"#, "objective.adv.steps"),
            (r#""objective": {"adv": {"step_size": 0.0}}"#, "objective.adv.step_size"),
            (r#""objective": {"trades": {"beta": -1.0}}"#, "objective.trades.beta"),
            (r#""objective": {"trades": {"start": "zero"}}"#, "objective.trades.start"),
            (r#""objective": {"llr": {"start": "zero"}}"#, "objective.llr.start"),
            (r#""objective": {"llr": {"mu": -0.5}}"#, "objective.llr.mu"),
            (r#""objective": {"nominal": {}}, "threat": {"norm": "linf", "eps": 8}"#, "threat.eps"),
            (r#""objective": {"nominal": {}}, "threat": {"norm": "linf", "eps": 0}"#, "threat.eps"),
            (r#""objective": {"nominal": {}}, "batch_size": 0"#, "batch_size"),
            (r#""objective": {"nominal": {}}, "optimizer": {"learning_rate": 0.0}"#, "optimizer.learning_rate"),
            (r#""objective": {"nominal": {}}, "optimizer": {"momentum": 1.0}"#, "optimizer.momentum"),
            (r#""objective": {"nominal": {}}, "statistics_momentum": 0.0"#, "statistics_momentum"),
            (r#""objective": {"nominal": {}}, "selection": {"every": 0}"#, "selection.every"),
            (r#""objective": {"nominal": {}}, "accumulate": 65"#, "accumulate"),
            (r#""objective": {"nominal": {}}, "accumulate": 0"#, "accumulate"),
            (r#""objective": {"nominal": {}}, "clip_norm": 0.0"#, "clip_norm"),
            (r#""objective": {"nominal": {}}, "averaging": {"decay": 1.0}"#, "averaging.decay"),
            (r#""objective": {"nominal": {}}, "averaging": {"after_epoch": 2}"#, "averaging.after_epoch"),
            (r#""objective": {"nominal": {}}, "probe": {"every": 0}"#, "probe.every"),
            (
                r#""objective": {"nominal": {}}, "input_normalisation": {"given": {"mean": [0.5], "std": [0.0]}}"#,
                "input_normalisation.given.std",
            ),
            (r#""objective": {"nominal": {}}, "input_normalisation": {"given": {"mean": [0.5], "std": []}}"#, "input_normalisation.given"),
            (r#""objective": {"nominal": {}}, "probe": {"rise": 1.0}"#, "probe.rise"),
            (r#""objective": {"nominal": {}}, "augmentation": {"random_resized_crop": {}}"#, "augmentation.crop"),
            (
                r#""objective": {"nominal": {}}, "augmentation": {"crop": 0, "random_resized_crop": {"scale": [0.5, 1.5]}}"#,
                "augmentation.random_resized_crop.scale",
            ),
            (
                r#""objective": {"nominal": {}}, "augmentation": {"crop": 0, "random_resized_crop": {"ratio": [2.0, 1.0]}}"#,
                "augmentation.random_resized_crop.ratio",
            ),
        ] {
            let invalid = with(text).and_then(|p| p.validate().map_err(|i| i.path.join("."))).unwrap_err();
            assert_eq!(invalid, place, "{text}");
        }
    }
}
