//! The key of an instance: what its result depends on, and nothing else.
//!
//! `key = blake3(format version ‖ stage kind ‖ code ‖ parameters ‖ inputs ‖ files ‖ also)`. Every part is tagged with its
//! type and prefixed with its length, so no two different lists of parts have the same bytes; maps are hashed in the order of their keys.

mod difference;
mod files;

use std::collections::BTreeMap;

use planish_cache::{Digest, Key, Store, StoreError};
use planish_contract::Coordinates;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use difference::{Change, Difference};
pub(crate) use files::folder as listings;
pub use files::{Files, LISTED_ABOVE, Listing};

/// The version of what a key means. Raise it when an engine change makes earlier results wrong.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that the result of an instance depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyParts {
    /// [`FORMAT_VERSION`] when the key was made.
    pub version: u32,
    /// The stage kind.
    pub kind: String,
    /// Package or family member → fingerprint of its code.
    pub code: BTreeMap<String, String>,
    /// The typed parameters, defaults filled in.
    pub parameters: Value,
    /// Input name → what is connected, in the order that the stage sees.
    pub inputs: BTreeMap<String, Vec<InputPart>>,
    /// Name in `files` → the files that it stands for.
    pub files: BTreeMap<String, Files>,
    /// What `key_also` asked for; null when nothing.
    pub also: Value,
}

/// One artifact connected to an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputPart {
    /// Where the instance that made it stands; `None` when the input is not a gathered list.
    pub coordinates: Option<Coordinates>,
    /// Its content; `None` when an optional gather has no result for it.
    pub digest: Option<Digest>,
}

impl KeyParts {
    /// What the key of an earlier result was made of, by its entry's `parts`, with the lists of files that are not what they are `now`: so
    /// that the two can be compared file by file. `None` for what does not read.
    #[must_use]
    pub fn recall(parts: Value, now: &KeyParts, store: &Store) -> Option<Self> {
        let mut earlier: KeyParts = serde_json::from_value(parts).ok()?;
        for (name, files) in &mut earlier.files {
            if now.files.get(name) != Some(files) {
                files.recall(store);
            }
        }
        Some(earlier)
    }

    /// Puts lists of many files into `store`, where [`KeyParts::recall`] finds them.
    ///
    /// # Errors
    /// A store that can't be written.
    pub fn keep_lists(&self, store: &Store) -> Result<(), StoreError> {
        self.files.values().try_for_each(|files| files.keep(store))
    }
}

/// The key of an instance.
#[must_use]
pub fn key(parts: &KeyParts) -> Key {
    let mut bytes = Encoder::default();
    bytes.text("planish key");
    bytes.number(u64::from(parts.version));
    bytes.text(&parts.kind);
    bytes.length(parts.code.len());
    for (name, fingerprint) in &parts.code {
        bytes.text(name);
        bytes.text(fingerprint);
    }
    bytes.value(&parts.parameters);
    bytes.length(parts.inputs.len());
    for (name, list) in &parts.inputs {
        bytes.text(name);
        bytes.length(list.len());
        for part in list {
            bytes.input(part);
        }
    }
    bytes.length(parts.files.len());
    for (name, folder) in &parts.files {
        bytes.text(name);
        bytes.files(folder);
    }
    bytes.value(&parts.also);
    Key::new(Digest::from(bytes.hasher.finalize()))
}

/// Feeds values to the hash so that different lists of values have different bytes.
#[derive(Default)]
struct Encoder {
    hasher: blake3::Hasher,
}

impl Encoder {
    fn tag(&mut self, tag: u8) {
        self.hasher.update(&[tag]);
    }

    fn number(&mut self, number: u64) {
        self.hasher.update(&number.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.hasher.update(text.as_bytes());
    }

    fn digest(&mut self, digest: &Digest) {
        self.hasher.update(digest.as_bytes());
    }

    fn files(&mut self, files: &Files) {
        match files {
            Files::Each(each) => {
                self.length(each.len());
                for (inner, digest) in each {
                    self.text(inner);
                    self.digest(digest);
                }
            }
            Files::Listed(listing) => {
                // No number of files that are written out.
                self.number(u64::MAX);
                self.number(listing.count());
                self.digest(&listing.digest());
            }
        }
    }

    fn input(&mut self, part: &InputPart) {
        match &part.coordinates {
            None => self.tag(0),
            Some(coordinates) => {
                self.tag(1);
                self.length(coordinates.len());
                for (axis, coordinate) in coordinates {
                    self.text(axis);
                    self.text(&coordinate.label);
                    self.value(&coordinate.value);
                }
            }
        }
        match &part.digest {
            None => self.tag(0),
            Some(digest) => {
                self.tag(1);
                self.digest(digest);
            }
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.tag(0),
            Value::Bool(value) => {
                self.tag(1);
                self.tag(u8::from(*value));
            }
            Value::Number(number) => self.json_number(number),
            Value::String(text) => {
                self.tag(5);
                self.text(text);
            }
            Value::Array(items) => {
                self.tag(6);
                self.length(items.len());
                for item in items {
                    self.value(item);
                }
            }
            Value::Object(map) => {
                self.tag(7);
                self.length(map.len());
                // Sorted here: whether a JSON map is sorted depends on the features that its crate is built with.
                let sorted: BTreeMap<&String, &Value> = map.iter().collect();
                for (name, value) in sorted {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }

    /// An integer and a float of the same size are different: which one it is, the typed struct says. JSON has no NaN.
    fn json_number(&mut self, number: &serde_json::Number) {
        if let Some(number) = number.as_u64() {
            self.tag(2);
            self.number(number);
        } else if let Some(number) = number.as_i64() {
            self.tag(3);
            self.number(number.cast_unsigned());
        } else {
            self.tag(4);
            self.number(number.as_f64().unwrap_or_default().to_bits());
        }
    }
}

#[cfg(test)]
mod tests;
