//! `NumPy`'s `.npy` and `.npz` files (the format: NEP 1). A library for it would bring a grammar's parser for a header of three keys.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use planish_contract::Failure;

use crate::arrays::{Array, Values};

/// The most bytes that one array may have.
const LIMIT: u64 = 1 << 34;
/// The first bytes of an `.npy` file.
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The longest header that is read.
const LONGEST_HEADER: usize = 1 << 16;

/// Reads an `.npy` file.
///
/// # Errors
/// [`Failure::Io`] when it can't be read, [`Failure::Input`] when it is no array of numbers in C order.
pub(crate) fn read_npy(path: &Path, place: &str) -> Result<Array, Failure> {
    let file = File::open(path).map_err(|e| Failure::io(path, e))?;
    let length = file.metadata().map_err(|e| Failure::io(path, e))?.len();
    array(BufReader::new(file), length, place)
}

/// Reads all arrays of an `.npz` file, each with its name (without `.npy`).
///
/// # Errors
/// As [`read_npy`].
pub(crate) fn read_npz(path: &Path, place: &str) -> Result<Vec<(String, Array)>, Failure> {
    let malformed = |e: zip::result::ZipError| Failure::input(format!("{place}: not an .npz file: {e}"));
    let file = File::open(path).map_err(|e| Failure::io(path, e))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(malformed)?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(malformed)?;
        let Some(name) = member.name().strip_suffix(".npy").map(str::to_owned) else { continue };
        let length = member.size();
        arrays.push((name.clone(), array(member, length, &format!("{place}: {name}"))?));
    }
    Ok(arrays)
}

/// Reads one array out of at most `length` bytes.
fn array(mut reader: impl Read, length: u64, place: &str) -> Result<Array, Failure> {
    let refuse = |message: String| Failure::input(format!("{place}: {message}"));
    if length > LIMIT {
        return Err(refuse(format!("{length} bytes are more than the {} GiB that are read", LIMIT >> 30)));
    }
    let text = header(&mut reader).map_err(|reason| refuse(format!("not a NumPy array: {reason}")))?;
    let header = Header::parse(&text).ok_or_else(|| refuse(format!("a header that is not NumPy's: {}", text.trim())))?;
    if header.columns_first && header.shape.len() > 1 {
        let message = format!("{place}: the array is stored column by column");
        return Err(Failure::input_hint(message, "save numpy.ascontiguousarray(array) instead"));
    }
    let Some(size) = width(&header.kind) else {
        let message = format!("{place}: an array of type {}", header.kind);
        return Err(Failure::input_hint(message, "images are uint8 or float32, labels are whole numbers"));
    };
    let bytes = header.shape.iter().try_fold(size, |product, &size| product.checked_mul(size));
    // The header must not make us allocate more than the file holds.
    let Some(bytes) = bytes.filter(|&bytes| bytes as u64 <= length) else {
        return Err(refuse(format!("a shape of {:?} for {length} bytes", header.shape)));
    };
    let mut data = Vec::new();
    reader.take(bytes as u64).read_to_end(&mut data).map_err(|e| refuse(format!("the array can't be read: {e}")))?;
    if data.len() != bytes {
        return Err(refuse(format!("the array is cut off: {} of {bytes} bytes", data.len())));
    }
    Ok(Array { values: values(&header.kind, data), shape: header.shape })
}

/// The text of the header.
fn header(reader: &mut impl Read) -> Result<String, String> {
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|e| e.to_string())?;
    let Some([major, _]) = start.strip_prefix(MAGIC) else { return Err("it begins otherwise".to_owned()) };
    let mut length = [0; 4];
    let digits = if *major == 1 { 2 } else { 4 };
    reader.read_exact(&mut length[..digits]).map_err(|e| e.to_string())?;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST_HEADER {
        return Err(format!("a header of {length} bytes"));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(|e| e.to_string())?;
    String::from_utf8(text).map_err(|e| e.to_string())
}

/// What the header says.
#[derive(Debug, PartialEq)]
struct Header {
    /// Such as `<f4`: byte order, type, bytes.
    kind: String,
    columns_first: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads a Python dictionary with the keys `descr`, `fortran_order` and `shape`.
    fn parse(text: &str) -> Option<Self> {
        let after = |key: &str| text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        let kind = after("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
        let columns_first = match after("fortran_order")? {
            rest if rest.starts_with("False") => false,
            rest if rest.starts_with("True") => true,
            _ => return None,
        };
        let sizes = after("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
        Some(Header { kind, columns_first, shape: sizes.map(|size| size.parse().ok()).collect::<Option<_>>()? })
    }
}

/// The bytes of a number of that type; `None` for one that is not read.
fn width(kind: &str) -> Option<usize> {
    match kind {
        "|u1" | "|i1" | "|b1" => Some(1),
        "<u2" | "<i2" | ">u2" | ">i2" => Some(2),
        "<u4" | "<i4" | "<f4" | ">u4" | ">i4" | ">f4" => Some(4),
        "<i8" | "<f8" | ">i8" | ">f8" => Some(8),
        _ => None,
    }
}

/// The numbers of bytes of a type that [`width`] knows.
fn values(kind: &str, mut data: Vec<u8>) -> Values {
    let size = width(kind).unwrap_or(1);
    if kind.starts_with('>') {
        data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    match kind.get(1..).unwrap_or_default() {
        "u1" | "b1" => Values::Bytes(data),
        "i1" => Values::Integers(data.into_iter().map(|value| i64::from(value.cast_signed())).collect()),
        "f4" => Values::Floats(numbers(&data, f32::from_le_bytes)),
        "f8" => Values::Floats(numbers(&data, |bytes| f64::from_le_bytes(bytes) as f32)),
        "u2" => Values::Integers(numbers(&data, |bytes| u16::from_le_bytes(bytes).into())),
        "i2" => Values::Integers(numbers(&data, |bytes| i16::from_le_bytes(bytes).into())),
        "u4" => Values::Integers(numbers(&data, |bytes| u32::from_le_bytes(bytes).into())),
        "i4" => Values::Integers(numbers(&data, |bytes| i32::from_le_bytes(bytes).into())),
        _ => Values::Integers(numbers(&data, i64::from_le_bytes)),
    }
}

fn numbers<const N: usize, T>(data: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        [MAGIC.as_slice(), &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn read(header: &str, data: &[u8]) -> Result<Array, Failure> {
        let bytes = npy(header, data);
        array(bytes.as_slice(), bytes.len() as u64, "x")
    }

    #[test]
    fn numbers_of_either_byte_order_are_read() {
        let small = read("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", &[1, 0, 255, 255]).unwrap();
        let big = read("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n", &[0, 1, 255, 255]).unwrap();
        for array in [small, big] {
            assert_eq!(array.shape, [2]);
            assert!(matches!(array.values, Values::Integers(values) if values == [1, -1]));
        }
        let double = read("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", &0.5_f64.to_le_bytes()).unwrap();
        assert!(matches!(double.values, Values::Floats(values) if values == [0.5]) && double.shape.is_empty());
    }

    #[test]
    fn what_is_malformed_is_refused_without_allocating() {
        let message = |header: &str| read(header, &[0; 4]).err().unwrap().to_string();
        assert!(message("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 99999999), }").contains("a shape of"));
        assert!(message("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }").contains("not NumPy's"));
        assert!(message("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }").contains("column by column"));
        assert!(message("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }").contains("type |O"));
        assert!(message("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }").contains("not NumPy's"));
        assert!(message("").contains("not NumPy's"));
        assert!(message("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }").contains("cut off"));
        for bytes in [&b""[..], b"\x93NUMPY", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", b"PK\x03\x04aaaaaaaaaa"] {
            assert!(array(bytes, bytes.len() as u64, "x").is_err());
        }
    }
}
