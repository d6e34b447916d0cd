//! Parameters as they may be written: with a recipe, or value by value.

use planish_contract::Fraction;
use planish_formats::{Norm, Threat};
use planish_nn::networks::wide_resnet::Stem;
use planish_nn::networks::{Resnet, WideResnet};
use planish_nn::{Activation, AnyNetwork, Precision, StepSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::augmentation::Augmentation;
use crate::averaging::Averaging;
use crate::normalisation::InputNormalisation;
use crate::objectives::{AnyObjective, Llr};
use crate::parameters::Parameters;
use crate::probe::Probe;
use crate::schedule::{Schedule, Unit};
use crate::selection::Selection;
use crate::sgd::Sgd;
use crate::warmup::Warmup;
use crate::weight_perturbation::WeightPerturbation;

/// A published training, by name. It stands for the values of the parameters that are not written; a parameter that is written counts
/// whole. The training's key holds the values, so that the same values written out are the same training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::enum_variant_names, reason = "recipes of other papers will have other prefixes")]
pub(crate) enum Recipe {
    /// The released code of LLR for CIFAR-10: WRN-28-8 with softplus, batches of 64 for 128 epochs (100,000 steps of 50,000 images), rate 0.1
    /// times 0.1 at 80, 88 and 96 % of the steps, ε over the first 500 steps, 2·CE + 4·(g + 0.3·|δᵀ∇l|).
    LlrReleased,
    /// LLR's paper for CIFAR-10, as far as it is known: batches of 256 for 110 epochs, rate 0.1 times 0.1 at epochs 100 and 105 (both
    /// recalled), ε over the first 15 epochs, λ = 4 and μ = 3 (both from later work); what is not known is as released.
    LlrPaper,
    /// LLR's paper for ImageNet at 4/255, as far as it is known: ResNet-152 with softplus for 110 epochs (recalled), two inner steps of ε/2, λ = 3
    /// and μ = 6 (from later work). Rate, schedule and batch are not known: those of `llr-paper` stand here. The paper's inputs are 2x − 1: a mean and
    /// deviation of 0.5 for each channel, which the data set gives.
    LlrImagenet,
}

/// What is not written stands for this.
struct Unwritten {
    network: Option<AnyNetwork>,
    objective: Option<AnyObjective>,
    epochs: Option<u32>,
    batch_size: usize,
    schedule: Schedule,
    threat: Threat,
    warmup: Warmup,
    augmentation: Augmentation,
}

impl Unwritten {
    fn without_recipe() -> Self {
        Unwritten {
            network: None,
            objective: None,
            epochs: None,
            batch_size: default_batch_size(),
            schedule: Schedule::default(),
            threat: default_threat(),
            warmup: Warmup::default(),
            augmentation: Augmentation::default(),
        }
    }

    fn of(recipe: Recipe) -> Self {
        let released = Unwritten {
            network: Some(AnyNetwork::WideResnet(WideResnet {
                depth: 28,
                width: 8,
                activation: Activation::Softplus,
                stem: Stem::Released,
            })),
            objective: Some(AnyObjective::Llr(Llr { cross_entropy_weight: 2.0, lambda: 4.0, mu: 1.2, ..Llr::default() })),
            epochs: Some(128),
            ..Unwritten::without_recipe()
        };
        match recipe {
            Recipe::LlrReleased => released,
            Recipe::LlrPaper => Unwritten {
                objective: Some(AnyObjective::Llr(Llr::default())),
                epochs: Some(110),
                batch_size: 256,
                schedule: Schedule::Piecewise { unit: Unit::Epochs, at: vec![100.0, 105.0], factor: 0.1 },
                warmup: Warmup::Epochs(15.0),
                ..released
            },
            Recipe::LlrImagenet => {
                let objective = Llr { lambda: 3.0, mu: 6.0, steps: 2, step_size: StepSize::Relative(0.5), ..Llr::default() };
                Unwritten {
                    network: Some(AnyNetwork::Resnet(Resnet { depth: 152, width: 64, activation: Activation::Softplus })),
                    objective: Some(AnyObjective::Llr(objective)),
                    threat: Threat { norm: Norm::Linf, eps: Fraction(4.0 / 255.0) },
                    augmentation: Augmentation { flip: true, ..Augmentation::NONE },
                    ..Unwritten::of(Recipe::LlrPaper)
                }
            }
        }
    }
}

fn default_batch_size() -> usize {
    64
}

fn default_threat() -> Threat {
    Threat { norm: Norm::Linf, eps: Fraction(8.0 / 255.0) }
}

fn default_statistics_momentum() -> f64 {
    0.1
}

fn one_part() -> usize {
    1
}

/// [`Parameters`] as they may be written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// Fills in what is not written here.
    recipe: Option<Recipe>,
    /// The network; needed unless a recipe has one.
    network: Option<AnyNetwork>,
    /// The first thing that the network does with images.
    #[serde(default)]
    input_normalisation: InputNormalisation,
    /// The numbers that convolutions and linear layers multiply in a training step, its search included. What is measured along the training is
    /// measured in single precision, as attacks measure it.
    #[serde(default)]
    precision: Precision,
    /// What is minimised; needed unless a recipe has one.
    objective: Option<AnyObjective>,
    /// Keys initial weights, data order, augmentation and random starts.
    #[serde(default)]
    seed: u64,
    /// How many times the training images are passed (released code: about 128 for 50,000 images); needed unless a recipe has it. 0 takes weights
    /// from elsewhere (`files.start`, `inputs.start`) as they are.
    epochs: Option<u32>,
    /// Images in a step.
    #[schemars(with = "usize", default = "default_batch_size")]
    batch_size: Option<usize>,
    /// In how many parts, one after the other, a step's images go through the network. The step is the same up to rounding but for
    /// batch statistics, which are those of each part: what memory would not hold is trained on so, never in another way. Running averages take up the
    /// whole batch's statistics.
    #[serde(default = "one_part")]
    accumulate: usize,
    /// The descent.
    #[serde(default)]
    optimizer: Sgd,
    /// Gradients whose norm over all weights is larger are scaled down to it; off unless it is there.
    clip_norm: Option<f64>,
    /// The learning rate over the training.
    #[schemars(with = "Schedule", default)]
    schedule: Option<Schedule>,
    /// The perturbations that inner searches and validation may use.
    #[schemars(with = "Threat", default = "default_threat")]
    threat: Option<Threat>,
    /// How the radius of the threat rises at the start.
    #[schemars(with = "Warmup", default)]
    warmup: Option<Warmup>,
    /// Random changes of the training images.
    #[schemars(with = "Augmentation", default)]
    augmentation: Option<Augmentation>,
    /// How the `selected` checkpoint is chosen on the validation split.
    #[serde(default)]
    selection: Selection,
    /// Averages of the weights over the steps, which are then validated and selected, and come out as `averaged`; off unless it is there.
    averaging: Option<Averaging>,
    /// What is measured on fixed images along the training; off unless it is there.
    probe: Option<Probe>,
    /// Adversarial weight perturbation; off unless it is there.
    weight_perturbation: Option<WeightPerturbation>,
    /// The share of a batch's statistics in the running averages: running ← (1 − m)·running + m·batch.
    #[serde(default = "default_statistics_momentum")]
    statistics_momentum: f64,
}

impl TryFrom<Written> for Parameters {
    type Error = String;

    /// The parameters with everything filled in; else what is missing.
    fn try_from(written: Written) -> Result<Self, String> {
        let unwritten = written.recipe.map_or_else(Unwritten::without_recipe, Unwritten::of);
        let missing = |name: &str| format!("`{name}` is missing, and no recipe fills it in");
        Ok(Parameters {
            network: written.network.or(unwritten.network).ok_or_else(|| missing("network"))?,
            input_normalisation: written.input_normalisation,
            precision: written.precision,
            objective: written.objective.or(unwritten.objective).ok_or_else(|| missing("objective"))?,
            seed: written.seed,
            epochs: written.epochs.or(unwritten.epochs).ok_or_else(|| missing("epochs"))?,
            batch_size: written.batch_size.unwrap_or(unwritten.batch_size),
            accumulate: written.accumulate,
            optimizer: written.optimizer,
            clip_norm: written.clip_norm,
            schedule: written.schedule.unwrap_or(unwritten.schedule),
            threat: written.threat.unwrap_or(unwritten.threat),
            warmup: written.warmup.unwrap_or(unwritten.warmup),
            augmentation: written.augmentation.unwrap_or(unwritten.augmentation),
            selection: written.selection,
            averaging: written.averaging,
            probe: written.probe,
            weight_perturbation: written.weight_perturbation,
            statistics_momentum: written.statistics_momentum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(json: serde_json::Value) -> serde_json::Value {
        let parameters: Parameters = serde_json::from_value(json).unwrap();
        parameters.validate().unwrap();
        serde_json::to_value(parameters).unwrap()
    }

    /// A recipe and what it stands for are the same training.
    #[test]
    fn the_released_recipe_is_what_the_notes_on_the_released_code_say() {
        let recipe = canonical(serde_json::json!({ "recipe": "llr-released" }));
        let spelled = canonical(serde_json::json!({
            "network": { "wide-resnet": { "depth": 28, "width": 8, "activation": "softplus", "stem": "released" } },
            "objective": { "llr": { "cross_entropy_weight": 2, "lambda": 4, "mu": 1.2, "steps": 10, "step_size": 0.1, "optimizer": "adam" } },
            "epochs": 128, "batch_size": 64,
            "optimizer": { "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 2e-4 },
            "schedule": { "piecewise": { "at": [0.8, 0.88, 0.96], "factor": 0.1 } },
            "threat": { "norm": "linf", "eps": "8/255" }, "warmup": { "steps": 500 }, "augmentation": { "flip": true, "crop": 4 },
        }));
        assert_eq!(recipe, spelled);
        assert!(recipe.get("recipe").is_none());
    }

    #[test]
    fn the_papers_recipes_are_as_recorded() {
        let cifar = canonical(serde_json::json!({ "recipe": "llr-paper" }));
        assert_eq!((&cifar["batch_size"], &cifar["epochs"]), (&256.into(), &110.into()));
        assert_eq!(cifar["schedule"]["piecewise"], serde_json::json!({ "unit": "epochs", "at": [100.0, 105.0], "factor": 0.1 }));
        assert_eq!((&cifar["objective"]["llr"]["mu"], &cifar["warmup"]["epochs"]), (&3.0.into(), &15.0.into()));
        let imagenet = canonical(serde_json::json!({ "recipe": "llr-imagenet" }));
        assert_eq!(imagenet["network"]["resnet"]["depth"], 152);
        assert_eq!(imagenet["objective"]["llr"]["step_size"], "0.5 eps");
    }

    #[test]
    fn what_is_written_counts_whole() {
        let mixed = canonical(serde_json::json!({ "recipe": "llr-released", "objective": { "adv": { "steps": 7 } }, "epochs": 3 }));
        assert_eq!((&mixed["objective"]["adv"]["steps"], &mixed["epochs"]), (&7.into(), &3.into()));
        assert!(mixed["objective"].get("llr").is_none());
        assert_eq!(mixed["network"]["wide-resnet"]["width"], 8);
    }

    #[test]
    fn without_a_recipe_what_is_needed_is_named() {
        let message = serde_json::from_value::<Parameters>(serde_json::json!({ "epochs": 3, "objective": { "nominal": {} } }))
            .unwrap_err()
            .to_string();
        assert!(message.contains("network"), "{message}");
    }
}
