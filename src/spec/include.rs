//! `include = ["common.toml"]`: other files that a pipeline file is laid over.
//!
//! Each is a document of its own: what the including file says wins, as a profile wins over the document; of two included files the
//! later wins. Paths are relative to the file that they stand in, those under `files` too.

use std::path::{Path, PathBuf};

use super::error::Problem;
use super::node::{Node, Table, Value};
use super::overlay::Change;
use super::source::{Sources, Span};
use super::{document, parse};

/// The most files that a pipeline may be read from.
const MAX_FILES: usize = 100;

/// A document and where its file lies.
pub(super) struct Document {
    pub(super) table: Table,
    /// The folder of its file, relative to that of the pipeline file; empty for the same one.
    folder: PathBuf,
}

/// Reads a pipeline file and everything that it includes, in the order in which they are laid over each other: the file itself last.
///
/// # Errors
/// A file that can't be read or is no TOML, files that include each other in a circle, more than [`MAX_FILES`].
pub(super) fn documents(path: &Path, file: usize, sources: &mut Sources) -> Result<Vec<Document>, Problem> {
    let mut reader = Reader { sources, documents: Vec::new(), open: Vec::new() };
    reader.open.push(identity(path));
    reader.read(path, Path::new(""), file)?;
    Ok(reader.documents)
}

/// One name for every spelling of a path.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

struct Reader<'a> {
    sources: &'a mut Sources,
    documents: Vec<Document>,
    /// The files that are being read, the outermost first.
    open: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Reads text number `file`, which stands at `path`; `folder` is its folder seen from the pipeline file.
    fn read(&mut self, path: &Path, folder: &Path, file: usize) -> Result<(), Problem> {
        let table = parse::document(self.sources, file)?;
        for (name, span) in included(&table)? {
            let inner = path.parent().unwrap_or(Path::new("")).join(&name);
            let unreadable = |reason: String| Problem::new(format!("the included file can't be read: {reason}")).at(span, "included here");
            let identity = identity(&inner);
            if self.open.contains(&identity) {
                return Err(Problem::new(format!("`{name}` includes itself, directly or through others"))
                    .at(span, "this closes the circle")
                    .help("one of these includes has to go"));
            }
            if self.documents.len() + self.open.len() >= MAX_FILES {
                return Err(Problem::new(format!("a pipeline is read from at most {MAX_FILES} files")).at(span, "one too many"));
            }
            let number = self.sources.add_file(&inner).map_err(unreadable)?;
            self.open.push(identity);
            let below = Path::new(&name).parent().unwrap_or(Path::new(""));
            self.read(&inner, &folder.join(below), number)?;
            self.open.pop();
        }
        self.documents.push(Document { table, folder: folder.to_path_buf() });
        Ok(())
    }
}

/// The files that a document includes, with their places.
fn included(table: &Table) -> Result<Vec<(String, Span)>, Problem> {
    let Some(entry) = table.get("include") else { return Ok(Vec::new()) };
    let Value::Array(items) = &entry.node.value else {
        return Err(Problem::new(format!("`include` must be a list of files, not {}", entry.node.describe()))
            .at(entry.node.span, "here")
            .help("write include = [\"common.toml\"]"));
    };
    items.iter().map(|item| document::text(item, "include").map(|name| (name.to_owned(), item.span))).collect()
}

impl Document {
    /// The same change with paths as they are seen from the pipeline file.
    pub(super) fn seen_from_outside(&self, mut change: Change) -> Change {
        let is_file = matches!(change.path.as_slice(), [_, _, section, _] if section.text == "files");
        if is_file
            && !self.folder.as_os_str().is_empty()
            && let Value::String(pattern) = &change.node.value
        {
            let value = Value::String(self.moved(pattern));
            change.node = Node { value, ..change.node };
        }
        change
    }

    fn moved(&self, pattern: &str) -> String {
        if Path::new(pattern).is_absolute() {
            return pattern.to_owned();
        }
        let folder = self.folder.to_string_lossy();
        let is_glob = pattern.contains(['*', '?', '[']);
        let folder = if is_glob { glob::Pattern::escape(&folder) } else { folder.into_owned() };
        format!("{folder}/{pattern}")
    }
}
