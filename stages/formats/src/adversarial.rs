//! The images that attacks ended with: a safetensors file, written in parts.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use planish_contract::Failure;
use safetensors::Dtype;
use serde_json::json;

use crate::tensors::{mapped_values, take, take_u32};
use crate::{Mapped, Values, atomic, read_tensors};

/// One image for each attacked image, in the order of the evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Adversarial {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The images `[n, c, h, w]`, in `[0,1]`.
    pub images: Vec<f32>,
    /// Index of each image in its official split.
    pub ids: Vec<u32>,
    /// True class of each image.
    pub labels: Vec<u32>,
}

impl Adversarial {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is malformed, [`Failure::Io`] when it can't be read.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let place = path.display().to_string();
        let mut tensors = read_tensors(path)?;
        let images = take(&mut tensors, "images", &place)?;
        let (&[count, c, h, w], Values::F32(values)) = (images.shape.as_slice(), images.values) else {
            return Err(Failure::input(format!("{place}: tensor `images` is not of type F32 with four axes")));
        };
        let ids = take_u32(&mut tensors, "ids", count, &place)?;
        let labels = take_u32(&mut tensors, "labels", count, &place)?;
        Ok(Adversarial { shape: [c, h, w], images: values, ids, labels })
    }

    /// Reads single images of the file at `path` by their positions, each `[c, h, w]`; the others stay where they are.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is malformed or has no image at a position, [`Failure::Io`] when it can't be read.
    pub fn read_some(path: &Path, places: &[usize]) -> Result<Vec<Vec<f32>>, Failure> {
        let file = path.display().to_string();
        let (shape, bytes) = mapped_values(&Mapped::open(path)?, ("images", Dtype::F32), &file)?;
        let &[_, c, h, w] = shape.as_slice() else {
            return Err(Failure::input(format!("{file}: tensor `images` has no four axes")));
        };
        let size = [c, h, w, 4].into_iter().fold(1, usize::saturating_mul).max(1);
        let image = |place: &usize| {
            let values = bytes.chunks_exact(size).nth(*place).map(|bytes| bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)));
            values.map(Iterator::collect).ok_or_else(|| Failure::input(format!("{file}: there is no image at position {place}")))
        };
        places.iter().map(image).collect()
    }
}

/// Writes the file of an [`Adversarial`] without holding its images: in parts, in order, as they come.
///
/// The file appears when [`AdversarialWriter::finish`] has seen all of them.
#[derive(Debug)]
pub struct AdversarialWriter {
    path: PathBuf,
    temporary: PathBuf,
    writer: BufWriter<File>,
    left: usize,
}

impl AdversarialWriter {
    /// Begins the file at `path` for images of `shape` `[c, h, w]` with these ids and labels.
    ///
    /// # Errors
    /// [`Failure::Internal`] when ids and labels differ in number, [`Failure::Io`] when the file can't be written.
    pub fn create(path: &Path, shape: [usize; 3], ids: &[u32], labels: &[u32]) -> Result<Self, Failure> {
        if ids.len() != labels.len() {
            return Err(Failure::internal(format!("{} ids for {} labels", ids.len(), labels.len())));
        }
        let temporary = atomic::beside(path)?;
        let file = File::create(&temporary).map_err(|e| Failure::io(&temporary, e))?;
        let values = ids.len() * shape.iter().product::<usize>();
        let mut writer = AdversarialWriter { path: path.to_path_buf(), temporary, writer: BufWriter::new(file), left: values };
        writer.begin(shape, ids, labels).map_err(|e| Failure::io(&writer.temporary, e))?;
        Ok(writer)
    }

    /// The header, then ids and labels: the widest elements come first, so that all are aligned.
    fn begin(&mut self, [c, h, w]: [usize; 3], ids: &[u32], labels: &[u32]) -> std::io::Result<()> {
        let (n, wide) = (ids.len(), ids.len() * 8);
        let header = json!({
            "ids": { "dtype": "I64", "shape": [n], "data_offsets": [0, wide] },
            "images": { "dtype": "F32", "shape": [n, c, h, w], "data_offsets": [2 * wide, 2 * wide + self.left * 4] },
            "labels": { "dtype": "I64", "shape": [n], "data_offsets": [wide, 2 * wide] },
        });
        let mut text = header.to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        self.writer.write_all(&(text.len() as u64).to_le_bytes())?;
        self.writer.write_all(&text)?;
        for values in [ids, labels] {
            for &value in values {
                self.writer.write_all(&i64::from(value).to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// Adds the next images, `[n, c, h, w]` flat.
    ///
    /// # Errors
    /// [`Failure::Internal`] when there are more than was said, [`Failure::Io`] when the file can't be written.
    pub fn append(&mut self, images: &[f32]) -> Result<(), Failure> {
        let left = self.left.checked_sub(images.len());
        self.left = left.ok_or_else(|| Failure::internal("more images than were announced"))?;
        let write = |value: &f32| self.writer.write_all(&value.to_le_bytes());
        images.iter().try_for_each(write).map_err(|e| Failure::io(&self.temporary, e))
    }

    /// Makes the file appear.
    ///
    /// # Errors
    /// [`Failure::Internal`] when images are missing, [`Failure::Io`] when the file can't be written.
    pub fn finish(self) -> Result<(), Failure> {
        if self.left > 0 {
            return Err(Failure::internal(format!("{} values of images are missing", self.left)));
        }
        let AdversarialWriter { path, temporary, writer, .. } = self;
        let file = writer.into_inner().map_err(|e| Failure::io(&temporary, e.into_error()))?;
        file.sync_all().map_err(|e| Failure::io(&temporary, e))?;
        std::fs::rename(&temporary, &path).map_err(|e| Failure::io(&path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adversarial.safetensors");
        let mut writer = AdversarialWriter::create(&path, [1, 1, 2], &[7, 9, 11], &[0, 1, 2]).unwrap();
        writer.append(&[0.0, 0.25]).unwrap();
        writer.append(&[0.5, 0.75, 1.0, 0.125]).unwrap();
        assert!(!path.exists());
        writer.finish().unwrap();
        let read = Adversarial::read(&path).unwrap();
        assert_eq!((read.shape, read.ids, read.labels), ([1, 1, 2], vec![7, 9, 11], vec![0, 1, 2]));
        assert_eq!(read.images, [0.0, 0.25, 0.5, 0.75, 1.0, 0.125]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn too_few_and_too_many_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let create = || AdversarialWriter::create(&path, [1, 1, 1], &[7], &[0]).unwrap();
        assert!(create().finish().is_err());
        assert!(create().append(&[0.0, 1.0]).is_err());
        assert!(AdversarialWriter::create(&path, [1, 1, 1], &[7], &[]).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn only_the_images_asked_for_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut writer = AdversarialWriter::create(&path, [1, 1, 2], &[7, 9, 11], &[0, 1, 2]).unwrap();
        writer.append(&[0.0, 0.25, 0.5, 0.75, 1.0, 0.125]).unwrap();
        writer.finish().unwrap();
        let images = |places: &[usize]| Adversarial::read_some(&path, places);
        assert_eq!(images(&[2, 0]).unwrap(), [[1.0, 0.125], [0.0, 0.25]]);
        assert!(images(&[3]).is_err() && images(&[usize::MAX]).is_err());
        let bytes = std::fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 4], &bytes[..20], b"", b"\xff\xff\xff\xff\xff\xff\xff\xff"] {
            std::fs::write(&path, damaged).unwrap();
            assert!(images(&[2]).is_err());
        }
    }
}
