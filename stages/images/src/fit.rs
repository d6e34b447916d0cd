//! How images of all sizes are brought to one, as torchvision does it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::decode::Picture;
use crate::parameters::Size;

/// The longest side that an image is resized to before it is cut.
const LONGEST_SIDE: usize = 1 << 15;

/// Resizes an image and cuts out its centre: `Resize` and `CenterCrop` of torchvision on Pillow's images, bilinear with antialiasing, to one grey level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    /// Height and width of what is cut out.
    pub(crate) size: Size,
    /// What the shorter side is resized to; without it the image is made as small as covers `size`.
    pub(crate) resize: Option<usize>,
}

impl Fit {
    /// # Errors
    /// Why the image can't be resized.
    pub(crate) fn apply(self, picture: Picture) -> Result<Picture, String> {
        let scaled = self.scaled([picture.height, picture.width]);
        if scaled.into_iter().max() > Some(LONGEST_SIDE) {
            return Err(format!("it has {}×{} pixels, which would become {}×{}", picture.height, picture.width, scaled[0], scaled[1]));
        }
        let picture = resized(picture, scaled)?;
        self.cut(&picture)
    }

    /// Height and width before the centre is cut out. The longer side is rounded down, as torchvision does.
    fn scaled(self, [height, width]: [usize; 2]) -> [usize; 2] {
        let by = |side: usize, to: usize, from: usize| side.saturating_mul(to) / from.max(1);
        let Size { height: h, width: w } = self.size;
        match self.resize {
            Some(side) if height <= width => [side, by(width, side, height)],
            Some(side) => [by(height, side, width), side],
            // Which of the sides covers with nothing to spare: h / height against w / width.
            None if h.saturating_mul(width) >= w.saturating_mul(height) => [h, by(width, h, height)],
            None => [by(height, w, width), w],
        }
    }

    fn cut(self, picture: &Picture) -> Result<Picture, String> {
        let Size { height, width } = self.size;
        let larger = || format!("{height}×{width} pixels are more than the {}×{} that it is resized to", picture.height, picture.width);
        let top = half_to_even(picture.height.checked_sub(height).ok_or_else(larger)?);
        let left = half_to_even(picture.width.checked_sub(width).ok_or_else(larger)?);
        let channels = picture.channels;
        let rows = picture.bytes.chunks_exact(picture.width * channels).skip(top).take(height);
        let bytes = rows.flat_map(|row| row.iter().skip(left * channels).take(width * channels)).copied().collect();
        Ok(Picture { bytes, channels, height, width })
    }
}

/// Half of `difference`, a half rounded to the even neighbour: where torchvision begins to cut.
fn half_to_even(difference: usize) -> usize {
    let half = difference / 2;
    half + usize::from(difference % 2 == 1 && half % 2 == 1)
}

fn resized(picture: Picture, [height, width]: [usize; 2]) -> Result<Picture, String> {
    if (picture.height, picture.width) == (height, width) {
        return Ok(picture);
    }
    let kind = if picture.channels == 3 { PixelType::U8x3 } else { PixelType::U8 };
    let source = ImageRef::new(picture.width as u32, picture.height as u32, &picture.bytes, kind).map_err(|e| e.to_string())?;
    let mut target = Image::new(width as u32, height as u32, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&source, &mut target, &options).map_err(|e| e.to_string())?;
    Ok(Picture { bytes: target.into_vec(), channels: picture.channels, height, width })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(size: [usize; 2], resize: Option<usize>) -> Fit {
        Fit { size: Size { height: size[0], width: size[1] }, resize }
    }

    #[test]
    fn sizes_and_corners_are_torchvisions() {
        assert_eq!(fit([224, 224], Some(256)).scaled([375, 500]), [256, 341]);
        assert_eq!(fit([224, 224], Some(256)).scaled([500, 375]), [341, 256]);
        assert_eq!(fit([224, 224], None).scaled([375, 500]), [224, 298]);
        assert_eq!(fit([4, 8], None).scaled([10, 10]), [8, 8]);
        assert_eq!(fit([8, 4], None).scaled([10, 10]), [8, 8]);
        // Python's round(0.5), round(1.5), round(2.5).
        assert_eq!([1, 3, 5, 4].map(half_to_even), [0, 2, 2, 2]);
    }

    #[test]
    fn what_would_be_too_long_or_too_small_is_refused() {
        let line = || Picture { bytes: vec![0; 16_384], channels: 1, height: 1, width: 16_384 };
        assert!(fit([224, 224], None).apply(line()).is_err_and(|reason| reason.contains("would become 224×3670016")));
        assert!(fit([4, 4], Some(2)).apply(line()).is_err_and(|reason| reason.contains("more than the 2×32768")));
    }
}
