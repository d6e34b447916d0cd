//! Images with labels, not decoded yet, from which splits are taken.

use std::path::PathBuf;

use planish_contract::{Context, Failure};

use crate::decode;
use crate::parameters::Size;
use crate::pixels::ArrayImages;

/// What was found of a data set.
pub(crate) struct Found {
    /// The names of the classes, in the order of the labels.
    pub(crate) classes: Vec<String>,
    /// Images set apart for training, where the source says so.
    pub(crate) train: Option<Pool>,
    /// Images for testing; everything, where the source doesn't tell splits apart.
    pub(crate) test: Pool,
}

/// Images with labels, in a fixed order.
pub(crate) struct Pool {
    /// The class of each image.
    pub(crate) labels: Vec<u32>,
    /// The images themselves.
    pub(crate) pictures: Pictures,
}

/// Where the images of a pool are.
pub(crate) enum Pictures {
    /// In memory.
    Array(ArrayImages),
    /// In files, with the names that messages give them.
    Files(Vec<(String, PathBuf)>),
}

/// Decoded images: their shape `[c, h, w]` and their values `[n, c, h, w]`.
pub(crate) type Decoded = ([usize; 3], Vec<u8>);

impl Pool {
    /// The images at `ids` as u8 `[n, c, h, w]`, in that order.
    pub(crate) fn decode(&self, ids: &[u32], size: Option<Size>, context: &Context) -> Result<Decoded, Failure> {
        match &self.pictures {
            Pictures::Array(images) => images.rows(ids),
            Pictures::Files(files) => {
                let chosen: Vec<&(String, PathBuf)> = ids.iter().filter_map(|&id| files.get(id as usize)).collect();
                decode::files(&chosen, size, context)
            }
        }
    }
}
