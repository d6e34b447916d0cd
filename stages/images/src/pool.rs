//! Images with labels, not decoded yet, from which splits are taken.

use std::path::PathBuf;

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

impl Found {
    /// The images set apart for training, or the others.
    pub(crate) fn pool(&self, training: bool) -> &Pool {
        self.train.as_ref().filter(|_| training).unwrap_or(&self.test)
    }
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
