//! Input curvature by power iteration.

use planish_contract::Failure;
use planish_nn::vectors::{dot, norm, normalise};
use planish_nn::{Checkpoint, Stream};

use crate::linearity::Scene;

/// The dominant eigenvalue of each image's Hessian, `[n]` each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Curvatures {
    /// The Rayleigh quotient after the last iteration: an estimate of the eigenvalue of the largest magnitude, with its sign.
    pub(crate) eigenvalue: Vec<f32>,
    /// ‖Hv − λv‖ there, v of length 1: how far the iteration is from an eigenvector.
    pub(crate) residual: Vec<f32>,
}

/// Power iteration from a random direction, keyed by (seed, purpose, image id).
pub(crate) fn measure(checkpoint: &Checkpoint, scene: &Scene<'_>, iterations: u32, seed: u64) -> Result<Curvatures, Failure> {
    let size = scene.size();
    let mut directions = vec![0.0; scene.images.len()];
    for (row, id) in directions.chunks_exact_mut(size).zip(scene.ids) {
        let mut stream = Stream::new(seed, "curvature start", &[u64::from(*id)]);
        for value in row.iter_mut() {
            *value = stream.normal();
        }
        normalise(row);
    }
    let mut found = Curvatures::default();
    for _ in 0..iterations {
        let products = checkpoint.hessian_product(scene.images, scene.labels, &directions)?;
        found = Curvatures::default();
        for (direction, product) in directions.chunks_exact_mut(size).zip(products.chunks_exact(size)) {
            let eigenvalue = dot(direction, product);
            let length = norm(product);
            found.eigenvalue.push(eigenvalue as f32);
            // ‖Hv − λv‖² = ‖Hv‖² − λ² for a Rayleigh quotient λ and a v of length 1.
            found.residual.push((length * length - eigenvalue * eigenvalue).max(0.0).sqrt() as f32);
            // A flat image keeps its direction: every one is an eigenvector.
            if length > 0.0 {
                direction.copy_from_slice(product);
                normalise(direction);
            }
        }
    }
    Ok(found)
}
