//! Reading tables that planish wrote.

use std::path::Path;

use planish_contract::Failure;

use super::thrift::{Cursor, Value};
use super::{Cells, MAGIC, Table, code};

/// Reads all columns.
///
/// # Errors
/// [`Failure::Io`] when the file can't be read, [`Failure::Input`] when it is not such a table.
pub(crate) fn read(path: &Path) -> Result<Table, Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, e))?;
    table(&bytes).map_err(|what| Failure::input(format!("{}: not a Parquet table as planish writes them: {what}", path.display())))
}

pub(super) fn table(bytes: &[u8]) -> Result<Table, String> {
    let footer = footer(bytes).ok_or("its footer is damaged")?;
    let rows = footer.number(3).and_then(|rows| usize::try_from(rows).ok()).ok_or("it has no number of rows")?;
    let mut table = Table::default();
    for pair in footer.list(5) {
        if let (Some(key), Some(value)) = (pair.string(1), pair.string(2)) {
            table.metadata.insert(key, value);
        }
    }
    let [group] = footer.list(4) else { return Err("it has not one row group".to_owned()) };
    let elements = footer.list(2).get(1..).unwrap_or_default();
    // A run of nulls takes a few bytes, however long it says it is; tables of ours hold numbers in most cells.
    if rows.checked_mul(elements.len()).is_none_or(|cells| cells > bytes.len().saturating_mul(8)) {
        return Err("it speaks of more cells than its bytes can hold".to_owned());
    }
    for (chunk, element) in group.list(1).iter().zip(elements) {
        let name = element.string(4).ok_or("a column without a name")?;
        let optional = element.number(3) == Some(code::OPTIONAL);
        let cells = chunk.field(3).and_then(|facts| column(bytes, facts, (rows, optional)));
        table.columns.insert(name.clone(), cells.ok_or_else(|| format!("column `{name}` can't be read"))?);
    }
    Ok(table)
}

fn footer(bytes: &[u8]) -> Option<Value> {
    let body = bytes.strip_prefix(MAGIC)?.strip_suffix(MAGIC)?;
    let (body, length) = body.split_last_chunk::<4>()?;
    let start = body.len().checked_sub(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Cursor(body.get(start..)?).structure()
}

/// The cells of a column chunk of one page.
fn column(bytes: &[u8], facts: &Value, (rows, optional): (usize, bool)) -> Option<Cells> {
    if facts.number(4)? != code::UNCOMPRESSED {
        return None;
    }
    let mut cursor = Cursor(bytes.get(usize::try_from(facts.number(9)?).ok()?..)?);
    let header = cursor.structure()?;
    let page = header.field(5)?;
    let plain = page.number(2)? == code::PLAIN && header.number(1)? == code::DATA_PAGE;
    if !plain || usize::try_from(page.number(1)?).ok()? != rows {
        return None;
    }
    let mut data = Cursor(cursor.take(usize::try_from(header.number(3)?).ok()?)?);
    let present = if optional { levels(&mut data, rows)? } else { vec![true; checked_rows(rows, data.0)?] };
    match facts.number(1)? {
        code::INT64 => each(&present, || data.take(8)?.try_into().ok().map(i64::from_le_bytes)).map(Cells::Whole),
        code::DOUBLE => each(&present, || data.take(8)?.try_into().ok().map(f64::from_le_bytes)).map(Cells::Real),
        code::BOOLEAN => {
            let mut next = 0;
            let bit = || {
                let byte = data.0.get(next / 8)?;
                next += 1;
                Some(byte >> ((next - 1) % 8) & 1 == 1)
            };
            each(&present, bit).map(Cells::Flag)
        }
        code::BYTE_ARRAY => {
            let text = || {
                let length = u32::from_le_bytes(data.take(4)?.try_into().ok()?);
                String::from_utf8(data.take(usize::try_from(length).ok()?)?.to_vec()).ok()
            };
            each(&present, text).map(Cells::Text)
        }
        _ => None,
    }
}

/// Refuses more rows than the bytes can hold: a value takes a bit at least.
fn checked_rows(rows: usize, data: &[u8]) -> Option<usize> {
    (rows <= data.len().saturating_mul(8)).then_some(rows)
}

fn each<T>(present: &[bool], mut next: impl FnMut() -> Option<T>) -> Option<Vec<Option<T>>> {
    present.iter().map(|&present| if present { next().map(Some) } else { Some(None) }).collect()
}

/// Which cells hold something.
fn levels(data: &mut Cursor<'_>, rows: usize) -> Option<Vec<bool>> {
    let length = u32::from_le_bytes(data.take(4)?.try_into().ok()?);
    let mut runs = Cursor(data.take(usize::try_from(length).ok()?)?);
    let mut present = Vec::new();
    while present.len() < rows {
        let header = runs.varint()?;
        let count = usize::try_from(header >> 1).ok()?;
        // Bit-packed runs are never written, and a run beyond the rows is damage.
        if header & 1 == 1 || count == 0 || count > rows - present.len() || count > 1 << 28 {
            return None;
        }
        let level = *runs.take(1)?.first()?;
        present.resize(present.len() + count, level == 1);
    }
    Some(present)
}
