//! Names of files inside artifacts, parsed once.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of one component, in bytes: what common file systems take.
const COMPONENT_LIMIT: usize = 255;
/// The longest whole name, in bytes.
const NAME_LIMIT: usize = 2048;

/// The name of a file inside an artifact: relative, components separated by `/`, none of them empty, `.` or
/// `..`, without control characters and backslashes. It is safe to join to a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

/// A text that can't be the name of an artifact's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} can't be the name of an artifact's file: {reason}")]
pub struct InvalidName {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FileName {
    /// The name that `text` spells.
    ///
    /// # Errors
    /// [`InvalidName`] says which rule it breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidName> {
        let name = text.into();
        match fault(&name) {
            None => Ok(FileName(name)),
            Some(reason) => Err(InvalidName { name, reason }),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the file inside the folder `self`.
    pub(crate) fn join(prefix: Option<&FileName>, component: &str) -> Result<Self, InvalidName> {
        match prefix {
            None => Self::parse(component),
            Some(prefix) => Self::parse(format!("{prefix}/{component}")),
        }
    }
}

fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > NAME_LIMIT {
        return Some("it is longer than 2048 bytes");
    }
    if name.starts_with('/') {
        return Some("it is absolute");
    }
    if name.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    if name.contains('\\') {
        return Some("it has a backslash");
    }
    name.split('/').find_map(|component| match component {
        "" => Some("a part of it is empty"),
        "." | ".." => Some("it has a `.` or `..` part"),
        long if long.len() > COMPONENT_LIMIT => Some("a part of it is longer than 255 bytes"),
        _ => None,
    })
}

impl FromStr for FileName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl TryFrom<String> for FileName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

impl Borrow<str> for FileName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for FileName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_taken() {
        for name in ["a", "weights.safetensors", "figures/trade-off.svg", "a b/ü.txt", "..a/b..", ".hidden"] {
            assert_eq!(FileName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for name in ["", "/", "/etc/passwd", "..", "../a", "a/../b", "a/..", ".", "./a", "a//b", "a/", "a\nb", "a\0b", "a\\..\\b", "\u{85}"]
        {
            assert!(FileName::parse(name).is_err(), "{name:?}");
        }
        assert!(FileName::parse("x".repeat(256)).is_err());
        assert!(FileName::parse("x/".repeat(1500) + "x").is_err());
    }

    #[test]
    fn reading_json_applies_the_same_rules() {
        assert!(serde_json::from_str::<FileName>("\"a/b\"").is_ok());
        assert!(serde_json::from_str::<FileName>("\"../b\"").is_err());
    }
}
