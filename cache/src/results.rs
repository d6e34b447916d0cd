//! Looking results up: at the cost of one stat a file where nothing changed since they were last verified.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::entries::read_entry;
use crate::index::{self, Decoded};
use crate::memo::Memo;
use crate::snapshot::{Known, Named, Snapshot};
use crate::{Digest, Entry, Key, Store, StoreError, fs};

/// From this number of results on a second thread pays.
const PARALLEL: usize = 2048;

impl Store {
    /// The outputs of the result of `key`, name → digest of the folder manifest, if all are present and intact.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails. Damage is a miss.
    pub fn outputs(&self, key: &Key) -> Result<Option<BTreeMap<String, Digest>>, StoreError> {
        self.rely_on_result(key)?;
        let known = self.unchanged(&self.snapshot(), &self.memo(), key);
        match known {
            Some(known) => Ok(Some(known.outputs.into_iter().collect())),
            None => self.outputs_anew(key),
        }
    }

    /// One digest of the results of all `keys`, in that order, if every file of them is in the state in which it was last verified. It
    /// costs a stat for each file; `None` says only that it needs a closer look.
    #[must_use]
    pub fn unchanged_results(&self, keys: &[Key]) -> Option<Digest> {
        let (snapshot, memo) = (self.snapshot(), self.memo());
        let (snapshot, memo) = (&*snapshot, &*memo);
        let check = |keys: &[Key]| keys.iter().map(|key| self.unchanged(snapshot, memo, key)).collect::<Option<Vec<Known>>>();
        let known = if keys.len() < PARALLEL {
            check(keys)?
        } else {
            let (first, second) = keys.split_at(keys.len() / 2);
            let (first, second) = std::thread::scope(|scope| {
                let other = scope.spawn(|| check(second));
                (check(first), other.join().ok().flatten())
            });
            [first?, second?].concat()
        };
        Some(digest_of(keys.iter().zip(known.iter().map(|known| known.outputs.iter().map(|(name, digest)| (name.as_str(), digest))))))
    }

    /// The same digest from outputs that were looked up with [`Store::outputs`].
    #[must_use]
    pub fn digest_of_results(results: &[(Key, &BTreeMap<String, Digest>)]) -> Digest {
        digest_of(results.iter().map(|(key, outputs)| (key, outputs.iter().map(|(name, digest)| (name.as_str(), digest)))))
    }

    /// Where the file `name` of the folder `artifact` is, verified; `None` when the folder has none, or is not intact.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file system fails.
    pub fn file_of(&self, artifact: &Digest, name: &str) -> Result<Option<PathBuf>, StoreError> {
        let known = self.snapshot().tree(artifact);
        let digest = match known {
            Some(files) => files.into_iter().find(|(file, _)| file == name).map(|(_, digest)| digest),
            None => self.tree(artifact)?.and_then(|tree| tree.files.get(name).map(|file| file.digest)),
        };
        digest.map_or(Ok(None), |digest| self.blob(&digest))
    }

    /// What is known of the result of `key`, if none of its files changed since.
    fn unchanged(&self, snapshot: &Snapshot, memo: &Memo, key: &Key) -> Option<Known> {
        let is = |path: PathBuf, digest: &Digest| fs::stat(&path).ok().flatten().and_then(|stat| memo.find(&stat)).as_ref() == Some(digest);
        let known = snapshot.result(key)?;
        if !is(self.layout.entry(key), &known.entry) {
            return None;
        }
        for (_, manifest) in &known.outputs {
            let files = snapshot.tree(manifest)?;
            if !is(self.layout.object(manifest), manifest) || !files.iter().all(|(_, file)| is(self.layout.object(file), file)) {
                return None;
            }
        }
        Some(known)
    }

    /// Reads the entry of `key`, verifies its outputs, and notes both.
    fn outputs_anew(&self, key: &Key) -> Result<Option<BTreeMap<String, Digest>>, StoreError> {
        let path = self.layout.entry(key);
        let started = fs::now();
        let before = fs::stat(&path)?;
        let Some(bytes) = read_entry(&path)? else { return Ok(None) };
        let Decoded::Entry(entry) = index::decode(key, &bytes) else {
            // Whatever is wrong with it is dealt with there.
            return Ok(self.get(key)?.map(|entry| entry.outputs));
        };
        let digest = Digest::of(&bytes);
        if let Some(stat) = fs::stat(&path)?.filter(|after| before.as_ref() == Some(after)) {
            self.memo().note(&stat, digest, started);
        }
        let Some(trees) = self.trees_of(&entry)? else { return Ok(None) };
        let mut snapshot = self.snapshot();
        let outputs = entry.outputs.iter().map(|(name, digest)| (name.clone(), *digest)).collect();
        snapshot.note_result(*key, Known { entry: digest, outputs });
        for (manifest, files) in trees {
            snapshot.note_tree(manifest, files);
        }
        Ok(Some(entry.outputs))
    }

    /// The files of each output, if all are present and intact.
    fn trees_of(&self, entry: &Entry) -> Result<Option<Vec<(Digest, Named)>>, StoreError> {
        let mut trees = Vec::new();
        for manifest in entry.outputs.values() {
            let Some(tree) = self.tree(manifest)? else { return Ok(None) };
            trees.push((*manifest, tree.files.into_iter().map(|(name, file)| (name.into(), file.digest)).collect()));
        }
        Ok(Some(trees))
    }
}

/// Every part is prefixed with its length, so that different results have different digests.
fn digest_of<'a, O: ExactSizeIterator<Item = (&'a str, &'a Digest)>>(results: impl Iterator<Item = (&'a Key, O)>) -> Digest {
    let mut bytes = Vec::new();
    for (key, outputs) in results {
        bytes.extend(key.digest().as_bytes());
        bytes.extend((outputs.len() as u64).to_le_bytes());
        for (name, digest) in outputs {
            bytes.extend((name.len() as u64).to_le_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(digest.as_bytes());
        }
    }
    Digest::of(&bytes)
}
