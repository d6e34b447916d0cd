//! Values that a model keeps in other files: fetched into the model, if the files lie in its own folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::problem::{Problem, quote};
use super::walk;
use crate::model_file::LIMIT;
use crate::proto::tensor_proto::DataLocation;
use crate::proto::{ModelProto, TensorProto};

/// Whether any tensor of the model keeps its values in another file: an initializer or an attribute, in whichever graph.
pub(crate) fn used(model: &ModelProto) -> bool {
    let found = walk::tensors(model, &mut |tensor, _| if is_external(tensor) { Err(()) } else { Ok(()) });
    found.is_err()
}

fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location() == DataLocation::External || !tensor.external_data.is_empty()
}

/// Puts the values of all tensors into the model. `folder` is where the model lies; without one, no file is read.
///
/// A location must be the plain name of a regular file in the folder or below it: not absolute, without `..`, without
/// links on the way. What is read is what the model then holds, so nothing can change it after it was checked.
///
/// # Errors
/// A location that leads elsewhere, a range outside its file, more than [`LIMIT`] bytes in all, a file that can't be read.
pub(crate) fn fetch(model: &mut ModelProto, folder: Option<&Path>) -> Result<(), Problem> {
    fetch_allowed(model, folder, &mut |_| true)
}

/// As [`fetch`], reading only the locations that `allow` says yes to.
///
/// # Errors
/// As there, and a location that is not allowed.
pub(crate) fn fetch_allowed(model: &mut ModelProto, folder: Option<&Path>, allow: &mut dyn FnMut(&str) -> bool) -> Result<(), Problem> {
    let mut files = Files { folder, allow, open: BTreeMap::new(), left: LIMIT };
    walk::tensors_mut(model, &mut |tensor| files.fetch(tensor))
}

struct Files<'a> {
    folder: Option<&'a Path>,
    allow: &'a mut dyn FnMut(&str) -> bool,
    /// Files by location, with their sizes.
    open: BTreeMap<String, (File, u64)>,
    /// How many more bytes may be read.
    left: u64,
}

impl Files<'_> {
    fn fetch(&mut self, tensor: &mut TensorProto) -> Result<(), Problem> {
        if !is_external(tensor) {
            return Ok(());
        }
        let name = quote(tensor.name());
        let problem = |what: String| Problem::new(format!("tensor {name} keeps its values in another file, {what}")).hint(HINT);
        if tensor.raw_data.is_some() {
            return Err(problem("and in this one as well".to_owned()));
        }
        let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value().to_owned());
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| problem(format!("at the {key} {}, which is no number", quote(&text)))),
        };
        let location = entry("location").ok_or_else(|| problem("but does not say in which".to_owned()))?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let left = self.left;
        let (file, size) = self.open(&location).map_err(|what| problem(format!("{}: {what}", quote(&location))))?;
        let length = length.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > size) {
            let what = format!("{}, bytes {offset} to {}, but that has {size} bytes", quote(&location), offset.saturating_add(length));
            return Err(problem(what));
        }
        let left = left.checked_sub(length).ok_or_else(|| problem(format!("and all such files together exceed {LIMIT} bytes")))?;
        let mut values = Vec::new();
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.take(length).read_to_end(&mut values));
        read.map_err(|e| problem(format!("{}: {e}", quote(&location))))?;
        self.left = left;
        tensor.raw_data = Some(values);
        tensor.data_location = None;
        tensor.external_data.clear();
        Ok(())
    }

    fn open(&mut self, location: &str) -> Result<(&mut File, u64), String> {
        if !self.open.contains_key(location) {
            let folder = self.folder.ok_or("files beside the model can't be read here")?;
            let path = inside(folder, location)?;
            if !(self.allow)(location) {
                return Err("that file is not among those given with the model".to_owned());
            }
            let file = File::open(&path).map_err(|e| e.to_string())?;
            let size = file.metadata().map_err(|e| e.to_string())?.len();
            if size > LIMIT {
                return Err(format!("has {size} bytes; the most that is read is {LIMIT}"));
            }
            self.open.insert(location.to_owned(), (file, size));
        }
        let (file, size) = self.open.get_mut(location).ok_or("not open")?;
        Ok((file, *size))
    }
}

const HINT: &str = "save the model as one file, or keep the file with its values in the model's folder";

/// The path of a location in the folder, if every part of it is a plain name and none is a link.
fn inside(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let parts: Vec<Component<'_>> = Path::new(location).components().filter(|part| *part != Component::CurDir).collect();
    if parts.is_empty() || !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        return Err("that leads out of the model's folder".to_owned());
    }
    let mut path = folder.to_path_buf();
    for (index, part) in parts.iter().enumerate() {
        path.push(part);
        let metadata = std::fs::symlink_metadata(&path).map_err(|e| e.to_string())?;
        if metadata.is_symlink() {
            return Err("that is a link, and links are not followed".to_owned());
        }
        if index + 1 == parts.len() && !metadata.is_file() {
            return Err("that is not a regular file".to_owned());
        }
    }
    Ok(path)
}
