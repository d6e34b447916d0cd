//! Where things are in a store's folder, and whether a folder is a store.

use std::path::{Path, PathBuf};

use crate::{Digest, Key, StoreError, fs};

/// The version of the store's layout that this planish writes; it reads no later one.
pub const STORE_VERSION: u32 = 1;

const VERSION_FILE: &str = "version";
const VERSION_PREFIX: &str = "planish store ";
const IGNORE_FILE: &str = ".gitignore";
/// The folder of lock files in `tmp`.
pub(crate) const LOCKS: &str = "locks";

/// The paths of one store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The store in `root`, made if there is none. A store that is complete is not written to.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout { root: fs::absolute(root)? };
        if !layout.check_version()? {
            layout.found()?;
        }
        for folder in [layout.objects(), layout.index(), layout.all_checkpoints(), layout.runs(), layout.tmp(), layout.tmp().join(LOCKS)] {
            fs::create_folder(&folder)?;
        }
        Ok(layout)
    }

    /// Whether there is a version file; an error if it is not one that this planish can use.
    fn check_version(&self) -> Result<bool, StoreError> {
        let not_a_store = |reason: &str| StoreError::NotAStore { path: self.root.clone(), reason: reason.to_owned() };
        if fs::stat_target(&self.root)?.is_some_and(|stat| stat.kind != fs::FileKind::Folder) {
            return Err(not_a_store("it is not a folder"));
        }
        let Some(bytes) = fs::read(&self.root.join(VERSION_FILE), 4096)? else { return Ok(false) };
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix(VERSION_PREFIX));
        match text.and_then(|number| number.trim_end().parse::<u32>().ok()) {
            Some(STORE_VERSION) => Ok(true),
            Some(found) if found > STORE_VERSION => {
                Err(StoreError::VersionTooNew { path: self.root.clone(), found, supported: STORE_VERSION })
            }
            _ => Err(not_a_store("its file `version` does not say `planish store 1`")),
        }
    }

    /// Makes a new store out of an absent or empty folder.
    fn found(&self) -> Result<(), StoreError> {
        fs::create_folders(&self.root)?;
        let names = fs::list(&self.root)?;
        let ours = |name: &str| name == IGNORE_FILE || name.starts_with(fs::TEMPORARY);
        if let Some(foreign) = names.iter().find(|name| !name.to_str().is_some_and(ours)) {
            // Another process may have founded the store since we looked.
            if self.check_version()? {
                return Ok(());
            }
            let reason = format!("it holds `{}` but no file `version`", foreign.display());
            return Err(StoreError::NotAStore { path: self.root.clone(), reason });
        }
        fs::write_atomic(&self.root.join(IGNORE_FILE), b"*\n", &self.root)?;
        fs::write_atomic(&self.root.join(VERSION_FILE), format!("{VERSION_PREFIX}{STORE_VERSION}\n").as_bytes(), &self.root)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn memo(&self) -> PathBuf {
        self.root.join("memo")
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.root.join("snapshot")
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(crate) fn object(&self, digest: &Digest) -> PathBuf {
        sharded(&self.objects(), &digest.to_string(), "")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    pub(crate) fn entry(&self, key: &Key) -> PathBuf {
        sharded(&self.index(), &key.to_string(), ".json")
    }

    pub(crate) fn all_checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    pub(crate) fn checkpoints(&self, key: &Key) -> PathBuf {
        self.all_checkpoints().join(key.to_string())
    }

    /// The packs of the memo of pure parts; made when first needed.
    pub(crate) fn parts(&self) -> PathBuf {
        self.root.join("parts")
    }

    /// The mark of the pack `digest`.
    pub(crate) fn part(&self, digest: &Digest) -> PathBuf {
        self.parts().join(digest.to_string())
    }

    /// What is kept from collection; made when first needed.
    pub(crate) fn roots(&self) -> PathBuf {
        self.root.join("roots")
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.tmp().join(LOCKS)
    }

    /// The lock file `name` (a key, or a part of the store).
    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        self.locks().join(name)
    }
}

/// `parent/ab/cdef…`: few names in one folder.
fn sharded(parent: &Path, hexadecimal: &str, extension: &str) -> PathBuf {
    let (shard, rest) = hexadecimal.split_at_checked(2).unwrap_or(("", hexadecimal));
    parent.join(shard).join(format!("{rest}{extension}"))
}
