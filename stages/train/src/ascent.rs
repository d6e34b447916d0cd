//! The inner maximiser of training: a few gradient steps up, for every image on its own.
//!
//! It is training's own, apart from the attacks that judge the result: an edit of an attack never retrains.

use planish_contract::{Failure, Invalid};
use planish_nn::vectors::sign;
use planish_nn::{Adam, Ball, StepSize, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Every pixel moves by the step size, along the sign of its gradient (Madry et al. 2018).
    Sign,
    /// Adam on the raw gradient with fresh state: betas 0.9 and 0.999, epsilon 1e-9, bias correction (the released code of LLR).
    Adam,
}

/// Where a search starts; the start is clipped to the ball and to `[0,1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the image.
    Zero,
    /// Anywhere in the cube of the threat's radius around the image.
    Uniform,
    /// At the image plus normal noise of this standard deviation (in units of the image, `[0,1]`).
    Gaussian(f64),
}

impl Start {
    /// Checks the range; `path` is where the start stands in the parameters.
    ///
    /// # Errors
    /// A deviation that is negative or not finite.
    pub fn validate(self, path: &str) -> Result<(), Invalid> {
        match self {
            Start::Gaussian(deviation) if !(deviation > 0.0 && deviation.is_finite()) => {
                Err(Invalid::at(&format!("{path}.gaussian"), format!("{deviation} is not a positive standard deviation")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses `zero`, where the searched quantity has its minimum and its gradient is zero.
    ///
    /// # Errors
    /// A start at the image itself.
    pub fn validate_moving(self, path: &str) -> Result<(), Invalid> {
        if self == Start::Zero {
            return Err(Invalid::at(path, "the search can't leave the image: what it maximises has zero gradient there")
                .hint("write `start = \"uniform\"`"));
        }
        self.validate(path)
    }

    /// Start images `[n, c, h, w]` for `images` of the same shape, keyed by (seed, purpose, image id, epoch).
    #[must_use]
    pub fn images(self, images: &[f32], ids: &[u32], ball: &Ball, key: &StartKey) -> Vec<f32> {
        let mut start = images.to_vec();
        let size = image_size(images, ids.len());
        for ((row, original), id) in start.chunks_exact_mut(size).zip(images.chunks_exact(size)).zip(ids) {
            let mut stream = Stream::new(key.seed, key.purpose, &[u64::from(*id), u64::from(key.epoch)]);
            match self {
                Start::Zero => {}
                Start::Uniform => row.iter_mut().for_each(|pixel| *pixel += stream.uniform(-ball.eps, ball.eps)),
                Start::Gaussian(deviation) => row.iter_mut().for_each(|pixel| *pixel += deviation as f32 * stream.normal()),
            }
            ball.project(row, original);
        }
        start
    }
}

/// What keys the random starts besides the image id: never the batch.
#[derive(Clone, Copy, Debug)]
pub struct StartKey {
    /// The training's seed.
    pub seed: u64,
    /// What the starts are for.
    pub purpose: &'static str,
    /// The epoch, from 1.
    pub epoch: u32,
}

/// Images `[n, c, h, w]` → the gradients of their own objectives, of the same shape.
pub type Slope<'a> = dyn FnMut(&[f32]) -> Result<Vec<f32>, Failure> + 'a;

/// A search: so many steps of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Ascent {
    /// The number of gradients.
    pub steps: u32,
    /// The length of a step; Adam's learning rate.
    pub step_size: StepSize,
    /// How a gradient becomes a step.
    pub optimizer: Optimizer,
    /// What each image's objective is multiplied by. A constant, never 1/batch: an image's steps then don't depend on the others.
    pub scale: f64,
}

impl Ascent {
    /// The last iterate of the search from `start` around `original` (both `[n, c, h, w]` for `n` images), clipped after every step.
    ///
    /// `gradient` gives the gradients of the images' own objectives at its argument, `[n, c, h, w]`.
    ///
    /// # Errors
    /// Those of `gradient`.
    pub fn climb(
        &self,
        ball: &Ball,
        original: (&[f32], usize),
        mut images: Vec<f32>,
        gradient: &mut Slope<'_>,
    ) -> Result<Vec<f32>, Failure> {
        let (original, n) = original;
        let size = image_size(original, n);
        let length = self.step_size.value(f64::from(ball.eps)) as f32;
        let mut adam = Adam::new(if self.optimizer == Optimizer::Adam { images.len() } else { 0 });
        for _ in 0..self.steps {
            let raw = gradient(&images)?;
            match self.optimizer {
                Optimizer::Sign => images.iter_mut().zip(&raw).for_each(|(pixel, slope)| *pixel += length * sign(*slope)),
                Optimizer::Adam => adam.step(&mut images, &raw, (length, self.scale as f32)),
            }
            for (row, original) in images.chunks_exact_mut(size).zip(original.chunks_exact(size)) {
                ball.project(row, original);
            }
        }
        Ok(images)
    }

    /// Checks the ranges; `path` is where the search's parameters stand.
    ///
    /// # Errors
    /// The first value that can't be used.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        if self.steps == 0 {
            return Err(Invalid::at(&format!("{path}.steps"), "0 steps find nothing").hint("write at least 1"));
        }
        let length = self.step_size.value(1.0);
        if !(length > 0.0 && length.is_finite()) {
            return Err(Invalid::at(&format!("{path}.step_size"), format!("{length} is not a positive step")));
        }
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return Err(Invalid::at(&format!("{path}.search_scale"), format!("{} is not a positive number", self.scale)));
        }
        Ok(())
    }
}

fn image_size(images: &[f32], n: usize) -> usize {
    (images.len() / n.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use planish_formats::Norm;

    use super::*;

    const KEY: StartKey = StartKey { seed: 1, purpose: "test", epoch: 1 };

    fn ball() -> Ball {
        Ball::new(Norm::Linf, 0.1)
    }

    fn ascent(steps: u32, step_size: StepSize, optimizer: Optimizer) -> Ascent {
        Ascent { steps, step_size, optimizer, scale: 1.0 / 64.0 }
    }

    /// Two images of three pixels; a linear objective is largest in a corner of the ball.
    #[test]
    fn both_optimizers_reach_the_maximum_of_a_linear_objective() {
        let images = [0.5, 0.5, 0.05, 0.5, 0.95, 0.5];
        let slope = [3.0, -1e-3, -2.0, 0.0, 1.0, -5.0];
        let best = [0.6, 0.4, 0.0, 0.5, 1.0, 0.4];
        for optimizer in [Optimizer::Sign, Optimizer::Adam] {
            let search = ascent(6, StepSize::Relative(0.25), optimizer);
            let found = search.climb(&ball(), (&images, 2), images.to_vec(), &mut |_| Ok(slope.to_vec())).unwrap();
            for (found, best) in found.iter().zip(best) {
                assert!((found - best).abs() < 1e-5, "{optimizer:?}: {found} instead of {best}");
            }
        }
    }

    #[test]
    fn the_first_step_of_adam_is_its_rate_and_does_not_depend_on_the_other_images() {
        let slope = |images: &[f32]| images.iter().map(|pixel| pixel - 0.4).collect::<Vec<f32>>();
        let search = ascent(1, StepSize::Absolute(0.03), Optimizer::Adam);
        let two = [0.5, 0.3, 0.41, 0.7];
        let found = search.climb(&ball(), (&two, 2), two.to_vec(), &mut |images| Ok(slope(images))).unwrap();
        assert!(found.iter().zip(two).all(|(found, start)| ((found - start).abs() - 0.03).abs() < 1e-6), "{found:?}");
        let one = search.climb(&ball(), (&two[..2], 1), two[..2].to_vec(), &mut |images| Ok(slope(images))).unwrap();
        assert_eq!(one, found[..2]);
    }

    #[test]
    fn every_iterate_stays_in_the_ball_and_in_the_image_range() {
        let images: Vec<f32> = (0..24).map(|i| i as f32 / 23.0).collect();
        let mut turn = 0.0;
        let search = ascent(20, StepSize::Absolute(0.3), Optimizer::Adam);
        let found = search.climb(&ball(), (&images, 3), images.clone(), &mut |now| {
            assert!(ball().distance(now, &images) <= 0.1 && now.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            turn += 1.0;
            Ok(now.iter().map(|pixel| (pixel * 40.0 + turn).sin()).collect())
        });
        assert!(ball().distance(&found.unwrap(), &images) <= 0.1);
    }

    #[test]
    fn starts_depend_on_the_image_and_the_epoch_never_on_the_batch() {
        let images = [0.5; 12];
        let start = Start::Uniform;
        let all = start.images(&images, &[7, 8, 9], &ball(), &KEY);
        let last = start.images(&images[..4], &[9], &ball(), &KEY);
        assert_eq!(last, all[8..]);
        assert_ne!(all[..4], all[4..8]);
        assert_ne!(last, start.images(&images[..4], &[9], &ball(), &StartKey { epoch: 2, ..KEY }));
        assert!(all.iter().any(|pixel| (pixel - 0.5).abs() > 0.05));
        assert_eq!(Start::Zero.images(&images, &[7, 8, 9], &ball(), &KEY), images);
        let near = Start::Gaussian(0.001).images(&images, &[7, 8, 9], &ball(), &KEY);
        assert!(near.iter().all(|pixel| (pixel - 0.5).abs() < 0.006) && near != images);
    }
}
