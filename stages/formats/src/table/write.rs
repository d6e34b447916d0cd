//! Writing tables.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::Failure;

use super::thrift::{Value, varint};
use super::{Cells, Column, MAGIC, code};
use crate::atomic;

/// Writes a table. The same table gives the same bytes.
///
/// # Errors
/// [`Failure::Internal`] when columns differ in length or an obligatory cell is empty, [`Failure::Io`] when the file can't be written.
pub(crate) fn write(path: &Path, columns: &[Column], metadata: &BTreeMap<String, String>) -> Result<(), Failure> {
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for Column { name, optional, cells } in columns {
        if cells.len() != rows || (!optional && cells.present().contains(&false)) {
            return Err(Failure::internal(format!("{}: column `{name}` lacks cells", path.display())));
        }
    }
    let bytes = table(columns, rows, metadata);
    atomic::write(path, |writer| writer.write_all(&bytes))
}

fn table(columns: &[Column], rows: usize, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let chunks: Vec<Value> = columns.iter().map(|column| chunk(column, rows, &mut bytes)).collect();
    let group = Value::of([(1, Value::List(chunks)), (2, Value::Long(long(bytes.len() - MAGIC.len()))), (3, Value::Long(long(rows)))]);
    let root = Value::of([(4, Value::text("evidence")), (5, Value::Int(long(columns.len())))]);
    let pair = |(key, value): (&String, &String)| Value::of([(1, Value::text(key)), (2, Value::text(value))]);
    let footer = Value::of([
        (1, Value::Int(1)),
        (2, Value::List(std::iter::once(root).chain(columns.iter().map(element)).collect())),
        (3, Value::Long(long(rows))),
        (4, Value::List(vec![group])),
        (5, Value::List(metadata.iter().map(pair).collect())),
        (6, Value::text("planish")),
    ]);
    let start = bytes.len();
    footer.write(&mut bytes);
    let length = (bytes.len() - start) as u32;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    bytes
}

/// A number of bytes or rows.
fn long(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn physical(cells: &Cells) -> i64 {
    match cells {
        Cells::Whole(_) => code::INT64,
        Cells::Real(_) => code::DOUBLE,
        Cells::Flag(_) => code::BOOLEAN,
        Cells::Text(_) => code::BYTE_ARRAY,
    }
}

/// A column's `SchemaElement`.
fn element(column: &Column) -> Value {
    let repetition = if column.optional { code::OPTIONAL } else { code::REQUIRED };
    let mut fields = BTreeMap::from([(1, Value::Int(physical(&column.cells))), (3, Value::Int(repetition)), (4, Value::text(column.name))]);
    if matches!(column.cells, Cells::Text(_)) {
        fields.insert(6, Value::Int(code::UTF8));
    }
    Value::Struct(fields)
}

/// Appends a column as one page, and describes it as a `ColumnChunk`.
fn chunk(column: &Column, rows: usize, bytes: &mut Vec<u8>) -> Value {
    let start = bytes.len();
    let data = page(column);
    let size = Value::Int(long(data.len()));
    let page_header = Value::of([
        (1, Value::Int(code::DATA_PAGE)),
        (2, size.clone()),
        (3, size),
        (5, Value::of([(1, Value::Int(long(rows))), (2, Value::Int(code::PLAIN)), (3, Value::Int(code::RLE)), (4, Value::Int(code::RLE))])),
    ]);
    page_header.write(bytes);
    bytes.extend_from_slice(&data);
    let size = long(bytes.len() - start);
    let facts = Value::of([
        (1, Value::Int(physical(&column.cells))),
        (2, Value::List(vec![Value::Int(code::PLAIN), Value::Int(code::RLE)])),
        (3, Value::List(vec![Value::text(column.name)])),
        (4, Value::Int(code::UNCOMPRESSED)),
        (5, Value::Long(long(rows))),
        (6, Value::Long(size)),
        (7, Value::Long(size)),
        (9, Value::Long(long(start))),
    ]);
    Value::of([(2, Value::Long(long(start))), (3, facts)])
}

/// A page's definition levels, where cells may be null, and its values.
fn page(column: &Column) -> Vec<u8> {
    let mut data = Vec::new();
    if column.optional {
        let levels = levels(&column.cells.present());
        data.extend_from_slice(&(levels.len() as u32).to_le_bytes());
        data.extend_from_slice(&levels);
    }
    match &column.cells {
        Cells::Whole(cells) => cells.iter().flatten().for_each(|value| data.extend_from_slice(&value.to_le_bytes())),
        Cells::Real(cells) => cells.iter().flatten().for_each(|value| data.extend_from_slice(&value.to_le_bytes())),
        Cells::Flag(cells) => {
            let flags: Vec<bool> = cells.iter().flatten().copied().collect();
            data.extend(flags.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit))));
        }
        Cells::Text(cells) => {
            for text in cells.iter().flatten() {
                data.extend_from_slice(&(text.len() as u32).to_le_bytes());
                data.extend_from_slice(text.as_bytes());
            }
        }
    }
    data
}

/// Runs of equal levels, 0 for null and 1 for a value.
fn levels(present: &[bool]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in present.chunk_by(|a, b| a == b) {
        varint((run.len() as u64) << 1, &mut bytes);
        bytes.push(u8::from(run.first() == Some(&true)));
    }
    bytes
}
