//! A linear classifier whose robust margin is known exactly.

use planish_attack::judge::Scorer;
use planish_contract::Failure;
use planish_formats::{Norm, Split};
use planish_nn::{GradientPass, Stream, Victim};

/// Logits `W x + b`, computed image by image.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) shape: [usize; 3],
    pub(crate) classes: usize,
    /// `[k, d]`.
    pub(crate) weights: Vec<f32>,
    /// `[k]`.
    pub(crate) bias: Vec<f32>,
    /// What the first call of `gradient` was given, and how many images all calls were given.
    pub(crate) first: Option<Vec<f32>>,
    pub(crate) gradients: usize,
}

impl Linear {
    pub(crate) fn new(classes: usize, seed: u64) -> Self {
        let shape = [1, 4, 4];
        let mut weights = vec![0.0; classes * 16];
        Stream::new(seed, "linear test model", &[]).fill_uniform(&mut weights, -1.0, 1.0);
        Linear { shape, classes, weights, bias: vec![0.0; classes], first: None, gradients: 0 }
    }

    /// Random images, each with the label that the model gives it.
    pub(crate) fn images(&self, count: u32, seed: u64) -> Split {
        let mut stream = Stream::new(seed, "linear test images", &[]);
        let images = (0..count * 16).map(|_| stream.below(256) as u8).collect();
        let split = Split { shape: self.shape, images, labels: vec![0; count as usize], ids: (0..count).map(|i| 1000 + 3 * i).collect() };
        let logits = self.rows(&split.pixels(0..split.len()));
        let labels = logits.chunks(self.classes).map(|row| (0..).zip(row).max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0).collect();
        Split { labels, ..split }
    }

    fn rows(&self, images: &[f32]) -> Vec<f32> {
        let row = |image: &[f32]| -> Vec<f32> {
            let dot = |w: &[f32]| w.iter().zip(image).map(|(w, x)| w * x).sum::<f32>();
            self.weights.chunks(16).zip(&self.bias).map(|(w, b)| dot(w) + b).collect()
        };
        images.chunks(16).flat_map(row).collect()
    }

    /// The lowest margin (true logit minus best rival) within ε of an image and `[0,1]`, in f64: for each rival every pixel goes to
    /// the end of its interval that the difference of weights points to.
    pub(crate) fn optimum(&self, image: &[f32], label: u32, eps: f64) -> f64 {
        let weight = |class: usize, pixel: usize| f64::from(self.weights[class * 16 + pixel]);
        let own = label as usize;
        let worst = |rival: usize| {
            let slope = |pixel: usize| weight(own, pixel) - weight(rival, pixel);
            let lowest = (0..16).map(|pixel| {
                let x = f64::from(image[pixel]);
                let end = if slope(pixel) > 0.0 { (x - eps).max(0.0) } else { (x + eps).min(1.0) };
                slope(pixel) * end
            });
            lowest.sum::<f64>() + f64::from(self.bias[own]) - f64::from(self.bias[rival])
        };
        (0..self.classes).filter(|&class| class != own).map(worst).fold(f64::INFINITY, f64::min)
    }

    /// The distance in `norm` to the nearest image in `[0,1]` that is not classified as `label`, in f64; infinite where there is none. Every
    /// pixel moves in the one direction that helps: by min(t, room) in L∞ and min(t·|w|, room) in L2 with the least t that suffices (by
    /// bisection), and in L1 the pixels with the largest |w| first.
    pub(crate) fn nearest(&self, image: &[f32], label: u32, norm: Norm) -> f64 {
        let weight = |class: usize, pixel: usize| f64::from(self.weights[class * 16 + pixel]);
        let own = label as usize;
        let to = |rival: usize| {
            let ways: Vec<(f64, f64)> = (0..16)
                .map(|pixel| {
                    let (w, x) = (weight(rival, pixel) - weight(own, pixel), f64::from(image[pixel]));
                    (w.abs(), if w > 0.0 { 1.0 - x } else { x })
                })
                .collect();
            let margin = |class: usize| (0..16).map(|p| weight(class, p) * f64::from(image[p])).sum::<f64>() + f64::from(self.bias[class]);
            distance_to_cover(&ways, margin(own) - margin(rival), norm)
        };
        (0..self.classes).filter(|&class| class != own).map(to).fold(f64::INFINITY, f64::min)
    }
}

/// The least norm of lengths `l ≤ room` with Σ w·l = `gap`, over (w, room).
fn distance_to_cover(ways: &[(f64, f64)], gap: f64, norm: Norm) -> f64 {
    if ways.iter().map(|(w, room)| w * room).sum::<f64>() < gap {
        return f64::INFINITY;
    }
    if norm == Norm::L1 {
        let mut ways = ways.to_vec();
        ways.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut left = gap;
        let lengths = ways.iter().map(|(w, room)| {
            let length = (left / w).clamp(0.0, *room);
            left -= length * w;
            length
        });
        return lengths.sum();
    }
    let lengths = |t: f64| ways.iter().map(move |(w, room)| if norm == Norm::Linf { t.min(*room) } else { (t * w).min(*room) });
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        let covered: f64 = lengths(middle).zip(ways).map(|(length, (w, _))| length * w).sum();
        if covered < gap { low = middle } else { high = middle }
    }
    match norm {
        Norm::L2 => lengths(high).map(|l| l * l).sum::<f64>().sqrt(),
        _ => lengths(high).fold(0.0, f64::max),
    }
}

impl Victim for Linear {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }
    fn classes(&self) -> usize {
        self.classes
    }
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        Ok(self.rows(images))
    }
    fn gradient(&mut self, images: &[f32], loss: &mut dyn FnMut(usize, &[f32], &mut [f32]) -> f32) -> Result<GradientPass, Failure> {
        self.first.get_or_insert_with(|| images.to_vec());
        self.gradients += images.len() / 16;
        let logits = self.rows(images);
        let (mut losses, mut gradient) = (Vec::new(), Vec::new());
        for (index, row) in logits.chunks(self.classes).enumerate() {
            let mut slope = vec![0.0; self.classes];
            losses.push(loss(index, row, &mut slope));
            gradient.extend((0..16).map(|pixel| slope.iter().enumerate().map(|(k, s)| s * self.weights[k * 16 + pixel]).sum::<f32>()));
        }
        Ok(GradientPass { losses, logits, gradient })
    }
}

impl Scorer for Linear {
    fn shape(&self) -> [usize; 3] {
        self.shape
    }
    fn classes(&self) -> usize {
        self.classes
    }
    fn logits(&mut self, images: &[f32]) -> Result<Vec<f32>, Failure> {
        Ok(self.rows(images))
    }
}
