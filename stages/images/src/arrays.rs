//! Images and labels in safetensors and `NumPy` files.

use std::path::Path;

use planish_contract::{Context, Failure, Folder};

use crate::numpy::{read_npy, read_npz};
use crate::parameters::{ImagesParameters, Layout};
use crate::pixels::{ArrayImages, Pixels};
use crate::pool::{Found, Pictures, Pool};

/// The names under which images and labels are looked for in one file, in this order.
const NAMES: [(&str, &str); 6] =
    [("images", "labels"), ("image", "label"), ("x", "y"), ("x_test", "y_test"), ("data", "labels"), ("arr_0", "arr_1")];
/// More classes than any image classifier has.
const MOST_CLASSES: i64 = 1 << 20;

/// An array of numbers.
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

/// The numbers of an array, last axis fastest.
pub(crate) enum Values {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

/// Reads `files.source` when it is one file: `.safetensors` or `.npz`.
///
/// # Errors
/// [`Failure::Input`] when it is neither, or holds no images with labels.
pub(crate) fn in_file(name: &str, path: &Path, parameters: &ImagesParameters) -> Result<Found, Failure> {
    let mut arrays = match name.rsplit('.').next() {
        Some("safetensors") => safetensors(path)?,
        Some("npz") => read_npz(path, name)?,
        Some("npy") => return Err(Failure::input_hint(format!("{name} holds images or labels, not both"), PAIR)),
        _ => return Err(Failure::input_hint(format!("{name} is no array of images"), SOURCES)),
    };
    let position = |arrays: &[(String, Array)], name: &str| arrays.iter().position(|(other, _)| other == name);
    let pair = NAMES.iter().find(|(images, labels)| position(&arrays, images).is_some() && position(&arrays, labels).is_some());
    let Some((images, labels)) = pair else {
        let present: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!("{name} holds no arrays `images` and `labels` (it has: {})", present.join(", "));
        return Err(Failure::input(message));
    };
    let mut take = |wanted: &str| position(&arrays, wanted).map(|at| arrays.swap_remove(at).1);
    let (Some(pixels), Some(classes)) = (take(images), take(labels)) else {
        return Err(Failure::internal("an array vanished"));
    };
    found((pixels, &format!("{name}: {images}")), (classes, &format!("{name}: {labels}")), parameters)
}

/// Reads `files.images` and `files.labels`: two `.npy` files.
///
/// # Errors
/// As [`in_file`].
pub(crate) fn in_pair(images: &Folder, labels: &Folder, parameters: &ImagesParameters) -> Result<Found, Failure> {
    let ((pixels, images), (classes, labels)) = (one_npy("images", images)?, one_npy("labels", labels)?);
    found((pixels, &images), (classes, &labels), parameters)
}

const SOURCES: &str = "give a .safetensors or .npz file with `images` and `labels`, or a folder with a sub-folder for each class";
const PAIR: &str = "give both: files.images = \"x.npy\" and files.labels = \"y.npy\" (on the command line `--data x.npy --labels y.npy`)";

fn one_npy(entry: &str, folder: &Folder) -> Result<(Array, String), Failure> {
    let mut files = folder.files();
    match (files.next(), files.next()) {
        (Some((name, path)), None) if path.extension().is_some_and(|e| e == "npy") => Ok((read_npy(path, name)?, name.to_owned())),
        _ => Err(Failure::input_hint(format!("`files.{entry}` is not one .npy file"), PAIR)),
    }
}

fn safetensors(path: &Path) -> Result<Vec<(String, Array)>, Failure> {
    let convert = |values| match values {
        planish_formats::Values::U8(values) => Values::Bytes(values),
        planish_formats::Values::F32(values) => Values::Floats(values),
        planish_formats::Values::I64(values) => Values::Integers(values),
    };
    let tensors = planish_formats::read_tensors(path)?;
    Ok(tensors.into_iter().map(|tensor| (tensor.name, Array { shape: tensor.shape, values: convert(tensor.values) })).collect())
}

fn found(images: (Array, &str), labels: (Array, &str), parameters: &ImagesParameters) -> Result<Found, Failure> {
    let images = image_array(images, parameters.layout)?;
    let place = labels.1;
    let labels = label_array(labels)?;
    if labels.len() != images.len {
        return Err(Failure::input(format!("{} images, but {} labels", images.len, labels.len())));
    }
    let highest = labels.iter().copied().max().unwrap_or_default();
    let classes = match &parameters.classes {
        Some(classes) if highest as usize >= classes.len() => {
            let message = format!("{place}: label {highest}, but `classes` names {} classes (labels start at 0)", classes.len());
            return Err(Failure::input(message));
        }
        Some(classes) => classes.clone(),
        None => (0..=highest).map(|class| class.to_string()).collect(),
    };
    Ok(Found { classes, train: None, test: Pool { labels, pictures: Pictures::Array(images) } })
}

fn image_array((array, place): (Array, &str), layout: Layout) -> Result<ArrayImages, Failure> {
    let pixels = match array.values {
        Values::Bytes(values) => Pixels::Bytes(values),
        Values::Floats(values) => Pixels::Floats(values),
        Values::Integers(_) => {
            return Err(Failure::input_hint(format!("{place}: images of whole numbers that are not bytes"), "store them as uint8"));
        }
    };
    ArrayImages::new(pixels, &array.shape, layout, place)
}

/// Labels `[n]` or `[n, 1]`, from 0.
fn label_array((array, place): (Array, &str)) -> Result<Vec<u32>, Failure> {
    let whole: Vec<i64> = match array.values {
        Values::Bytes(values) => values.into_iter().map(i64::from).collect(),
        Values::Integers(values) => values,
        Values::Floats(_) => {
            return Err(Failure::input_hint(format!("{place}: labels that are not whole numbers"), "save labels.astype(\"int64\")"));
        }
    };
    if !matches!(array.shape.as_slice(), [_] | [_, 1]) {
        let hint = "labels are class numbers [n], not one-hot rows: save labels.argmax(1)";
        return Err(Failure::input_hint(format!("{place}: labels of shape {:?}", array.shape), hint));
    }
    let narrow = |(at, label): (usize, i64)| match u32::try_from(label) {
        Ok(narrow) if label < MOST_CLASSES => Ok(narrow),
        _ => Err(Failure::input(format!("{place}: image {at} has label {label}; labels are class numbers from 0"))),
    };
    whole.into_iter().enumerate().map(narrow).collect()
}

/// Says what rounding to u8 did.
pub(crate) fn tell_rounding(found: &Found, context: &Context) {
    if let Pictures::Array(images) = &found.test.pictures {
        let rounding = images.rounding();
        if rounding > 1e-4 {
            context.host.log(&format!("float images are kept as 8-bit grey levels; that changes a value by up to {rounding:.4}"));
        }
    }
}
