//! Adam for searches in the space of images.

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-9;

/// Adam (Kingma and Ba 2015, algorithm 1) on the pixels of images, going up.
#[derive(Clone, Debug)]
pub struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: i32,
}

impl Adam {
    /// Moments of zero for this many pixels in all.
    #[must_use]
    pub fn new(pixels: usize) -> Self {
        Adam { mean: vec![0.0; pixels], square: vec![0.0; pixels], steps: 0 }
    }

    /// Moves `images` up `gradient` (both flat, of the length given to [`Adam::new`]), each slope times `scale`, with the learning rate `rate`.
    pub fn step(&mut self, images: &mut [f32], gradient: &[f32], (rate, scale): (f32, f32)) {
        self.steps += 1;
        let first = 1.0 - BETA_1.powi(self.steps);
        let second = 1.0 - BETA_2.powi(self.steps);
        let state = self.mean.iter_mut().zip(&mut self.square);
        for ((pixel, slope), (mean, square)) in images.iter_mut().zip(gradient).zip(state) {
            let slope = scale * slope;
            *mean = BETA_1 * *mean + (1.0 - BETA_1) * slope;
            *square = BETA_2 * *square + (1.0 - BETA_2) * slope * slope;
            *pixel += rate * (*mean / first) / ((*square / second).sqrt() + EPSILON);
        }
    }
}
