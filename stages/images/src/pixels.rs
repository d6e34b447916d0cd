//! Arrays of images, of either layout and of bytes or floats, as u8 `[n, c, h, w]`.

use planish_contract::Failure;

use crate::parameters::Layout;

/// The values of an array of images.
pub(crate) enum Pixels {
    /// 0 to 255.
    Bytes(Vec<u8>),
    /// In `[0,1]`.
    Floats(Vec<f32>),
}

/// Images as an array gives them.
pub(crate) struct ArrayImages {
    pixels: Pixels,
    /// How many images there are.
    pub(crate) len: usize,
    /// Channels, height and width.
    pub(crate) shape: [usize; 3],
    /// Whether channels are the last axis of the array.
    channels_last: bool,
}

impl ArrayImages {
    /// Checks shape and range; `place` names the array in messages.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is no array of images.
    pub(crate) fn new(pixels: Pixels, shape: &[usize], layout: Layout, place: &str) -> Result<Self, Failure> {
        let (len, shape, channels_last) = axes(shape, layout).map_err(|(message, hint)| {
            Failure::input_hint(format!("{place}: {message}"), hint.unwrap_or("images are [n, c, h, w], [n, h, w, c] or [n, h, w]"))
        })?;
        let values = match &pixels {
            Pixels::Bytes(values) => values.len(),
            Pixels::Floats(values) => values.len(),
        };
        let expected = shape.iter().try_fold(len, |product, &size| product.checked_mul(size));
        if expected != Some(values) {
            return Err(Failure::input(format!("{place}: {len} images of shape {shape:?}, but {values} values")));
        }
        if let Pixels::Floats(values) = &pixels {
            check_range(values, shape.iter().product(), place)?;
        }
        Ok(ArrayImages { pixels, len, shape, channels_last })
    }

    /// The largest change that rounding to u8 makes to a float image, in `[0,1]`; 0 for bytes.
    pub(crate) fn rounding(&self) -> f32 {
        match &self.pixels {
            Pixels::Bytes(_) => 0.0,
            Pixels::Floats(values) => values.iter().map(|&value| (value - f32::from(byte(value)) / 255.0).abs()).fold(0.0, f32::max),
        }
    }

    /// The images at `ids` as u8 `[n, c, h, w]`.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Vec<u8>, Failure> {
        let size: usize = self.shape.iter().product();
        let mut images = Vec::with_capacity(ids.len() * size);
        for &id in ids {
            let start = id as usize * size;
            let missing = || Failure::internal(format!("no image {id}"));
            match &self.pixels {
                Pixels::Bytes(values) => self.push(values.get(start..start + size).ok_or_else(missing)?, |value| value, &mut images),
                Pixels::Floats(values) => self.push(values.get(start..start + size).ok_or_else(missing)?, byte, &mut images),
            }
        }
        Ok(images)
    }

    /// Appends one image, channels first.
    fn push<T: Copy>(&self, image: &[T], byte: impl Fn(T) -> u8, images: &mut Vec<u8>) {
        if self.channels_last {
            let channels = self.shape[0];
            (0..channels).for_each(|channel| images.extend(image.iter().skip(channel).step_by(channels).map(|&value| byte(value))));
        } else {
            images.extend(image.iter().map(|&value| byte(value)));
        }
    }
}

/// The nearest grey level of a value in `[0,1]`.
fn byte(value: f32) -> u8 {
    (value * 255.0).round() as u8
}

fn check_range(values: &[f32], size: usize, place: &str) -> Result<(), Failure> {
    let Some(at) = values.iter().position(|value| !(0.0..=1.0).contains(value)) else { return Ok(()) };
    let value = values.get(at).copied().unwrap_or_default();
    let largest = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f32::max);
    let message = format!("{place}: image {} holds the value {value}, and float images are in [0,1]", at / size.max(1));
    let hint = if values.iter().any(|value| *value < 0.0) {
        "undo the normalisation: planish takes images in [0,1], and `--range`, `--mean` and `--std` tell what the model takes"
    } else if largest > 1.5 {
        "divide by 255, or store the images as bytes"
    } else {
        "clip the images to [0,1]"
    };
    Err(Failure::input_hint(message, hint))
}

/// Why a shape is not understood, and what to do about it.
type Complaint = (String, Option<&'static str>);

/// Number of images, `[c, h, w]`, and whether channels come last.
fn axes(shape: &[usize], layout: Layout) -> Result<(usize, [usize; 3], bool), Complaint> {
    let (n, image, last) = match (shape, layout) {
        (&[n, h, w], _) => (n, [1, h, w], false),
        (&[n, c, h, w], Layout::Nchw) => (n, [c, h, w], false),
        (&[n, h, w, c], Layout::Nhwc) => (n, [c, h, w], true),
        (&[n, a, b, c], Layout::Auto) => match ([1, 3].contains(&a), [1, 3].contains(&c)) {
            (true, false) => (n, [a, b, c], false),
            (false, true) => (n, [c, a, b], true),
            _ => {
                let message = format!("an array of shape {shape:?} does not tell which axis the channels are");
                return Err((message, Some("say so: layout = \"nchw\" or \"nhwc\" (on the command line `--data-layout`)")));
            }
        },
        _ => return Err((format!("an array of shape {shape:?} is no batch of images"), None)),
    };
    if n == 0 || image.contains(&0) {
        return Err((format!("an array of shape {shape:?} holds no images"), None));
    }
    Ok((n, image, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(shape: &[usize], layout: Layout) -> Result<ArrayImages, Failure> {
        let count = shape.iter().product::<usize>() as u8;
        ArrayImages::new(Pixels::Bytes((0..count).collect()), shape, layout, "x.npy")
    }

    #[test]
    fn both_layouts_come_out_channels_first() {
        let first = bytes(&[2, 3, 2, 2], Layout::Auto).unwrap();
        assert_eq!(first.shape, [3, 2, 2]);
        assert_eq!(first.rows(&[1, 0]).unwrap().first(), Some(&12));
        let last = bytes(&[2, 2, 2, 3], Layout::Auto).unwrap();
        assert_eq!((last.shape, last.rows(&[0]).unwrap()), ([3, 2, 2], vec![0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]));
        assert_eq!(bytes(&[2, 4, 4], Layout::Auto).unwrap().shape, [1, 4, 4]);
        assert_eq!(bytes(&[1, 3, 4, 3], Layout::Nhwc).unwrap().shape, [3, 3, 4]);
    }

    #[test]
    fn floats_are_rounded_to_grey_levels() {
        let values = vec![0.0, 1.0, 128.0 / 255.0, 0.5];
        let images = ArrayImages::new(Pixels::Floats(values), &[1, 1, 2, 2], Layout::Nchw, "x").unwrap();
        assert_eq!(images.rows(&[0]).unwrap(), [0, 255, 128, 128]);
        assert!((images.rounding() - 0.5 / 255.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_image_is_refused_with_a_way_out() {
        let hint = |failure: Failure| failure.hint().unwrap_or_default().to_owned();
        let floats = |values: [f32; 2]| ArrayImages::new(Pixels::Floats(values.to_vec()), &[2, 1, 1], Layout::Auto, "x").err().unwrap();
        let failure = floats([0.5, 255.0]);
        assert!(failure.to_string().contains("image 1 holds the value 255"), "{failure}");
        assert!(hint(failure).contains("255"));
        assert!(hint(floats([-1.0, 0.5])).contains("normalisation"));
        assert!(hint(floats([1.001, 0.5])).contains("clip"));
        assert!(floats([f32::NAN, 0.5]).to_string().contains("NaN"));
        assert!(hint(bytes(&[2, 3, 3, 3], Layout::Auto).err().unwrap()).contains("nhwc"));
        assert!(bytes(&[0, 3, 2, 2], Layout::Nchw).err().unwrap().to_string().contains("holds no images"));
        assert!(bytes(&[4, 4], Layout::Auto).err().unwrap().to_string().contains("no batch of images"));
        assert!(ArrayImages::new(Pixels::Bytes(vec![0; 3]), &[1, 2, 2], Layout::Auto, "x").is_err());
    }
}
