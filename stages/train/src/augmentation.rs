//! Random changes of training images that leave the label as it is.

use planish_contract::{Failure, Invalid};
use planish_nn::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resized_crop::{Part, RandomResizedCrop, append_resized};

/// Which random changes a training image gets, anew in every epoch. The default is the released code of LLR for CIFAR-10.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Mirror left and right with probability one half. Not for digits.
    #[serde(default = "flip")]
    pub flip: bool,
    /// Pad by so many reflected pixels on every side and cut out a random window of the original size; 0 = not at all.
    #[serde(default = "crop")]
    pub crop: usize,
    /// Cut out a random part and resize it to the original size, as trainings on ImageNet do; off unless it is there, and only with `crop = 0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_resized_crop: Option<RandomResizedCrop>,
}

fn flip() -> bool {
    true
}

fn crop() -> usize {
    4
}

impl Default for Augmentation {
    fn default() -> Self {
        Augmentation { flip: flip(), crop: crop(), random_resized_crop: None }
    }
}

/// How one image is changed in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Draw {
    flip: bool,
    /// Offset of the window in the image, in pixels, in [-crop, crop].
    down: isize,
    right: isize,
    /// The part that becomes the image.
    part: Option<Part>,
}

impl Augmentation {
    /// No changes.
    pub const NONE: Augmentation = Augmentation { flip: false, crop: 0, random_resized_crop: None };

    /// Checks that the changes go together; `path` is where they stand.
    ///
    /// # Errors
    /// Two ways of cutting, or ranges that are none.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        let Some(resized) = &self.random_resized_crop else { return Ok(()) };
        if self.crop > 0 {
            let message = format!("images are cut out by `random_resized_crop`, not after padding by {} pixels too", self.crop);
            return Err(Invalid::at(&format!("{path}.crop"), message).hint("write crop = 0 beside it"));
        }
        resized.validate(&format!("{path}.random_resized_crop"))
    }

    /// Checks that images of shape `[c, h, w]` can be padded by reflection.
    ///
    /// # Errors
    /// [`Failure::Input`] when `crop` is not smaller than both sides.
    pub fn check(&self, shape: [usize; 3]) -> Result<(), Failure> {
        let [_, height, width] = shape;
        if self.crop < height && self.crop < width {
            return Ok(());
        }
        Err(Failure::input_hint(
            format!("images of {height} x {width} pixels can't be padded by {} reflected pixels", self.crop),
            "make `augmentation.crop` smaller than the image",
        ))
    }

    /// Appends image `id` (`bytes`: `[c, h, w]`) as floats in `[0,1]`, changed as (seed, epoch, id) say.
    pub fn append(&self, bytes: &[u8], shape: [usize; 3], key: (u64, u32, u32), images: &mut Vec<f32>) {
        let [_, height, width] = shape;
        let draw = self.draw(key, [height, width]);
        if let Some(part) = draw.part {
            append_resized(bytes, shape, (part, draw.flip), images);
            return;
        }
        if draw == (Draw { flip: false, down: 0, right: 0, part: None }) {
            images.extend(bytes.iter().map(|byte| f32::from(*byte) / 255.0));
            return;
        }
        for channel in bytes.chunks_exact(height * width) {
            for row in 0..height {
                let line = channel.chunks_exact(width).nth(reflect(row, draw.down, height)).unwrap_or_default();
                for column in 0..width {
                    let column = if draw.flip { width - 1 - column } else { column };
                    let byte = line.get(reflect(column, draw.right, width)).copied().unwrap_or_default();
                    images.push(f32::from(byte) / 255.0);
                }
            }
        }
    }

    fn draw(&self, (seed, epoch, id): (u64, u32, u32), size: [usize; 2]) -> Draw {
        let mut stream = Stream::new(seed, "augmentation", &[u64::from(epoch), u64::from(id)]);
        let flip = self.flip && stream.below(2) == 1;
        let mut offset =
            || if self.crop == 0 { 0 } else { (stream.below(2 * self.crop as u64 + 1) as usize).cast_signed() - self.crop.cast_signed() };
        let (down, right) = (offset(), offset());
        let part = self.random_resized_crop.map(|resized| resized.part(size, &mut stream));
        Draw { flip, down, right, part }
    }
}

/// The pixel at `position + offset` of a line of `length` pixels that goes on mirrored at its ends, which are not repeated.
fn reflect(position: usize, offset: isize, length: usize) -> usize {
    let at = position.cast_signed() + offset;
    let last = length.cast_signed() - 1;
    (if at > last { 2 * last - at } else { at.abs() }).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_changes_the_image_is_its_bytes() {
        let mut images = Vec::new();
        Augmentation::NONE.append(&[0, 51, 255, 102], [1, 2, 2], (1, 1, 7), &mut images);
        assert_eq!(images, [0.0, 0.2, 1.0, 0.4]);
    }

    #[test]
    fn reflection_does_not_repeat_the_border() {
        let line: Vec<usize> = (0..4).map(|position| reflect(position, -2, 4)).collect();
        assert_eq!(line, [2, 1, 0, 1]);
        let line: Vec<usize> = (0..4).map(|position| reflect(position, 2, 4)).collect();
        assert_eq!(line, [2, 3, 2, 1]);
    }

    #[test]
    fn draws_depend_on_seed_epoch_and_image_only_and_use_their_whole_range() {
        let augmentation = Augmentation { flip: true, crop: 2, ..Augmentation::NONE };
        assert_eq!(augmentation.draw((3, 2, 1), [8, 8]), augmentation.draw((3, 2, 1), [8, 8]));
        let draws: Vec<Draw> = (0..500).map(|id| augmentation.draw((3, 2, id), [8, 8])).collect();
        let again: Vec<Draw> = (0..500).map(|id| augmentation.draw((3, 3, id), [8, 8])).collect();
        assert_ne!(draws, again);
        for offset in -2..=2 {
            assert!(draws.iter().any(|d| d.down == offset) && draws.iter().any(|d| d.right == offset));
        }
        let flipped = draws.iter().filter(|d| d.flip).count();
        assert!((200..300).contains(&flipped), "{flipped}");
    }

    #[test]
    fn a_flip_mirrors_every_line() {
        let augmentation = Augmentation { flip: true, ..Augmentation::NONE };
        let id = (0..100).find(|id| augmentation.draw((0, 1, *id), [2, 2]).flip).unwrap();
        let mut images = Vec::new();
        augmentation.append(&[0, 255, 0, 0, 255, 0, 0, 0], [2, 2, 2], (0, 1, id), &mut images);
        assert_eq!(images, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn resized_parts_depend_on_seed_epoch_and_image_only() {
        let augmentation = Augmentation { flip: true, random_resized_crop: Some(RandomResizedCrop::default()), ..Augmentation::NONE };
        augmentation.validate("augmentation").unwrap();
        let bytes: Vec<u8> = (0..192).map(|i| (i * 7 % 256) as u8).collect();
        let image = |key| {
            let mut images = Vec::new();
            augmentation.append(&bytes, [3, 8, 8], key, &mut images);
            assert!(images.len() == 192 && images.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            images
        };
        assert_eq!(image((1, 2, 3)), image((1, 2, 3)));
        assert_ne!(image((1, 2, 3)), image((1, 3, 3)));
        assert_ne!(image((1, 2, 3)), image((2, 2, 3)));
        assert_ne!(image((1, 2, 3)), image((1, 2, 4)));
        assert_ne!(augmentation.draw((1, 2, 3), [8, 8]).part, augmentation.draw((1, 2, 4), [8, 8]).part);
    }

    #[test]
    fn a_crop_wider_than_the_image_is_refused() {
        assert!(Augmentation { crop: 8, ..Augmentation::NONE }.check([1, 8, 9]).is_err());
        assert!(Augmentation { crop: 7, ..Augmentation::NONE }.check([1, 8, 9]).is_ok());
    }
}
