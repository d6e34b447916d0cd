//! Restores: an artifact's files, copied or linked to where the user wants them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::folders::Located;
use crate::fs::{self, FileKind, Links, Stat, Temp};
use crate::memo::settled;
use crate::tree::{Tree, TreeFile};
use crate::{Digest, FileName, Store, StoreError};

/// How files leave the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreAs {
    /// A copy, which shares disk blocks with the store until it is changed where the file system can do that.
    Copy,
    /// The blob itself under another name, read-only: nothing is copied, and whoever makes it writable and writes damages the
    /// store. Executable files are copied.
    HardLink,
}

impl Store {
    /// Puts the files of the folder `digest` into `to` (made if need be). Files of the same names are replaced, others stay, links are not
    /// followed; `None` when the folder is not in the store or damaged.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when a folder on the way below `to` is a link, or `to` is on another file system than the store and hard
    /// links were asked for; [`StoreError::DiskFull`] and the like.
    pub fn restore(&self, digest: &Digest, to: &Path, how: RestoreAs) -> Result<Option<Tree>, StoreError> {
        self.rely_on(digest)?;
        let Some(Located { tree, paths }) = self.located(digest)? else { return Ok(None) };
        self.settle()?;
        fs::create_folders(to)?;
        let (mut folders, mut linked) = (BTreeSet::from([to.to_path_buf()]), Vec::new());
        for ((name, file), source) in tree.files.iter().zip(&paths) {
            let target = make_way(to, name, &mut folders)?;
            if how == RestoreAs::HardLink && !file.executable && fs::link(source, &target)? {
                linked.extend(fs::stat(source)?.map(|stat| (file.digest, source, stat)));
            } else {
                copy(source, file, &target)?;
            }
        }
        for folder in folders {
            fs::sync_folder(&folder)?;
        }
        self.note_links(linked)?;
        Ok(Some(tree))
    }

    /// A new link changes the blob's stamp, not its bytes, which were verified just before: that is noted, so that nothing is hashed again.
    fn note_links(&self, linked: Vec<(Digest, &PathBuf, Stat)>) -> Result<(), StoreError> {
        if linked.is_empty() {
            return Ok(());
        }
        fs::wait_until(|| linked.iter().all(|(_, _, stat)| settled(stat, fs::now())));
        for (digest, path, stat) in linked {
            if fs::stat(path)? == Some(stat) {
                self.memo().note(&stat, digest, fs::now());
            }
        }
        Ok(())
    }
}

/// Where the file `name` below `to` is to be, with the folders on the way made and found to be no links.
fn make_way(to: &Path, name: &FileName, folders: &mut BTreeSet<PathBuf>) -> Result<PathBuf, StoreError> {
    let mut folder = to.to_path_buf();
    let mut rest = name.as_str();
    while let Some((component, below)) = rest.split_once('/') {
        folder.push(component);
        if folders.insert(folder.clone()) {
            fs::create_folder(&folder)?;
            if fs::stat(&folder)?.is_none_or(|stat| stat.kind != FileKind::Folder) {
                return Err(StoreError::refused(&folder, "it is a link, which a restore does not follow"));
            }
        }
        rest = below;
    }
    folder.push(rest);
    Ok(folder)
}

fn copy(source: &Path, file: &TreeFile, target: &Path) -> Result<(), StoreError> {
    let (mut blob, stat) = fs::open(source, Links::Refuse)?;
    let mut temp = Temp::create(target.parent().unwrap_or(Path::new(".")))?;
    // What shares the blocks of a blob that was verified just now need not be read.
    let right = if temp.share(&blob) {
        fs::stat_open(&blob, source)? == stat
    } else {
        temp.copy_bytes(&mut blob, source, stat.size)? == file.digest
    };
    if !right {
        return Err(StoreError::corrupt(source, "the blob was damaged while it was being copied"));
    }
    if file.executable {
        temp.set_executable()?;
    }
    temp.sync()?;
    temp.publish(target)
}
