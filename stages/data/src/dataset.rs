//! What a data set is, to this stage.

use planish_formats::Split;

use crate::Malformed;
pub use crate::embedded::Embedded;

/// A data set: the facts about its official files, and how to decode them.
pub trait Dataset {
    /// The facts.
    fn facts(&self) -> &'static Facts;

    /// Decodes the content of the official files, given in the order of [`Facts::files`].
    ///
    /// # Errors
    /// The first thing that contradicts the format.
    fn decode(&self, contents: &[Vec<u8>]) -> Result<Official, Malformed>;

    /// The selection that is part of the program, if any.
    fn embedded(&self) -> Option<&'static Embedded> {
        None
    }
}

/// Everything that is fixed about a data set.
#[derive(Debug)]
pub struct Facts {
    /// Its name, as in TOML.
    pub name: &'static str,
    /// The names of the classes, in the order of the labels.
    pub classes: &'static [&'static str],
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// The mean of each channel over the official training split, images in `[0,1]`.
    pub mean: &'static [f64],
    /// The standard deviation of each channel, likewise.
    pub std: &'static [f64],
    /// How many images the official training and test splits have.
    pub official: Sizes,
    /// How many images are taken where the pipeline does not say.
    pub defaults: Sizes,
    /// The official files, uncompressed.
    pub files: &'static [OfficialFile],
    /// Folders in which unpacked copies usually lie, relative to a data folder.
    pub folders: &'static [&'static str],
    /// How the files are published.
    pub publication: Publication,
}

/// Numbers of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// For training.
    pub train: usize,
    /// For validation; the official splits have none.
    pub validation: usize,
    /// For testing.
    pub test: usize,
}

impl Sizes {
    /// Whether a selection of these sizes contains one of `other`.
    #[must_use]
    pub fn contain(self, other: Sizes) -> bool {
        self.train >= other.train && self.validation >= other.validation && self.test >= other.test
    }
}

/// A file of the data set, uncompressed.
#[derive(Debug)]
pub struct OfficialFile {
    /// Its name.
    pub name: &'static str,
    /// Its length in bytes.
    pub size: u64,
    /// Its checksum.
    pub checksum: Checksum,
}

/// A pinned checksum, in lower-case hexadecimal.
#[derive(Clone, Copy, Debug)]
pub enum Checksum {
    /// SHA-256.
    Sha256(&'static str),
    /// MD5, where the publishers give nothing better: it guards against damage, not against malice.
    Md5(&'static str),
}

/// How the files of a data set are published.
#[derive(Debug)]
pub enum Publication {
    /// Each file by itself, compressed with gzip, in the order of [`Facts::files`].
    Gzip(&'static [Download]),
    /// All in one `.tar.gz`.
    Archive {
        /// The folder inside the archive that holds the files.
        folder: &'static str,
        /// The archive.
        download: Download,
    },
}

impl Publication {
    /// What has to be downloaded.
    #[must_use]
    pub fn downloads(&self) -> &[Download] {
        match self {
            Publication::Gzip(downloads) => downloads,
            Publication::Archive { download, .. } => std::slice::from_ref(download),
        }
    }
}

/// A file to download.
#[derive(Clone, Debug)]
pub struct Download {
    /// Its name on disk.
    pub name: &'static str,
    /// Where it is published, the address to try first in front.
    pub addresses: &'static [&'static str],
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// The official splits, complete and in their official order.
#[derive(Clone, Debug)]
pub struct Official {
    /// The training split.
    pub train: Split,
    /// The test split.
    pub test: Split,
}
