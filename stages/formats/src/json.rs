//! JSON documents and tables of JSON lines.

use std::path::Path;

use planish_contract::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;

/// No text file that planish writes comes near this; a larger one is not read into memory.
const MAX_BYTES: u64 = 1 << 30;

/// Writes `value` as indented JSON with a final newline; the same value makes the same bytes.
///
/// Numbers have to be finite: JSON has no other.
///
/// # Errors
/// [`Failure::Io`] when the file can't be written, [`Failure::Internal`] when the value has no JSON form.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Failure::internal(format!("{}: {e}", path.display())))?;
    text.push('\n');
    atomic::write(path, |writer| writer.write_all(text.as_bytes()))
}

/// Reads a JSON document.
///
/// # Errors
/// [`Failure::Io`] when the file can't be read, [`Failure::Input`] with the file, line and column when it does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|e| Failure::input(format!("{}: {e}", path.display())))
}

/// Writes each value as one line of JSON.
///
/// # Errors
/// As [`write_json`].
pub fn write_json_lines<'a, T: Serialize + 'a>(path: &Path, values: impl IntoIterator<Item = &'a T>) -> Result<(), Failure> {
    atomic::write(path, |writer| {
        for value in values {
            serde_json::to_writer(&mut *writer, value)?;
            writer.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Reads one value a line; empty lines are refused like any other malformed line.
///
/// # Errors
/// As [`read_json`]; the message names the line.
pub fn read_json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let text = read_text(path)?;
    let parse = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| Failure::input(format!("{}: line {}: {e}", path.display(), index + 1)))
    };
    text.lines().enumerate().map(parse).collect()
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let size = std::fs::metadata(path).map_err(|e| Failure::io(path, e))?.len();
    if size > MAX_BYTES {
        return Err(Failure::input(format!("{}: {size} bytes are too many for this kind of file", path.display())));
    }
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, e))?;
    String::from_utf8(bytes).map_err(|e| Failure::input(format!("{}: not UTF-8 text ({})", path.display(), e.utf8_error())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lines_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_json(&path, &vec![0.1, 1e-300, 3.0]).unwrap();
        assert_eq!(read_json::<Vec<f64>>(&path).unwrap(), [0.1, 1e-300, 3.0]);
        write_json_lines(&path, &["a", "b\nc"]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\"a\"\n\"b\\nc\"\n");
        assert_eq!(read_json_lines::<String>(&path).unwrap(), ["a", "b\nc"]);
    }

    #[test]
    fn malformed_text_names_the_file_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, "1\n2\nx\n").unwrap();
        let message = read_json_lines::<u32>(&path).unwrap_err().to_string();
        assert!(message.contains("history.jsonl: line 3: "), "{message}");
        std::fs::write(&path, [b'"', 0xff, b'"']).unwrap();
        assert!(read_json::<String>(&path).unwrap_err().to_string().contains("not UTF-8"));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(read_json::<u32>(&path), Err(Failure::Input { .. })));
        assert!(read_json_lines::<u32>(&path).unwrap().is_empty());
        assert!(matches!(read_json::<u32>(&folder.path().join("none")), Err(Failure::Io { .. })));
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.json");
        std::fs::File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(read_json::<u32>(&path).unwrap_err().to_string().contains("too many"));
    }
}
