//! Folders: an artifact's files as blobs, listed by a manifest that is itself a blob.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::blobs::Ingested;
use crate::fs::{self, FileKind};
use crate::tree::{self, Tree, TreeFile};
use crate::{Digest, FileName, Notice, Store, StoreError};

/// The largest manifest that is read.
const MANIFEST_LIMIT: u64 = 256 << 20;

/// A manifest, and where its files are, in the same order.
pub(crate) struct Located {
    pub(crate) tree: Tree,
    pub(crate) paths: Vec<PathBuf>,
}

impl Store {
    /// Copies all files in and below the folder `dir` into the store, and their manifest; the manifest's digest stands for the
    /// folder. Empty folders are not kept.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a link, a special file or a name that is not a [`FileName`]; [`StoreError::Changed`];
    /// [`StoreError::DiskFull`] and the like.
    pub fn ingest_folder(&self, dir: &Path) -> Result<(Digest, Tree), StoreError> {
        self.gather(dir, &|path| self.ingest(path))
    }

    /// Like [`Store::ingest_folder`], but where it can the store takes the files themselves instead of copies, and they are gone from `dir`.
    /// Nobody may have them open for writing; if somebody has, the next read finds the blob damaged.
    ///
    /// # Errors
    /// As [`Store::ingest_folder`].
    pub fn take_folder(&self, dir: &Path) -> Result<(Digest, Tree), StoreError> {
        self.gather(dir, &|path| self.take(path))
    }

    fn gather(&self, dir: &Path, ingest: &dyn Fn(&Path) -> Result<Ingested, StoreError>) -> Result<(Digest, Tree), StoreError> {
        let mut tree = Tree::default();
        let mut pending: Vec<(PathBuf, Option<FileName>)> = vec![(dir.to_path_buf(), None)];
        while let Some((folder, prefix)) = pending.pop() {
            for component in fs::list(&folder)? {
                let path = folder.join(&component);
                let text = component.to_str().ok_or_else(|| StoreError::refused(&path, "its name is not UTF-8"))?;
                let name = FileName::join(prefix.as_ref(), text).map_err(|e| StoreError::refused(&path, e.reason))?;
                match fs::stat(&path)?.map(|stat| stat.kind) {
                    Some(FileKind::Folder) => pending.push((path, Some(name))),
                    Some(FileKind::Regular) => {
                        let file = ingest(&path)?;
                        tree.files.insert(name, TreeFile { digest: file.digest, size: file.size, executable: file.executable });
                    }
                    Some(FileKind::Link) => return Err(StoreError::refused(&path, "it is a symbolic link")),
                    Some(FileKind::Special) => return Err(StoreError::refused(&path, "it is not a regular file")),
                    None => return Err(StoreError::Changed { path }),
                }
            }
        }
        let digest = self.ingest_bytes(&tree.encode())?;
        Ok((digest, tree))
    }

    /// The manifest `digest`, if it and every file in it are present and intact.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails.
    pub fn tree(&self, digest: &Digest) -> Result<Option<Tree>, StoreError> {
        self.rely_on(digest)?;
        self.find_tree(digest)
    }

    /// Like [`Store::tree`], for one that a result holds which this process relies on already.
    pub(crate) fn find_tree(&self, digest: &Digest) -> Result<Option<Tree>, StoreError> {
        Ok(self.located(digest)?.map(|located| located.tree))
    }

    /// Where the files of the folder `digest` are: name → blob, all verified; `None` when any of them is missing or damaged.
    /// They must not be written to.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails.
    pub fn folder(&self, digest: &Digest) -> Result<Option<BTreeMap<String, PathBuf>>, StoreError> {
        self.rely_on(digest)?;
        Ok(self.located(digest)?.map(|located| located.tree.files.into_keys().map(String::from).zip(located.paths).collect()))
    }

    pub(crate) fn located(&self, digest: &Digest) -> Result<Option<Located>, StoreError> {
        let Some(tree) = self.manifest(digest)? else { return Ok(None) };
        let mut paths = Vec::new();
        for file in tree.files.values() {
            let Some(path) = self.find_blob(&file.digest)? else { return Ok(None) };
            paths.push(path);
        }
        Ok(Some(Located { tree, paths }))
    }

    /// The manifest `digest`, verified; its files are not looked at.
    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Option<Tree>, StoreError> {
        let Some(path) = self.find_blob(digest)? else { return Ok(None) };
        let Some(bytes) = fs::read(&path, MANIFEST_LIMIT)? else { return Ok(None) };
        match Tree::decode(&bytes) {
            Ok(tree) => Ok(Some(tree)),
            Err(reason) => {
                self.notice(Notice::NotAManifest { digest: *digest, reason });
                Ok(None)
            }
        }
    }

    /// Like [`Store::manifest`], for an object that need not be one. A damaged one stays where it is; one that can't be read is an error, because
    /// nothing is known of what it lists.
    pub(crate) fn manifest_if_one(&self, digest: &Digest) -> Result<Option<Tree>, StoreError> {
        let path = self.layout.object(digest);
        // Most objects are no manifests and may be large: they are not verified for this.
        let start = match fs::read_range(&path, 0, tree::HEADER.len() as u64) {
            Err(StoreError::Refused { .. }) => None,
            outcome => outcome?,
        };
        if start.is_none_or(|(start, _)| start != tree::HEADER.as_bytes()) || !self.is_intact(digest)? {
            return Ok(None);
        }
        Ok(fs::read(&path, MANIFEST_LIMIT)?.and_then(|bytes| Tree::decode(&bytes).ok()))
    }
}
