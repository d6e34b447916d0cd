//! What a program left that nobody declared: noted, never kept.

use std::fs;
use std::path::{Path, PathBuf};

use planish_contract::Context;

use super::Program;

/// How many names the note lists.
const NAMED: usize = 5;
/// How many entries are looked at.
const LIMIT: usize = 10_000;

/// A line that names what the program left outside its declared outputs; `None` when there is nothing.
pub(super) fn note(program: Program<'_>, context: &Context<'_>, declared: &[String]) -> Option<String> {
    let mut found = files_below(&program.sandbox.join("work"));
    let outputs = fs::read_dir(&context.outputs).into_iter().flatten().flatten();
    let undeclared = outputs.filter(|entry| entry.file_name().to_str().is_none_or(|name| !declared.iter().any(|known| known == name)));
    found.extend(undeclared.map(|entry| PathBuf::from(entry.file_name())));
    found.sort();
    let named: Vec<String> =
        found.iter().take(NAMED).map(|path| path.display().to_string().chars().filter(|c| !c.is_control()).collect()).collect();
    let more = found.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text = format!("planish: not kept, for no output declares it: {}{more}", named.join(", "));
    (!named.is_empty()).then_some(text)
}

/// The files in a folder and below it, relative to it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut pending, mut seen) = (Vec::new(), vec![folder.to_path_buf()], 0);
    while let Some(current) = pending.pop() {
        for entry in fs::read_dir(&current).into_iter().flatten().flatten() {
            seen += 1;
            if seen > LIMIT {
                return files;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                _ => files.extend(entry.path().strip_prefix(folder).map(Path::to_path_buf)),
            }
        }
    }
    files
}
