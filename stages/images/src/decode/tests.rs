//! Against Pillow and torchvision: `tests/golden/images_torchvision.py`.

use std::path::PathBuf;

use planish_formats::{NamedTensor, Values, read_tensors};

use super::*;
use crate::parameters::Size;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");

fn images() -> Vec<(String, PathBuf)> {
    let folder = std::fs::read_dir(format!("{GOLDEN}/images")).unwrap();
    folder.map(|entry| (entry.as_ref().unwrap().file_name().into_string().unwrap(), entry.unwrap().path())).collect()
}

/// Compares with a tensor `[h, w, 3]`: the largest difference, that of pixels which are not at the border, and the mean one.
fn difference(picture: &Picture, golden: &[NamedTensor], name: &str) -> (u8, u8, f64) {
    let tensor = golden.iter().find(|tensor| tensor.name == name).unwrap();
    let Values::U8(expected) = &tensor.values else { panic!("{name}") };
    assert_eq!([picture.height, picture.width, 3][..], tensor.shape[..], "{name}");
    let pixels = picture.bytes.chunks_exact(picture.channels);
    // Pillow's convert("RGB") of a grey image.
    let found = pixels.flat_map(|pixel| (0..3).map(|channel| pixel[channel.min(pixel.len() - 1)]));
    let differences: Vec<u8> = found.zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
    assert_eq!(differences.len(), expected.len());
    let is_inside = |at: usize, length: usize| (2..length - 2).contains(&at);
    let places = (0..picture.height).flat_map(|row| (0..3 * picture.width).map(move |column| (row, column / 3)));
    let inside = places.zip(&differences).filter(|((row, column), _)| is_inside(*row, picture.height) && is_inside(*column, picture.width));
    let inside = inside.map(|(_, difference)| *difference).max().unwrap();
    (differences.iter().copied().max().unwrap(), inside, differences.iter().map(|&d| f64::from(d)).sum::<f64>() / expected.len() as f64)
}

#[test]
fn files_are_decoded_resized_and_cropped_as_torchvision_does() {
    let golden = read_tensors(Path::new(&format!("{GOLDEN}/images_torchvision.safetensors"))).unwrap();
    let images = images();
    assert_eq!(images.len() * 2, golden.len());
    for (name, path) in images {
        let decoded = open(&name, &path, None).unwrap();
        let (resize, height, width) = if decoded.height > decoded.width { (36, 32, 32) } else { (40, 32, 40) };
        let cropped = open(&name, &path, Some(Fit { size: Size { height, width }, resize: Some(resize) })).unwrap();
        let (most, inside, mean) = difference(&decoded, &golden, &format!("{name}.decoded"));
        let (most_cropped, _, mean_cropped) = difference(&cropped, &golden, &format!("{name}.cropped"));
        // Decoders round differently; where colours are stored at half the size, both also smooth them, in another order, and at the border
        // with other neighbours.
        let (bound, mean_bound) = match name.split_once('.').unwrap() {
            (_, "png") => (0, 0.0),
            ("grey" | "cmyk", _) => (1, 0.01),
            ("444-baseline" | "444-progressive", _) => (3, 0.02),
            _ => (9, 0.4),
        };
        assert!(most <= bound && inside <= bound.min(4) && mean <= mean_bound, "{name}: {most}, inside {inside}, mean {mean}");
        assert!(most_cropped <= 3 && mean_cropped <= 0.4, "{name}: {most_cropped}, mean {mean_cropped}");
        assert!(bound > 0 || most_cropped <= 1, "{name}: resizing alone differs by {most_cropped}");
    }
}

#[test]
fn damaged_files_are_refused_and_never_half_read() {
    let mut whole = Vec::new();
    for (name, path) in images() {
        let bytes = std::fs::read(&path).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        for tenth in 0..10 {
            std::fs::write(file.path(), &bytes[..bytes.len() * tenth / 10]).unwrap();
            if open(&name, file.path(), None).is_ok() {
                whole.push(format!("{name} {tenth}"));
            }
        }
        // What comes of flipped bits does not matter, as long as it comes.
        for at in (0..bytes.len()).step_by(31) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(file.path(), &flipped).unwrap();
            let _ = open(&name, file.path(), Some(Fit { size: Size { height: 8, width: 8 }, resize: None }));
            let _ = is_coloured(file.path());
        }
    }
    assert!(whole.is_empty(), "{whole:?}");
}
