//! Random changes of training images that leave the label as it is.

use planish_contract::Failure;
use planish_nn::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which random changes a training image gets, anew in every epoch. The default is the released code of LLR for CIFAR-10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Mirror left and right with probability one half. Not for digits.
    #[serde(default = "flip")]
    pub flip: bool,
    /// Pad by so many reflected pixels on every side and cut out a random window of the original size; 0 = not at all.
    #[serde(default = "crop")]
    pub crop: usize,
}

fn flip() -> bool {
    true
}

fn crop() -> usize {
    4
}

impl Default for Augmentation {
    fn default() -> Self {
        Augmentation { flip: flip(), crop: crop() }
    }
}

/// How one image is changed in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Draw {
    flip: bool,
    /// Offset of the window in the image, in pixels, in [-crop, crop].
    down: isize,
    right: isize,
}

impl Augmentation {
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
        let draw = self.draw(key);
        if draw == (Draw { flip: false, down: 0, right: 0 }) {
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

    fn draw(&self, (seed, epoch, id): (u64, u32, u32)) -> Draw {
        let mut stream = Stream::new(seed, "augmentation", &[u64::from(epoch), u64::from(id)]);
        let flip = self.flip && stream.below(2) == 1;
        let mut offset =
            || if self.crop == 0 { 0 } else { (stream.below(2 * self.crop as u64 + 1) as usize).cast_signed() - self.crop.cast_signed() };
        Draw { flip, down: offset(), right: offset() }
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
        Augmentation { flip: false, crop: 0 }.append(&[0, 51, 255, 102], [1, 2, 2], (1, 1, 7), &mut images);
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
        let augmentation = Augmentation { flip: true, crop: 2 };
        assert_eq!(augmentation.draw((3, 2, 1)), augmentation.draw((3, 2, 1)));
        let draws: Vec<Draw> = (0..500).map(|id| augmentation.draw((3, 2, id))).collect();
        let again: Vec<Draw> = (0..500).map(|id| augmentation.draw((3, 3, id))).collect();
        assert_ne!(draws, again);
        for offset in -2..=2 {
            assert!(draws.iter().any(|d| d.down == offset) && draws.iter().any(|d| d.right == offset));
        }
        let flipped = draws.iter().filter(|d| d.flip).count();
        assert!((200..300).contains(&flipped), "{flipped}");
    }

    #[test]
    fn a_flip_mirrors_every_line() {
        let augmentation = Augmentation { flip: true, crop: 0 };
        let id = (0..100).find(|id| augmentation.draw((0, 1, *id)).flip).unwrap();
        let mut images = Vec::new();
        augmentation.append(&[0, 255, 0, 0, 255, 0, 0, 0], [2, 2, 2], (0, 1, id), &mut images);
        assert_eq!(images, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_crop_wider_than_the_image_is_refused() {
        assert!(Augmentation { flip: false, crop: 8 }.check([1, 8, 9]).is_err());
        assert!(Augmentation { flip: false, crop: 7 }.check([1, 8, 9]).is_ok());
    }
}
