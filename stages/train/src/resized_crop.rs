//! Random parts of images, brought to the size of the whole.

use std::ops::Range;

use planish_contract::Invalid;
use planish_nn::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cuts out a random part of an image and resizes it to the image's size: `RandomResizedCrop` of torchvision (Szegedy et al. 2015, arXiv 1409.4842, §6),
/// whose defaults are the defaults here. Resizing is bilinear; a part is never larger than the whole, so that there is nothing to smooth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomResizedCrop {
    /// The least and the largest share of the image's area, in (0, 1]; uniform between them.
    pub scale: [f64; 2],
    /// The least and the largest ratio of the part's width to its height; its logarithm is uniform between theirs.
    pub ratio: [f64; 2],
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        RandomResizedCrop { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// How often a part that does not fit into the image is drawn again (torchvision).
const TRIES: usize = 10;

impl RandomResizedCrop {
    /// Checks the ranges; `path` is where they stand.
    ///
    /// # Errors
    /// The first one that is no range.
    pub(crate) fn validate(&self, path: &str) -> Result<(), Invalid> {
        let [least, most] = self.scale;
        if !(least > 0.0 && least <= most && most <= 1.0) {
            let message = format!("[{least}, {most}] is no range of shares of an area");
            return Err(Invalid::at(&format!("{path}.scale"), message).hint("two numbers in (0, 1], the smaller one first: [0.08, 1.0]"));
        }
        let [least, most] = self.ratio;
        if !(least > 0.0 && least <= most && most.is_finite()) {
            let message = format!("[{least}, {most}] is no range of ratios");
            return Err(Invalid::at(&format!("{path}.ratio"), message).hint("two positive numbers, the smaller one first: [0.75, 1.33]"));
        }
        Ok(())
    }

    /// A random part of an image; the largest one in the middle whose ratio is allowed, where none fits (torchvision's `get_params`).
    pub(crate) fn part(&self, [height, width]: [usize; 2], stream: &mut Stream) -> Part {
        let area = (height * width) as f64;
        let [least, most] = self.ratio.map(f64::ln);
        for _ in 0..TRIES {
            let target = area * between(self.scale, stream);
            let ratio = between([least, most], stream).exp();
            let (w, h) = (whole((target * ratio).sqrt()), whole((target / ratio).sqrt()));
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let (top, left) = (below(height - h, stream), below(width - w, stream));
                return Part { top, left, height: h, width: w };
            }
        }
        let ratio = (width as f64 / height as f64).clamp(self.ratio[0], self.ratio[1]);
        let w = whole(height as f64 * ratio).clamp(1, width);
        let h = whole(width as f64 / ratio).clamp(1, height);
        Part { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
    }
}

fn between([least, most]: [f64; 2], stream: &mut Stream) -> f64 {
    least + (most - least) * f64::from(stream.uniform(0.0, 1.0))
}

/// A whole number from 0 to `most`.
fn below(most: usize, stream: &mut Stream) -> usize {
    stream.below(most as u64 + 1) as usize
}

/// Rounded as Python rounds: ties to even.
fn whole(number: f64) -> usize {
    number.round_ties_even() as usize
}

/// Between which two pixels of a line of the part a pixel lies, and how near it is to the second.
#[derive(Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    weight: f32,
}

/// The pixels of a line of `size` as places in a part of a line: centres of pixels on centres, ends held (PyTorch's `align_corners=False`).
fn places(part: Range<usize>, size: usize) -> Vec<Between> {
    let last = part.len().saturating_sub(1);
    let scale = part.len() as f64 / size.max(1) as f64;
    let place = |pixel: usize| {
        let at = ((pixel as f64 + 0.5) * scale - 0.5).clamp(0.0, last as f64);
        let first = at.floor() as usize;
        Between { first: part.start + first, second: part.start + last.min(first + 1), weight: (at - at.floor()) as f32 }
    };
    (0..size).map(place).collect()
}

/// Appends `part` of an image (`bytes`: `[c, h, w]`) as floats in `[0,1]`, brought to the image's size and, if it says so, mirrored.
pub(crate) fn append_resized(bytes: &[u8], [_, height, width]: [usize; 3], (part, flip): (Part, bool), images: &mut Vec<f32>) {
    let down = places(part.top..part.top + part.height, height);
    let mut across = places(part.left..part.left + part.width, width);
    if flip {
        across.reverse();
    }
    let along = |line: &[u8], at: &Between| {
        let (first, second) = (f32::from(line[at.first]), f32::from(line[at.second]));
        first + (second - first) * at.weight
    };
    for channel in bytes.chunks_exact(height * width) {
        let line = |row: usize| &channel[row * width..(row + 1) * width];
        for row in &down {
            let (above, under) = (line(row.first), line(row.second));
            images.extend(across.iter().map(|at| {
                let (first, second) = (along(above, at), along(under, at));
                (first + (second - first) * row.weight) / 255.0
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../tests/golden/train_resized_crop.json")).unwrap()
    }

    fn quantiles(mut numbers: Vec<f64>) -> Vec<f64> {
        numbers.sort_by(f64::total_cmp);
        (1..10).map(|tenth| numbers[tenth * (numbers.len() - 1) / 10]).collect()
    }

    /// Quantiles of what torchvision draws, for images square, wide, and so wide that often no part fits.
    #[test]
    fn parts_are_distributed_as_those_of_torchvision() {
        for drawn in golden()["draws"].as_array().unwrap() {
            let [height, width]: [usize; 2] = serde_json::from_value(drawn["size"].clone()).unwrap();
            let mut stream = Stream::new(1, "parts", &[]);
            let parts: Vec<Part> = (0..40_000).map(|_| RandomResizedCrop::default().part([height, width], &mut stream)).collect();
            assert!(parts.iter().all(|part| part.height > 0 && part.width > 0));
            assert!(parts.iter().all(|part| part.top + part.height <= height && part.left + part.width <= width));
            let of = |what: &dyn Fn(&Part) -> f64| quantiles(parts.iter().map(what).collect());
            let found = [
                ("area", of(&|part| (part.height * part.width) as f64 / (height * width) as f64)),
                ("ratio", of(&|part| part.width as f64 / part.height as f64)),
                ("down", of(&|part| (part.top as f64 + part.height as f64 / 2.0) / height as f64)),
                ("across", of(&|part| (part.left as f64 + part.width as f64 / 2.0) / width as f64)),
            ];
            for (name, found) in found {
                let expected: Vec<f64> = serde_json::from_value(drawn[name].clone()).unwrap();
                let near = found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 0.016);
                assert!(near && expected.len() == 9, "{name} of {height} x {width}: {found:?} instead of {expected:?}");
            }
        }
    }

    #[test]
    fn parts_are_resized_as_torchvision_does() {
        let shape = [2, 9, 11];
        let byte = |at: usize| {
            let (channel, row, column) = (at / 99, at / 11 % 9, at % 11);
            ((37 * channel + 91 * row * row + 53 * column * (row + 2)) % 256) as u8
        };
        let bytes: Vec<u8> = (0..198).map(byte).collect();
        let golden = golden();
        let cases = golden["parts"].as_array().unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let [top, left, height, width]: [usize; 4] = serde_json::from_value(case["part"].clone()).unwrap();
            let expected: Vec<f32> = serde_json::from_value(case["pixels"].clone()).unwrap();
            let mut images = Vec::new();
            append_resized(&bytes, shape, (Part { top, left, height, width }, case["flip"].as_bool().unwrap()), &mut images);
            assert_eq!(images.len(), expected.len());
            for (pixel, expected) in images.iter().zip(&expected) {
                assert!((pixel - expected).abs() < 1e-5, "{case}: {pixel} instead of {expected}");
            }
        }
    }

    /// A whole image comes out as it went in; where nothing fits, the largest allowed part does.
    #[test]
    fn extreme_ranges_are_met() {
        let whole = RandomResizedCrop { scale: [1.0, 1.0], ratio: [1.0, 1.0] };
        let mut stream = Stream::new(0, "parts", &[]);
        assert_eq!(whole.part([8, 8], &mut stream), Part { top: 0, left: 0, height: 8, width: 8 });
        assert_eq!(whole.part([4, 9], &mut stream), Part { top: 0, left: 2, height: 4, width: 4 });
        assert_eq!(whole.part([9, 4], &mut stream), Part { top: 2, left: 0, height: 4, width: 4 });
        let mut images = Vec::new();
        append_resized(&[0, 51, 255, 102], [1, 2, 2], (Part { top: 0, left: 0, height: 2, width: 2 }, true), &mut images);
        assert_eq!(images, [0.2, 0.0, 0.4, 1.0]);
        assert_eq!(RandomResizedCrop::default().part([1, 1], &mut stream), Part { top: 0, left: 0, height: 1, width: 1 });
    }
}
