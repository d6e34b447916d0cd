//! The memo of pure parts: what a stage worked out before, in this run or an earlier one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Host, Progress};

/// What a sub-result depends on, beside the code that every stage of its kind shares.
#[derive(Clone, Copy, Debug)]
pub struct PartKey<'a> {
    /// What it is, such as `attacked images`: two purposes never share a sub-result.
    pub purpose: &'a str,
    /// The family members (module paths) whose code makes it. Those that the inputs' artifacts name are added by the engine.
    pub members: &'a [&'a str],
    /// Everything else: parameters, digests, numbers of images and restarts, each a text of its own.
    pub words: &'a [&'a [u8]],
}

/// A part of the memo: the sub-results of one purpose, made by the same family members.
///
/// A sub-result has to be *pure*: a function of the words of its key, of the code of the members named, of the code that all stages
/// of this kind share and of the members that the inputs' artifacts name, and of nothing else. Whatever else it depends on (the digest of the victim, the
/// attack's parameters, the threat model, the image's digest and id, the restart, a device or a runtime that rounds in its own way) is a word of
/// the key. The engine adds the processor's vector level.
///
/// The memo may be empty, damaged, half gone or switched off at any moment: [`Memo::get`] answers `None` then. The stage's output must have the
/// same bytes whatever it answers; so write tests with a [`MemoryHost`] that is empty, full and half-evicted.
///
/// ```
/// use planish_contract::{Context, Failure};
///
/// fn attacked(context: &Context, victim: &str, image: &[u8], id: u32, restart: u32) -> Result<Vec<u8>, Failure> {
///     let memo = context.memo("attacked image", &["planish_attack::attacks::pgd"]);
///     let (id, restart) = (id.to_le_bytes(), restart.to_le_bytes());
///     let key: [&[u8]; 4] = [victim.as_bytes(), image, &id, &restart];
///     // A value that does not read back counts as absent: treat it as `None`, never as an error.
///     if let Some(value) = memo.get(&key).filter(|value| value.len() == image.len()) {
///         return Ok(value);
///     }
///     let value = image.to_vec(); // … the expensive part …
///     memo.put(&key, value.clone());
///     Ok(value)
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Memo<'a> {
    host: &'a dyn Host,
    purpose: &'a str,
    members: &'a [&'a str],
}

impl<'a> Memo<'a> {
    /// The part of `host`'s memo for `purpose` and `members`; stages use [`Context::memo`](crate::Context::memo).
    #[must_use]
    pub fn new(host: &'a dyn Host, purpose: &'a str, members: &'a [&'a str]) -> Self {
        Memo { host, purpose, members }
    }

    /// The sub-result that was put under `words`, intact; `None` when it has to be worked out.
    #[must_use]
    pub fn get(&self, words: &[&[u8]]) -> Option<Vec<u8>> {
        self.host.recall(&self.key(words))
    }

    /// Keeps a sub-result. It costs little: many are written together, and what is not written when the process is killed is
    /// worked out again.
    pub fn put(&self, words: &[&[u8]], value: Vec<u8>) {
        self.host.keep(&self.key(words), value);
    }

    fn key<'k>(&self, words: &'k [&'k [u8]]) -> PartKey<'k>
    where
        'a: 'k,
    {
        PartKey { purpose: self.purpose, members: self.members, words }
    }
}

/// A host with a memo in memory, which shows and records nothing else; for tests.
#[derive(Debug, Default)]
pub struct MemoryHost {
    parts: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    found: Mutex<usize>,
}

impl MemoryHost {
    /// How many sub-results it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.parts).len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many sub-results were asked for and there.
    #[must_use]
    pub fn found(&self) -> usize {
        *lock(&self.found)
    }

    /// Forgets the sub-results whose position (in an order that is the same every time) `keep` refuses.
    pub fn retain(&self, keep: impl Fn(usize) -> bool) {
        let mut position = 0..;
        lock(&self.parts).retain(|_, _| position.next().is_some_and(&keep));
    }
}

impl Host for MemoryHost {
    fn progress(&self, _: Progress) {}
    fn stopped(&self) -> bool {
        false
    }
    fn provenance(&self, _: &str, _: serde_json::Value) {}
    fn log(&self, _: &str) {}

    fn recall(&self, key: &PartKey<'_>) -> Option<Vec<u8>> {
        let value = lock(&self.parts).get(&encode(key)).cloned();
        *lock(&self.found) += usize::from(value.is_some());
        value
    }

    fn keep(&self, key: &PartKey<'_>, value: Vec<u8>) {
        lock(&self.parts).entry(encode(key)).or_insert(value);
    }
}

/// Different keys have different bytes: every text is preceded by its length, every list by its number of texts.
fn encode(key: &PartKey<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let lists = [vec![key.purpose.as_bytes()], key.members.iter().map(|member| member.as_bytes()).collect(), key.words.to_vec()];
    for list in lists {
        bytes.extend((list.len() as u64).to_le_bytes());
        for text in list {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text);
        }
    }
    bytes
}

/// A panic elsewhere leaves plain data behind, never a broken invariant.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_found_under_its_own_key_only() {
        let host = MemoryHost::default();
        let memo = Memo::new(&host, "test", &["a"]);
        memo.put(&[b"ab", b"c"], b"value".to_vec());
        assert_eq!(memo.get(&[b"ab", b"c"]).as_deref(), Some(&b"value"[..]));
        assert_eq!(memo.get(&[b"a", b"bc"]), None);
        assert_eq!(Memo::new(&host, "other", &["a"]).get(&[b"ab", b"c"]), None);
        assert_eq!(Memo::new(&host, "test", &[]).get(&[b"ab", b"c"]), None);
        assert_eq!((host.len(), host.found()), (1, 1));
        host.retain(|position| position != 0);
        assert!(host.is_empty());
    }
}
