//! A folder with a sub-folder of images for each class, possibly below `train` and `test`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use planish_contract::{Failure, Folder};

use crate::parameters::ImagesParameters;
use crate::pool::{Found, Pictures, Pool};

const SUFFIXES: [&str; 3] = ["png", "jpg", "jpeg"];
/// Names of the folders that hold splits; `val` is what ImageNet calls the images that results are reported on.
const TRAIN: [&str; 1] = ["train"];
const TEST: [&str; 3] = ["test", "val", "validation"];

/// Finds the images of every class.
///
/// # Errors
/// [`Failure::Input`] naming a file that is no image or lies in no class.
pub(crate) fn find(source: &Folder, parameters: &ImagesParameters) -> Result<Found, Failure> {
    let files: Vec<(&str, &Path)> = source.files().filter(|(name, _)| !is_hidden(name)).collect();
    let tops: BTreeSet<&str> = files.iter().filter_map(|(name, _)| name.split_once('/').map(|(top, _)| top)).collect();
    let test = TEST.iter().copied().find(|name| tops.contains(name));
    let split = test.filter(|_| tops.contains(TRAIN[0]));
    let (train, test) = match split {
        None => (None, listing(&files, "")?),
        Some(test) => (Some(listing(&files, "train/")?), listing(&files, &format!("{test}/"))?),
    };
    let present: BTreeSet<&str> = test.iter().chain(train.iter().flatten()).map(|image| image.class).collect();
    let classes = match &parameters.classes {
        None => present.iter().map(|&class| class.to_owned()).collect(),
        Some(classes) => {
            if let Some(unknown) = present.iter().find(|class| !classes.iter().any(|name| name == *class)) {
                return Err(Failure::input(format!("the folder has a class `{unknown}` that `classes` does not name")));
            }
            classes.clone()
        }
    };
    let pool = |images: Vec<Listed>| Pool {
        labels: images.iter().map(|image| classes.iter().position(|class| class == image.class).unwrap_or_default() as u32).collect(),
        pictures: Pictures::Files(images.into_iter().map(|image| (image.name.to_owned(), image.path)).collect()),
    };
    Ok(Found { train: train.map(pool), test: pool(test), classes })
}

struct Listed<'a> {
    class: &'a str,
    name: &'a str,
    path: PathBuf,
}

/// The images below `prefix`, sorted by name; the first folder below it is the class.
fn listing<'a>(files: &[(&'a str, &Path)], prefix: &str) -> Result<Vec<Listed<'a>>, Failure> {
    let mut images = Vec::new();
    for (name, path) in files {
        let Some(inner) = name.strip_prefix(prefix) else { continue };
        let suffix = inner.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase()).unwrap_or_default();
        if !SUFFIXES.contains(&suffix.as_str()) {
            return Err(Failure::input_hint(format!("{name} is no PNG or JPEG file"), "keep only images in the class folders"));
        }
        let Some((class, _)) = inner.split_once('/') else {
            return Err(Failure::input_hint(format!("{name} lies in no class"), "put the images of each class into a folder of its name"));
        };
        images.push(Listed { class, name, path: path.to_path_buf() });
    }
    if images.is_empty() {
        return Err(Failure::input_hint("the folder holds no images", "it needs a sub-folder of PNG or JPEG files for each class"));
    }
    Ok(images)
}

/// Files that systems leave behind.
fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || part == "Thumbs.db" || part == "desktop.ini")
}
