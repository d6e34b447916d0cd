//! Reading the known files out of a `.tar.gz`, into bounded memory.
//!
//! Nothing is ever unpacked to disk, so no name in an archive can reach outside a folder; names that try are
//! refused nevertheless, as are links and devices.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use tar::{Archive, Entry, EntryType};

use crate::Malformed;
use crate::dataset::OfficialFile;

/// What an archive may hold beside the known files: descriptions, class names, tar's own blocks.
const SLACK: u64 = 1 << 20;

/// Reads `files` out of the folder `folder` of a `.tar.gz`, in their order.
pub(crate) fn read(packed: impl Read, folder: &str, files: &[OfficialFile]) -> Result<Vec<Vec<u8>>, Malformed> {
    let total: u64 = files.iter().map(|file| file.size).sum();
    let mut archive = Archive::new(GzDecoder::new(packed).take(total.saturating_add(SLACK)));
    let mut found: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    // Raw entries: the library then never follows an extension header's idea of a name or a length.
    for entry in archive.entries().map_err(Malformed::Tar)?.raw(true) {
        let mut entry = entry.map_err(Malformed::Tar)?;
        let Some(name) = plain_name(&entry)? else { continue };
        let wanted = files.iter().find(|file| name.strip_prefix(folder).is_some_and(|rest| rest.strip_prefix('/') == Some(file.name)));
        let Some(file) = wanted else { continue };
        if found.insert(file.name, member(&mut entry, &name, file.size)?).is_some() {
            return Err(Malformed::Entry { name, what: "a second time" });
        }
    }
    let take = |file: &OfficialFile| found.remove(file.name).ok_or_else(|| Malformed::Missing(format!("{folder}/{}", file.name)));
    files.iter().map(take).collect()
}

/// The name of an entry that is a regular file; `None` for folders and tar's own blocks.
fn plain_name<R: Read>(entry: &Entry<R>) -> Result<Option<String>, Malformed> {
    let path = entry.path().map_err(Malformed::Tar)?;
    let name = path.to_string_lossy().into_owned();
    match entry.header().entry_type() {
        EntryType::Regular => {}
        EntryType::Directory | EntryType::XHeader | EntryType::XGlobalHeader | EntryType::GNULongName => return Ok(None),
        EntryType::Symlink | EntryType::Link => return Err(Malformed::Entry { name, what: "a link" }),
        _ => return Err(Malformed::Entry { name, what: "neither a file nor a folder" }),
    }
    let stays_inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    if !path.components().all(stays_inside) {
        return Err(Malformed::Entry { name, what: "a name that leaves the archive's folder" });
    }
    let clean: Vec<_> = Path::new(&name).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let clean: Vec<_> = clean.iter().map(|part| part.as_os_str().to_string_lossy()).collect();
    Ok(Some(clean.join("/")))
}

fn member<R: Read>(entry: &mut Entry<R>, name: &str, expected: u64) -> Result<Vec<u8>, Malformed> {
    let wrong = |found| Malformed::MemberSize { name: name.to_owned(), expected, found };
    if entry.size() != expected {
        return Err(wrong(entry.size()));
    }
    let mut content = Vec::new();
    entry.take(expected).read_to_end(&mut content).map_err(Malformed::Tar)?;
    if content.len() as u64 == expected { Ok(content) } else { Err(wrong(content.len() as u64)) }
}

#[cfg(test)]
mod tests;
