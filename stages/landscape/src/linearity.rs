//! The local linearity measure.

use planish_contract::Failure;
use planish_nn::vectors::{linearity_error_slope, sign};
use planish_nn::{Adam, Aim, Ball, GradientPass, Stream, Surrogate, Victim};

use crate::parameters::{Linearity, Optimizer};
use crate::vectors::{along, cosine};

/// Images under measurement, and their clean losses and gradients.
pub(crate) struct Scene<'a> {
    /// `[n, c, h, w]` flat, in `[0,1]`.
    pub(crate) images: &'a [f32],
    /// The true classes, `[n]`.
    pub(crate) labels: &'a [u32],
    /// The images' indices in the official split, `[n]`.
    pub(crate) ids: &'a [u32],
    /// Losses, logits and gradients at the images.
    pub(crate) clean: GradientPass,
}

impl<'a> Scene<'a> {
    /// Measures losses and gradients at the images.
    pub(crate) fn new(victim: &mut dyn Victim, images: &'a [f32], labels: &'a [u32], ids: &'a [u32]) -> Result<Self, Failure> {
        let clean = pass(victim, images, labels)?;
        Ok(Scene { images, labels, ids, clean })
    }

    /// Values of one image.
    pub(crate) fn size(&self) -> usize {
        (self.images.len() / self.labels.len().max(1)).max(1)
    }

    /// Each image's random start in the ball: keyed by (seed, purpose, image id, restart).
    fn starts(&self, ball: Ball, seed: u64, restart: u32) -> Vec<f32> {
        let rows = self.images.chunks_exact(self.size()).zip(self.ids);
        let start = |(image, id): (&[f32], &u32)| {
            let mut stream = Stream::new(seed, "linearity start", &[u64::from(*id), u64::from(restart)]);
            ball.random_start(&mut stream, image)
        };
        rows.flat_map(start).collect()
    }
}

/// Cross-entropies and their gradients.
pub(crate) fn pass(victim: &mut dyn Victim, images: &[f32], labels: &[u32]) -> Result<GradientPass, Failure> {
    let aims: Vec<Aim> = labels.iter().map(|&label| Aim::away_from(label)).collect();
    victim.surrogate_gradient(images, Surrogate::CrossEntropy, &aims)
}

/// The largest linearity error found for each image, and what else is known at its place; `[n]` each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Linearities {
    /// γ(ε, x), a lower bound: the largest g found, in nats.
    pub(crate) gamma: Vec<f32>,
    /// |δᵀ∇l(x)| there, in nats.
    pub(crate) linear_term: Vec<f32>,
    /// |l(x+δ) − l(x)| there, in nats.
    pub(crate) loss_gap: Vec<f32>,
    /// The cosine between ∇l(x) and ∇l(x+δ) there.
    pub(crate) cosine: Vec<f32>,
}

/// Searches the ball for the largest linearity error of each image.
pub(crate) fn measure(
    victim: &mut dyn Victim,
    scene: &Scene<'_>,
    ball: Ball,
    (search, seed): (&Linearity, u64),
) -> Result<Linearities, Failure> {
    let n = scene.labels.len();
    let mut best = Linearities { gamma: vec![-1.0; n], linear_term: vec![0.0; n], loss_gap: vec![0.0; n], cosine: vec![1.0; n] };
    for restart in 0..search.restarts {
        let mut images = scene.starts(ball, seed, restart);
        let mut climber = Climber::new(search, ball, images.len());
        for step in 0..=search.steps {
            let there = pass(victim, &images, scene.labels)?;
            let residuals = best.hear(scene, &images, &there);
            if step < search.steps {
                climber.step(scene, &mut images, there, &residuals);
            }
        }
    }
    Ok(best)
}

impl Linearities {
    /// Takes up what is better than before; returns the signed residuals.
    fn hear(&mut self, scene: &Scene<'_>, images: &[f32], there: &GradientPass) -> Vec<f64> {
        let size = scene.size();
        let rows = images.chunks_exact(size).zip(scene.images.chunks_exact(size));
        let slopes = there.gradient.chunks_exact(size).zip(scene.clean.gradient.chunks_exact(size));
        let losses = there.losses.iter().zip(&scene.clean.losses);
        let known = self.gamma.iter_mut().zip(&mut self.linear_term).zip(self.loss_gap.iter_mut().zip(&mut self.cosine));
        let mut residuals = Vec::with_capacity(scene.labels.len());
        for ((((image, original), (slope_there, slope)), (loss, clean)), ((gamma, linear_term), (loss_gap, angle))) in
            rows.zip(slopes).zip(losses).zip(known)
        {
            let gap = f64::from(*loss) - f64::from(*clean);
            let linear = along(image, original, slope);
            let residual = gap - linear;
            residuals.push(residual);
            if residual.abs() as f32 > *gamma {
                (*gamma, *linear_term, *loss_gap) = (residual.abs() as f32, linear.abs() as f32, gap.abs() as f32);
                *angle = cosine(slope, slope_there) as f32;
            }
        }
        residuals
    }
}

/// One restart's state.
struct Climber<'a> {
    search: &'a Linearity,
    ball: Ball,
    length: f32,
    adam: Adam,
}

impl<'a> Climber<'a> {
    fn new(search: &'a Linearity, ball: Ball, values: usize) -> Self {
        let moments = if search.optimizer == Optimizer::Adam { values } else { 0 };
        let length = search.step_size.value(f64::from(ball.eps)) as f32;
        Climber { search, ball, length, adam: Adam::new(moments) }
    }

    /// One step up g along its true gradient, sign(residual)·(∇l(x+δ) − ∇l(x)).
    fn step(&mut self, scene: &Scene<'_>, images: &mut [f32], there: GradientPass, residuals: &[f64]) {
        let size = scene.size();
        let mut direction = there.gradient;
        let rows = direction.chunks_exact_mut(size).zip(scene.clean.gradient.chunks_exact(size));
        for ((row, clean), residual) in rows.zip(residuals) {
            linearity_error_slope(*residual, clean, row);
        }
        match self.search.optimizer {
            Optimizer::Sign => images.iter_mut().zip(&direction).for_each(|(pixel, slope)| *pixel += self.length * sign(*slope)),
            Optimizer::Adam => self.adam.step(images, &direction, (self.length, 1.0)),
        }
        for (row, original) in images.chunks_exact_mut(size).zip(scene.images.chunks_exact(size)) {
            self.ball.project(row, original);
        }
    }
}
