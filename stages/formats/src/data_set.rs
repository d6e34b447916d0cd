//! Data sets: `dataset.json` and one safetensors file a split, or several for a large one.
//!
//! A file holds `images` u8 `[n, c, h, w]`, `labels` i64 `[n]` and `ids` i64 `[n]`.

mod shard;
mod split;

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Failure, Folder};
use serde::{Deserialize, Serialize};

use crate::{check_schema, read_json, write_json};

pub use shard::{SHARD_BYTES, Shard, read_shard, shards, write_shard};
pub use split::{Split, SplitName};

/// The file that describes the data set: [`DataSetInfo`].
pub const INFO: &str = "dataset.json";

/// The most bytes of an image of a data set, far more than networks here take; keeps products of sizes from overflowing.
pub const MAX_IMAGE_BYTES: usize = 1 << 26;

/// More files than a split of any data set has: their names have five digits.
const MAX_SHARDS: usize = 99_999;

/// A file that the data set was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its official name, without a compression suffix.
    pub name: String,
    /// The SHA-256 of its (uncompressed) content, in hexadecimal.
    pub sha256: String,
}

/// What a data set is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSetInfo {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// The name, such as `fashion-mnist`.
    pub name: String,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// The mean of each channel over the official training split, images in `[0,1]`.
    pub mean: Vec<f64>,
    /// The standard deviation of each channel, likewise.
    pub std: Vec<f64>,
    /// How many images each split has, by its name.
    pub splits: BTreeMap<String, usize>,
    /// How many files hold a split, by its name; one where nothing is said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shards: BTreeMap<String, usize>,
    /// The official files that it is a selection of.
    pub sources: Vec<Source>,
}

/// A data set; its splits are read on demand.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// What it is.
    pub info: DataSetInfo,
    folder: Folder,
}

impl DataSet {
    /// Reads and checks the description of the data set in `folder`.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is missing, malformed or contradicts itself, [`Failure::Io`] when it can't be read.
    pub fn open(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.file(INFO)?;
        let info: DataSetInfo = read_json(path)?;
        check_schema(path, info.schema)?;
        check_info(&info).map_err(|message| Failure::input(format!("{}: {message}", path.display())))?;
        Ok(DataSet { info, folder: folder.clone() })
    }

    /// Whether the data set has the split.
    #[must_use]
    pub fn has(&self, name: SplitName) -> bool {
        self.info.splits.contains_key(name.as_str())
    }

    /// The first `count` images of a split, or all of them.
    ///
    /// # Errors
    /// As [`DataSet::split`], and [`Failure::Input`] when there are fewer.
    pub fn images(&self, name: SplitName, count: Option<usize>) -> Result<Split, Failure> {
        let split = self.split(name)?;
        match count {
            Some(count) if count > split.len() => Err(Failure::input_hint(
                format!("`images = {count}`, but the {name} split of {} has {} images", self.info.name, split.len()),
                "ask for fewer images, or let the data stage keep more",
            )),
            Some(count) => Ok(split.first(count)),
            None => Ok(split),
        }
    }

    /// Reads and checks a split.
    ///
    /// # Errors
    /// [`Failure::Input`] when the data set has no such split, or its file is malformed or contradicts the description.
    pub fn split(&self, name: SplitName) -> Result<Split, Failure> {
        let Some(&n) = self.info.splits.get(name.as_str()) else {
            let hint = format!("give the data stage `{name} = N` images");
            return Err(Failure::input_hint(format!("the data set `{}` has no {name} split", self.info.name), hint));
        };
        let count = self.info.shards.get(name.as_str()).copied().unwrap_or(1);
        let mut files = Vec::new();
        for index in 0..count {
            let path = self.folder.file(&shard::file_name(name, index, count))?;
            let part = read_shard(path, self.info.shape)?;
            let classes = self.info.classes.len();
            if let Some(label) = part.labels.iter().find(|&&label| label as usize >= classes) {
                return Err(Failure::input(format!("{}: label {label}, but there are {classes} classes", path.display())));
            }
            files.push(part);
        }
        let found = files.iter().map(Split::len).sum::<usize>();
        if found != n {
            return Err(Failure::input(format!("the {name} split of `{}` holds {found} images, but {INFO} says {n}", self.info.name)));
        }
        Split::joined(self.info.shape, files).ok_or_else(|| {
            Failure::input(format!("the files of the {name} split of `{}` hold different numbers of images", self.info.name))
        })
    }
}

fn check_info(info: &DataSetInfo) -> Result<(), String> {
    let bytes = info.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    if !bytes.is_some_and(|bytes| (1..=MAX_IMAGE_BYTES).contains(&bytes)) {
        return Err(format!("an image shape of {:?}", info.shape));
    }
    let channels = info.shape.first().copied().unwrap_or_default();
    if info.mean.len() != channels || info.std.len() != channels {
        return Err(format!("{} means and {} deviations for {channels} channels", info.mean.len(), info.std.len()));
    }
    if info.std.iter().any(|&deviation| deviation <= 0.0) {
        return Err("a standard deviation that is not above 0".to_owned());
    }
    if info.classes.is_empty() {
        return Err("no classes".to_owned());
    }
    if let Some((name, count)) =
        info.shards.iter().find(|(name, count)| !info.splits.contains_key(*name) || !(2..=MAX_SHARDS).contains(*count))
    {
        return Err(format!("{count} files of a split `{name}`"));
    }
    match info.splits.keys().find(|key| SplitName::ALL.iter().all(|name| name.as_str() != *key)) {
        Some(unknown) => Err(format!("a split named `{unknown}`; splits are train, validation and test")),
        None => Ok(()),
    }
}

/// Writes a data set whose images are in memory into the folder `dir`; `info.splits` has to say what `splits` holds, `info.shards` is seen to.
///
/// # Errors
/// [`Failure::Internal`] when the parts contradict each other, [`Failure::Io`] when a file can't be written.
pub fn write_data_set(dir: &Path, info: &DataSetInfo, splits: &BTreeMap<SplitName, Split>) -> Result<(), Failure> {
    write_sharded(dir, info, splits, SHARD_BYTES)
}

fn write_sharded(dir: &Path, info: &DataSetInfo, splits: &BTreeMap<SplitName, Split>, bytes: usize) -> Result<(), Failure> {
    let sizes: BTreeMap<String, usize> = splits.iter().map(|(name, split)| (name.as_str().to_owned(), split.len())).collect();
    let shapes_agree = splits.values().all(|split| split.shape == info.shape);
    if sizes != info.splits || !shapes_agree {
        return Err(Failure::internal("a data set whose description contradicts its splits"));
    }
    check_info(info).map_err(|message| Failure::internal(format!("a data set with {message}")))?;
    let mut counts = BTreeMap::new();
    for (&name, split) in splits {
        let files = shards(name, split.len(), split.image_len(), bytes);
        counts.insert(name.to_string(), files.len());
        for shard in files {
            let (labels, ids) = (split.labels.get(shard.rows.clone()), split.ids.get(shard.rows.clone()));
            let images = split.values_of(&shard.rows);
            let agree = labels.zip(ids).zip(images).ok_or_else(|| Failure::internal(format!("a {name} split without all its images")));
            let (of, images) = agree?;
            write_shard(&dir.join(&shard.file), split.shape, of, |write| write(&images))?;
        }
    }
    write_info(dir, DataSetInfo { shards: counts, ..info.clone() })
}

/// Writes the description of a data set whose files are written; `info.shards` may also count splits in one file.
///
/// # Errors
/// [`Failure::Internal`] when it contradicts itself, [`Failure::Io`] when the file can't be written.
pub fn write_info(dir: &Path, mut info: DataSetInfo) -> Result<(), Failure> {
    info.shards.retain(|_, count| *count != 1);
    check_info(&info).map_err(|message| Failure::internal(format!("a data set with {message}")))?;
    write_json(&dir.join(INFO), &info)
}

#[cfg(test)]
mod tests;
