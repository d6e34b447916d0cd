//! The bytes of images: as they lie in a mapped file, or made in memory.

use std::borrow::Borrow;
use std::ops::Deref;

use crate::mapped::Mapped;

/// Bytes of images, 0 to 255. Reads as a slice; one that is changed is copied into memory first.
#[derive(Clone, Debug)]
pub struct Pixels(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Owned(Vec<u8>),
    Mapped(Mapped),
}

impl Pixels {
    /// Makes room for `additional` more bytes.
    pub fn reserve_exact(&mut self, additional: usize) {
        self.owned().reserve_exact(additional);
    }

    /// Appends `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.owned().extend_from_slice(bytes);
    }

    fn owned(&mut self) -> &mut Vec<u8> {
        loop {
            match self.0 {
                Kept::Owned(ref mut bytes) => return bytes,
                Kept::Mapped(ref mapped) => self.0 = Kept::Owned(mapped.to_vec()),
            }
        }
    }
}

impl Default for Pixels {
    fn default() -> Self {
        Pixels(Kept::Owned(Vec::new()))
    }
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kept::Owned(bytes) => bytes,
            Kept::Mapped(mapped) => mapped,
        }
    }
}

impl From<Vec<u8>> for Pixels {
    fn from(bytes: Vec<u8>) -> Self {
        Pixels(Kept::Owned(bytes))
    }
}

impl From<Mapped> for Pixels {
    fn from(mapped: Mapped) -> Self {
        Pixels(Kept::Mapped(mapped))
    }
}

impl FromIterator<u8> for Pixels {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Pixels(Kept::Owned(bytes.into_iter().collect()))
    }
}

impl<'a> IntoIterator for &'a Pixels {
    type Item = &'a u8;
    type IntoIter = std::slice::Iter<'a, u8>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Borrow<[u8]> for Pixels {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Pixels {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Pixels {}

impl PartialEq<Vec<u8>> for Pixels {
    fn eq(&self, other: &Vec<u8>) -> bool {
        **self == **other
    }
}
