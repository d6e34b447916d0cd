//! Ordinary training.

use planish_contract::{Failure, Invalid};
use planish_nn::loss::cross_entropy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::objective::{Evaluation, Objective, Step};

/// The mean cross-entropy l(x); no perturbation. Batch statistics, which the running averages take up.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nominal {}

impl Objective for Nominal {
    fn validate(&self, _: &str) -> Result<(), Invalid> {
        Ok(())
    }

    fn robust(&self) -> bool {
        false
    }

    fn search_gradients(&self) -> u64 {
        0
    }

    fn outer_gradients(&self) -> u64 {
        1
    }

    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        Ok(step.batch.images.clone())
    }

    fn outer(&self, step: &Step<'_>, _: &[f32]) -> Result<Evaluation, Failure> {
        let (logits, statistics) = step.batch_pass(step.batch.images.clone());
        let losses = cross_entropy(logits.clone(), &step.labels());
        Ok(Evaluation {
            loss: losses.clone().mean(),
            terms: vec![("cross-entropy", losses)],
            logits,
            updates: statistics.into_iter().collect(),
        })
    }
}
