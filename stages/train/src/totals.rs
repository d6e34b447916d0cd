//! Sums over an epoch, from which its history record is made.

use std::collections::BTreeMap;

use planish_contract::Failure;

use crate::batches::Batch;
use crate::held_out::correct;
use crate::objective::{Evaluation, to_host};

/// Sums over the steps of an epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    images: u64,
    right: u64,
    sums: BTreeMap<String, f64>,
}

/// Where in the training something happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The epoch, from 1.
    pub(crate) epoch: u32,
    /// The step, from 1.
    pub(crate) step: u64,
}

impl Totals {
    /// Counts one evaluation.
    ///
    /// # Errors
    /// [`Failure::Diverged`] when a number is not finite, naming the place and the images.
    pub(crate) fn add(&mut self, evaluation: &Evaluation, batch: &Batch, place: Place) -> Result<(), Failure> {
        let loss = to_host(evaluation.loss.clone())?.first().copied().unwrap_or(f32::NAN);
        let mut wrong = vec![false; batch.len()];
        let mut sums = Vec::with_capacity(evaluation.terms.len());
        for (name, values) in &evaluation.terms {
            let values = to_host(values.clone())?;
            wrong.iter_mut().zip(&values).for_each(|(wrong, value)| *wrong |= !value.is_finite());
            sums.push((*name, values.iter().map(|value| f64::from(*value)).sum::<f64>()));
        }
        if !loss.is_finite() || wrong.contains(&true) {
            return Err(Failure::Diverged(divergence("loss", batch, &wrong, place)));
        }
        for (name, sum) in sums {
            *self.sums.entry(name.to_owned()).or_default() += sum;
        }
        *self.sums.entry("loss".to_owned()).or_default() += f64::from(loss) * batch.len() as f64;
        self.right += correct(evaluation.logits.clone(), &batch.labels)?.iter().filter(|right| **right).count() as u64;
        self.images += batch.len() as u64;
        Ok(())
    }

    /// Counts the norm of a step's gradients, as the term `gradient-norm`.
    ///
    /// # Errors
    /// [`Failure::Diverged`] when it is not finite.
    pub(crate) fn add_norm(&mut self, norm: f64, batch: &Batch, place: Place) -> Result<(), Failure> {
        if !norm.is_finite() {
            return Err(Failure::Diverged(divergence("gradient", batch, &[], place)));
        }
        *self.sums.entry("gradient-norm".to_owned()).or_default() += norm * batch.len() as f64;
        Ok(())
    }

    /// The mean of every term so far.
    #[must_use]
    pub(crate) fn means(&self) -> BTreeMap<String, f64> {
        self.sums.iter().map(|(name, sum)| (name.clone(), sum / self.images.max(1) as f64)).collect()
    }

    /// The share of images that were classified rightly, of those that the objective looks at.
    #[must_use]
    pub(crate) fn accuracy(&self) -> f64 {
        self.right as f64 / self.images.max(1) as f64
    }
}

/// A message about a loss or gradient (`what`) that is not finite; the images are those marked, or all when none is.
fn divergence(what: &str, batch: &Batch, marked: &[bool], place: Place) -> String {
    const SHOWN: usize = 10;
    let any = marked.contains(&true);
    let marked = marked.iter().copied().chain(std::iter::repeat(false));
    let ids: Vec<String> = batch.ids.iter().zip(marked).filter(|(_, marked)| !any || *marked).map(|(id, _)| id.to_string()).collect();
    let shown = ids.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if ids.len() > SHOWN { format!(" and {} more", ids.len() - SHOWN) } else { String::new() };
    format!(
        "the training diverged: the {what} is not finite in epoch {}, step {}, at the images {shown}{more}; a smaller learning rate may help",
        place.epoch, place.step
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_divergence_names_the_place_and_the_images() {
        let batch = Batch { images: Vec::new(), labels: vec![0; 12], ids: (50..62).collect() };
        let mut marked = vec![false; 12];
        marked[3] = true;
        let place = Place { epoch: 2, step: 40 };
        assert!(divergence("loss", &batch, &marked, place).contains("epoch 2, step 40, at the images 53;"));
        assert!(divergence("gradient", &batch, &[], place).contains("58, 59 and 2 more"));
    }
}
