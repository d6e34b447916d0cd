//! Flat tables as Parquet files: one row group, plain encoding, uncompressed.
//!
//! The crate `parquet` would do this, but it switches the hash maps of burn to seeds that change with every process (a feature of
//! `ahash`, which both use), and equal bytes from equal inputs depend on their order. So planish writes the part of the format that
//! it needs itself (Apache Parquet format 2.10: `parquet.thrift`, `Encodings.md`) and reads what it wrote.

mod read;
#[cfg(test)]
mod tests;
mod thrift;
mod write;

use std::collections::BTreeMap;

pub(crate) use read::read;
pub(crate) use write::write;

/// The cells of one column; `None` is null.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cells {
    /// 64-bit integers.
    Whole(Vec<Option<i64>>),
    /// 64-bit floats.
    Real(Vec<Option<f64>>),
    /// Truth values.
    Flag(Vec<Option<bool>>),
    /// UTF-8 text.
    Text(Vec<Option<String>>),
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        match self {
            Cells::Whole(cells) => cells.len(),
            Cells::Real(cells) => cells.len(),
            Cells::Flag(cells) => cells.len(),
            Cells::Text(cells) => cells.len(),
        }
    }

    /// Whether each cell holds something.
    fn present(&self) -> Vec<bool> {
        match self {
            Cells::Whole(cells) => cells.iter().map(Option::is_some).collect(),
            Cells::Real(cells) => cells.iter().map(Option::is_some).collect(),
            Cells::Flag(cells) => cells.iter().map(Option::is_some).collect(),
            Cells::Text(cells) => cells.iter().map(Option::is_some).collect(),
        }
    }
}

/// A column with its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Whether a cell may be null.
    pub(crate) optional: bool,
    pub(crate) cells: Cells,
}

/// A table as it was read: columns by name, and its metadata.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: BTreeMap<String, Cells>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What a Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// Numbers of `parquet.thrift`.
mod code {
    pub(super) const BOOLEAN: i64 = 0;
    pub(super) const INT64: i64 = 2;
    pub(super) const DOUBLE: i64 = 5;
    pub(super) const BYTE_ARRAY: i64 = 6;
    pub(super) const REQUIRED: i64 = 0;
    pub(super) const OPTIONAL: i64 = 1;
    pub(super) const UTF8: i64 = 0;
    pub(super) const PLAIN: i64 = 0;
    pub(super) const RLE: i64 = 3;
    pub(super) const UNCOMPRESSED: i64 = 0;
    pub(super) const DATA_PAGE: i64 = 0;
}
