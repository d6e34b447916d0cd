//! Loss surfaces on a plane through an image.

use planish_contract::Failure;
use planish_nn::vectors::sign;
use planish_nn::{Aim, Ball, Stream, Surrogate, Victim};

use crate::linearity::{Scene, pass};
use crate::parameters::Surfaces;

/// The surfaces of some images.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Surface {
    /// The loss, in nats: `[k, p, p]`, the adversarial direction along the last axis but one, the random one along the last.
    pub(crate) loss: Vec<f32>,
    /// δ, `[k, c, h, w]`.
    pub(crate) adversarial: Vec<f32>,
    /// r, `[k, c, h, w]`.
    pub(crate) random: Vec<f32>,
}

/// The places along both axes, in multiples of δ and r, `[p]`.
pub(crate) fn offsets(surfaces: &Surfaces) -> Vec<f32> {
    let half = (surfaces.points / 2) as f64;
    (0..surfaces.points).map(|point| (surfaces.extent * (point as f64 - half) / half) as f32).collect()
}

/// Where sign ascent on the loss with steps of ε/4 ends, minus the image.
fn ascend(victim: &mut dyn Victim, scene: &Scene<'_>, ball: Ball, steps: u32) -> Result<Vec<f32>, Failure> {
    let size = scene.size();
    let mut images = scene.images.to_vec();
    for _ in 0..steps {
        let slopes = pass(victim, &images, scene.labels)?.gradient;
        images.iter_mut().zip(&slopes).for_each(|(pixel, slope)| *pixel += 0.25 * ball.eps * sign(*slope));
        for (row, original) in images.chunks_exact_mut(size).zip(scene.images.chunks_exact(size)) {
            ball.project(row, original);
        }
    }
    Ok(images.iter().zip(scene.images).map(|(there, here)| there - here).collect())
}

/// Draws the surfaces of the images of `scene`.
pub(crate) fn draw(victim: &mut dyn Victim, scene: &Scene<'_>, ball: Ball, (surfaces, seed): (&Surfaces, u64)) -> Result<Surface, Failure> {
    let size = scene.size();
    let mut drawn = Surface { adversarial: ascend(victim, scene, ball, surfaces.steps)?, ..Surface::default() };
    let offsets = offsets(surfaces);
    let rows = scene.images.chunks_exact(size).zip(drawn.adversarial.chunks_exact(size));
    for ((image, adversarial), (id, &label)) in rows.zip(scene.ids.iter().zip(scene.labels)) {
        let mut stream = Stream::new(seed, "surface direction", &[u64::from(*id)]);
        let random: Vec<f32> = (0..size).map(|_| if stream.below(2) == 0 { -ball.eps } else { ball.eps }).collect();
        for a in &offsets {
            let mut line = Vec::with_capacity(size * offsets.len());
            for b in &offsets {
                let moved = image.iter().zip(adversarial).zip(&random).map(|((x, d), r)| (x + a * d + b * r).clamp(0.0, 1.0));
                line.extend(moved);
            }
            let logits = victim.logits(&line)?;
            let classes = victim.classes();
            let mut slope = vec![0.0; classes];
            let losses = logits.chunks_exact(classes).map(|row| Surrogate::CrossEntropy.value(row, Aim::away_from(label), &mut slope));
            drawn.loss.extend(losses);
        }
        drawn.random.extend(random);
    }
    Ok(drawn)
}
