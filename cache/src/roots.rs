//! What is worth keeping: the keys that the latest plan of each pipeline and profile reaches, and pins.
//!
//! A root is a text file in `roots`, `plan-<hash>` or `pin-<name>`: a header, `check title`, then a line
//! `key check instance` for each result. Lines are appended while a run goes on, so that a killed run has said
//! what it reached; of several lines for one instance the last counts. A collection refuses to work with a
//! root that is damaged, because it can't know what that one reached.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::{Digest, Key, Store, StoreError, fs};

const HEADER: &str = "planish root 1";
const PLAN: &str = "plan-";
const PIN: &str = "pin-";
/// The largest root that is read.
const LIMIT: u64 = 128 << 20;

/// What a root keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// `pipeline.toml`, `pipeline.toml, profile cifar10`, or the name of a pin.
    pub title: String,
    /// Whether the user pinned it.
    pub pinned: bool,
    /// Instance → the key of its result.
    pub keys: BTreeMap<String, Key>,
    /// Whether some of it can't be read.
    pub damaged: bool,
}

/// What the latest plan of a pipeline under a profile reaches, kept up to date by its run.
#[derive(Debug)]
pub struct PlanRoot {
    path: PathBuf,
    title: String,
    folder: PathBuf,
    /// What is on the disk, as far as this run knows.
    keys: BTreeMap<String, Key>,
    /// What this run reached anew.
    touched: BTreeMap<String, Key>,
    /// Where that is appended.
    file: Option<File>,
    /// Whether the file holds anything but these keys: lines that were replaced, or damage.
    untidy: bool,
}

impl Store {
    /// The root of `pipeline` under `profile`. Nothing is written before something differs.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it can't be read. Damage is no error: the next run writes it anew.
    pub fn plan_root(&self, pipeline: &Path, profile: Option<&str>) -> Result<PlanRoot, StoreError> {
        let title = title(&self.relative(pipeline)?, profile);
        let folder = self.layout.roots();
        let path = folder.join(format!("{PLAN}{}", Digest::of(title.as_bytes())));
        let (keys, untidy) = load(&path)?;
        Ok(PlanRoot { path, title, folder, keys, touched: BTreeMap::new(), file: None, untidy })
    }

    /// Where `path` is, seen from the store's folder if both are below the same folder: moving them together changes nothing.
    fn relative(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let path = fs::absolute(path)?;
        let beside = self.root().parent().and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_path_buf));
        Ok(beside.unwrap_or(path))
    }

    /// Pins results under a name: they stay until it is removed. An earlier pin of that name is replaced.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a name that is no single [`crate::FileName`] part, [`StoreError::DiskFull`] and the like.
    pub fn pin(&self, name: &str, keys: &BTreeMap<String, Key>) -> Result<(), StoreError> {
        let path = self.pin_path(name)?;
        make_folder(&self.layout.roots())?;
        self.write_atomic(&path, &encode(name, keys))
    }

    /// Removes a pin; whether there was one.
    ///
    /// # Errors
    /// [`StoreError::NotWritable`] and the like.
    pub fn unpin(&self, name: &str) -> Result<bool, StoreError> {
        let path = self.pin_path(name)?;
        let there = fs::stat(&path)?.is_some();
        fs::remove(&path)?;
        Ok(there)
    }

    fn pin_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let fine = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) && (1..=100).contains(&name.len());
        if !fine {
            let reason = format!("{name:?} can't be the name of a pin: use letters, digits, `-`, `_` and `.`, at most 100");
            return Err(StoreError::Invalid(reason));
        }
        Ok(self.layout.roots().join(format!("{PIN}{name}")))
    }

    /// All roots, plans first.
    ///
    /// # Errors
    /// [`StoreError::Io`] when they can't be read.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        let folder = self.layout.roots();
        if fs::stat(&folder)?.is_none() {
            return Ok(Vec::new());
        }
        let mut roots = Vec::new();
        for name in fs::list(&folder)? {
            let path = folder.join(&name);
            let Some(name) = name.to_str().filter(|name| name.starts_with(PLAN) || name.starts_with(PIN)) else { continue };
            let root = match fs::read(&path, LIMIT) {
                Ok(Some(bytes)) => decode(&bytes, name.to_owned()).0,
                Ok(None) => continue,
                Err(StoreError::Refused { .. } | StoreError::Corrupt { .. }) => {
                    Root { title: name.to_owned(), damaged: true, ..Root::default() }
                }
                Err(e) => return Err(e),
            };
            roots.push(Root { pinned: name.starts_with(PIN), ..root });
        }
        roots.sort_by_key(|root| (root.pinned, root.title.clone()));
        Ok(roots)
    }
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if fs::create_folder(folder)?
        && let Some(parent) = folder.parent()
    {
        fs::sync_folder(parent)?;
    }
    Ok(())
}

/// The keys in the root at `path`, and whether the file holds anything else or is not there.
fn load(path: &Path) -> Result<(BTreeMap<String, Key>, bool), StoreError> {
    let bytes = match fs::read(path, LIMIT) {
        Err(StoreError::Refused { .. } | StoreError::Corrupt { .. }) => None,
        outcome => outcome?,
    };
    let Some(bytes) = bytes else { return Ok((BTreeMap::new(), true)) };
    let (root, lines) = decode(&bytes, String::new());
    let untidy = root.damaged || lines != root.keys.len();
    Ok((root.keys, untidy))
}

impl PlanRoot {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plan reaches the result of `key` for `instance`, whether it is there or is about to be made. The result that it reached before
    /// is as old as this moment when it comes to ages.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] and the like.
    pub fn reaches(&mut self, store: &Store, instance: &str, key: &Key) -> Result<(), StoreError> {
        let instance = &*escape(instance);
        let before = self.keys.get(instance).copied();
        if before == Some(*key) {
            return Ok(());
        }
        if let Some(before) = before {
            let entry = store.layout.entry(&before);
            if fs::stat(&entry)?.is_some() {
                fs::touch(&entry)?;
            }
        }
        if self.file.is_none() {
            make_folder(&self.folder)?;
            if self.untidy {
                store.write_atomic(&self.path, &encode(&self.title, &self.keys))?;
                self.untidy = false;
            }
            self.file = Some(fs::open_append(&self.path)?);
        }
        if let Some(file) = &self.file {
            fs::write_all(file, line(instance, key).as_bytes(), &self.path)?;
        }
        self.keys.insert(instance.to_owned(), *key);
        self.touched.insert(instance.to_owned(), *key);
        Ok(())
    }

    /// The run is over. `plan` are all instances if the whole pipeline was planned: others are no longer kept.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] and the like.
    pub fn end<'i>(self, store: &Store, plan: Option<impl Iterator<Item = &'i str>>) -> Result<(), StoreError> {
        let plan: Option<HashSet<Cow<'_, str>>> = plan.map(|plan| plan.map(escape).collect());
        let others = |keys: &BTreeMap<String, Key>| plan.as_ref().is_some_and(|plan| keys.keys().any(|i| !plan.contains(i.as_str())));
        if self.touched.is_empty() && !self.untidy && !others(&self.keys) {
            return Ok(());
        }
        // Another run of the same pipeline and profile may have written meanwhile.
        let (mut keys, untidy) = load(&self.path)?;
        let before = keys.clone();
        keys.extend(self.touched);
        keys.retain(|instance, _| plan.as_ref().is_none_or(|plan| plan.contains(instance.as_str())));
        if keys.is_empty() && before.is_empty() {
            return Ok(());
        }
        if !untidy && keys == before {
            return Ok(());
        }
        make_folder(&self.folder)?;
        store.write_atomic(&self.path, &encode(&self.title, &keys))
    }
}

fn title(pipeline: &Path, profile: Option<&str>) -> String {
    let profile = profile.map(|profile| format!(", profile {profile}")).unwrap_or_default();
    format!("{}{profile}", pipeline.display())
}

/// Names come from a small alphabet; whatever else a caller has must not break lines.
fn escape(text: &str) -> Cow<'_, str> {
    let escaped = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    if text.chars().any(char::is_control) { text.chars().map(escaped).collect() } else { Cow::Borrowed(text) }
}

/// FNV-1a of a line's key and instance: quick, and enough against accidents.
fn check(key: &str, instance: &str) -> String {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = key.as_bytes().iter().chain(b" ").chain(instance.as_bytes()).fold(0xcbf2_9ce4_8422_2325, mix);
    format!("{hash:016x}")
}

fn line(instance: &str, key: &Key) -> String {
    let (key, instance) = (key.to_string(), escape(instance));
    format!("{key} {} {instance}\n", check(&key, &instance))
}

pub(crate) fn encode(title: &str, keys: &BTreeMap<String, Key>) -> Vec<u8> {
    let lines = keys.iter().map(|(instance, key)| line(instance, key));
    let title = escape(title);
    let head = [format!("{HEADER}\n"), format!("{} {title}\n", check("title", &title))];
    head.into_iter().chain(lines).collect::<String>().into_bytes()
}

/// The root in `bytes` and how many lines it has; `name` stands for its title if that can't be read.
pub(crate) fn decode(bytes: &[u8], name: String) -> (Root, usize) {
    let damaged = |title| (Root { title, damaged: true, ..Root::default() }, 0);
    let Ok(text) = std::str::from_utf8(bytes) else { return damaged(name) };
    let mut lines = text.split_inclusive('\n');
    if lines.next().and_then(|line| line.strip_suffix('\n')) != Some(HEADER) {
        return damaged(name);
    }
    let title = lines.next().and_then(|line| line.strip_suffix('\n')?.split_once(' '));
    let Some((_, title)) = title.filter(|(guard, title)| check("title", title) == *guard) else { return damaged(name) };
    let mut root = Root { title: title.to_owned(), ..Root::default() };
    let mut count = 0;
    for line in lines {
        count += 1;
        // The last line has no end if its writer was killed or found the disk full: what it says was not begun.
        let Some(line) = line.strip_suffix('\n') else { continue };
        match decode_line(line) {
            Some((instance, key)) => drop(root.keys.insert(instance.to_owned(), key)),
            None => root.damaged = true,
        }
    }
    (root, count)
}

fn decode_line(line: &str) -> Option<(&str, Key)> {
    let mut parts = line.splitn(3, ' ');
    let (key, guard, instance) = (parts.next()?, parts.next()?, parts.next()?);
    (check(key, instance) == guard).then_some((instance, key.parse().ok()?))
}
