//! The bytes of images: as they lie in mapped files, or made in memory.

use std::borrow::Cow;
use std::ops::Range;

use crate::mapped::Mapped;

/// Bytes of images, 0 to 255: made in memory, or where they lie in one or more files, one after the other. What is changed is copied into memory first.
#[derive(Clone, Debug)]
pub struct Pixels(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Owned(Vec<u8>),
    /// All parts but the last have the same length.
    Mapped(Vec<Mapped>),
}

impl Pixels {
    /// Bytes that lie in files, one after the other; `None` unless all but the last are equally long and the last is not longer.
    pub(crate) fn joined(files: impl Iterator<Item = Pixels>) -> Option<Self> {
        let mut parts = Vec::new();
        for file in files {
            match file.0 {
                Kept::Owned(_) => return None,
                Kept::Mapped(more) => parts.extend(more),
            }
        }
        let (last, others) = parts.split_last()?;
        let length = others.first().unwrap_or(last).len();
        (others.iter().all(|part| part.len() == length) && last.len() <= length).then_some(Pixels(Kept::Mapped(parts)))
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts().map(<[u8]>::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in the pieces in which they lie.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let (owned, mapped) = match &self.0 {
            Kept::Owned(bytes) => (Some(bytes.as_slice()), [].as_slice()),
            Kept::Mapped(parts) => (None, parts.as_slice()),
        };
        owned.into_iter().chain(mapped.iter().map(|part| &**part))
    }

    /// All bytes.
    pub fn iter(&self) -> impl Iterator<Item = &u8> {
        self.parts().flatten()
    }

    /// A copy of all bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().collect::<Vec<_>>().concat()
    }

    /// The bytes of `range`, copied only where they lie in several pieces; `None` when the range reaches beyond the end.
    #[must_use]
    pub fn get(&self, range: Range<usize>) -> Option<Cow<'_, [u8]>> {
        if let Some(bytes) = self.within(range.clone()) {
            return Some(Cow::Borrowed(bytes));
        }
        let Kept::Mapped(parts) = &self.0 else { return None };
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        let mut bytes = Vec::with_capacity(range.len());
        let mut before = 0;
        for part in parts {
            let from = range.start.clamp(before, before + part.len()) - before;
            let to = range.end.clamp(before, before + part.len()) - before;
            bytes.extend_from_slice(part.get(from..to)?);
            before += part.len();
        }
        Some(Cow::Owned(bytes))
    }

    /// The bytes of `range` where they lie; `None` when that is not in one piece.
    #[must_use]
    pub fn within(&self, range: Range<usize>) -> Option<&[u8]> {
        match &self.0 {
            Kept::Owned(bytes) => bytes.get(range),
            Kept::Mapped(parts) => {
                let length = parts.first()?.len();
                // An empty range at the very end lies in the last part.
                let index = range.start.checked_div(length).unwrap_or_default().min(parts.len() - 1);
                let before = index * length;
                parts.get(index)?.get(range.start.checked_sub(before)?..range.end.checked_sub(before)?)
            }
        }
    }

    /// The first `length` bytes, or all; those in files are not copied.
    #[must_use]
    pub fn first(&self, length: usize) -> Self {
        match &self.0 {
            Kept::Owned(bytes) => bytes.get(..length).unwrap_or(bytes).to_vec().into(),
            Kept::Mapped(parts) => {
                let mut left = length;
                let mut kept = Vec::new();
                for part in parts {
                    let part = part.get(..left).and_then(|first| part.part(first)).unwrap_or_else(|| part.clone());
                    left = left.saturating_sub(part.len());
                    kept.push(part);
                    if left == 0 {
                        break;
                    }
                }
                Pixels(Kept::Mapped(kept))
            }
        }
    }

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
                Kept::Mapped(_) => self.0 = Kept::Owned(self.to_vec()),
            }
        }
    }
}

impl Default for Pixels {
    fn default() -> Self {
        Pixels(Kept::Owned(Vec::new()))
    }
}

impl From<Vec<u8>> for Pixels {
    fn from(bytes: Vec<u8>) -> Self {
        Pixels(Kept::Owned(bytes))
    }
}

impl From<Mapped> for Pixels {
    fn from(mapped: Mapped) -> Self {
        Pixels(Kept::Mapped(vec![mapped]))
    }
}

impl FromIterator<u8> for Pixels {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Pixels(Kept::Owned(bytes.into_iter().collect()))
    }
}

impl PartialEq for Pixels {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Pixels {}

impl PartialEq<Vec<u8>> for Pixels {
    fn eq(&self, other: &Vec<u8>) -> bool {
        self.len() == other.len() && self.iter().eq(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(lengths: &[usize]) -> Option<Pixels> {
        let folder = tempfile::tempdir().unwrap();
        let mut next = 0_u8..;
        let parts = lengths.iter().enumerate().map(|(index, &length)| {
            let path = folder.path().join(index.to_string());
            std::fs::write(&path, next.by_ref().take(length).collect::<Vec<_>>()).unwrap();
            Mapped::open(&path).unwrap().into()
        });
        Pixels::joined(parts)
    }

    #[test]
    fn pieces_read_as_one() {
        for lengths in [&[10][..], &[4, 4, 2], &[5, 5]] {
            let pixels = mapped(lengths).unwrap();
            let all: Vec<u8> = (0..10).collect();
            assert_eq!(pixels, all);
            assert_eq!(pixels, Pixels::from(all.clone()));
            for start in 0..=11 {
                for end in 0..=11 {
                    assert_eq!(pixels.get(start..end).as_deref(), all.get(start..end), "{lengths:?} {start}..{end}");
                }
            }
            for length in 0..12 {
                let first = pixels.first(length);
                assert_eq!(first.to_vec(), all[..length.min(10)]);
                assert_eq!(first.get(0..first.len()).unwrap().len(), first.len());
            }
        }
    }

    #[test]
    fn what_lies_in_one_piece_is_not_copied() {
        let pixels = mapped(&[4, 4, 2]).unwrap();
        assert_eq!(pixels.within(4..8), Some(&[4, 5, 6, 7][..]));
        assert_eq!(pixels.within(8..10), Some(&[8, 9][..]));
        assert_eq!(pixels.within(3..5), None);
        assert_eq!(pixels.within(8..11), None);
        assert!(matches!(pixels.get(0..4), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn pieces_of_other_lengths_are_refused() {
        assert!(mapped(&[]).is_none());
        assert!(mapped(&[4, 2, 4]).is_none());
        assert!(mapped(&[2, 4]).is_none());
        assert_eq!(mapped(&[0]).unwrap().len(), 0);
    }

    #[test]
    fn what_is_changed_is_copied_first() {
        let mut pixels = mapped(&[4, 1]).unwrap();
        pixels.extend_from_slice(&[9]);
        assert_eq!(pixels, vec![0, 1, 2, 3, 4, 9]);
    }
}
