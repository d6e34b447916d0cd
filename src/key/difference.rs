//! What changed between two keys, for people.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use planish_cache::Digest;
use planish_contract::Coordinates;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Files, InputPart, KeyParts};

/// Of the files of a long list so many are named, and the rest counted.
const NAMED: usize = 20;

/// One thing that is not what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// What a key means has changed.
    Format {
        /// The version then.
        old: u32,
        /// The version now.
        new: u32,
    },
    /// The stage kind.
    Kind {
        /// The kind then.
        old: String,
        /// The kind now.
        new: String,
    },
    /// The code of a package or of a family member.
    Code {
        /// The package, or the member's module path.
        name: String,
        /// How.
        change: Change,
    },
    /// A parameter.
    Parameter {
        /// Its path, with dots.
        path: String,
        /// Its value then; `None` when it was not there.
        old: Option<Value>,
        /// Its value now; `None` when it is not there.
        new: Option<Value>,
    },
    /// A value that `key_also` adds.
    Also {
        /// Its path, with dots.
        path: String,
        /// Its value then; `None` when it was not there.
        old: Option<Value>,
        /// Its value now; `None` when it is not there.
        new: Option<Value>,
    },
    /// An artifact that an input takes.
    Input {
        /// The input's name.
        name: String,
        /// Where the artifact stands, when it is one of a gathered list: `method=llr,seed=0`.
        place: Option<String>,
        /// How.
        change: Change,
    },
    /// A file from outside.
    File {
        /// The name in `files`.
        name: String,
        /// Its name inside the folder.
        file: String,
        /// How.
        change: Change,
    },
}

/// How a thing is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It is another one.
    Changed,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        })
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Difference::Format { old, new } => write!(f, "key format {old} → {new}"),
            Difference::Kind { old, new } => write!(f, "stage kind {old} → {new}"),
            Difference::Code { name, change } => write!(f, "code of {name} {change}"),
            Difference::Parameter { path, old, new } => values(f, &format!("parameter {path}"), old.as_ref(), new.as_ref()),
            Difference::Also { path, old, new } => values(f, &format!("key_also {path}"), old.as_ref(), new.as_ref()),
            Difference::Input { name, place: None, change } => write!(f, "input {name} {change}"),
            Difference::Input { name, place: Some(place), change } => write!(f, "input {name}[{place}] {change}"),
            Difference::File { name, file, change } => write!(f, "file {name} ({file}) {change}"),
        }
    }
}

fn values(f: &mut std::fmt::Formatter<'_>, what: &str, old: Option<&Value>, new: Option<&Value>) -> std::fmt::Result {
    match (old, new) {
        (Some(old), Some(new)) => write!(f, "{what}: {old} → {new}"),
        (None, Some(new)) => write!(f, "{what} added: {new}"),
        (Some(old), None) => write!(f, "{what} removed: {old}"),
        (None, None) => write!(f, "{what}"),
    }
}

impl KeyParts {
    /// What is not in `new` what it is in `self`; empty exactly when both make the same key.
    #[must_use]
    pub fn differences(&self, new: &KeyParts) -> Vec<Difference> {
        let mut list = Vec::new();
        if self.version != new.version {
            list.push(Difference::Format { old: self.version, new: new.version });
        }
        if self.kind != new.kind {
            list.push(Difference::Kind { old: self.kind.clone(), new: new.kind.clone() });
        }
        compare(&self.parameters, &new.parameters, &mut |path, old, new| list.push(Difference::Parameter { path, old, new }));
        compare(&self.also, &new.also, &mut |path, old, new| list.push(Difference::Also { path, old, new }));
        for (name, old, new) in both(&self.inputs, &new.inputs) {
            input(name, old, new, &mut list);
        }
        for (name, old, new) in both(&self.files, &new.files) {
            let say = |file: &str, change| Difference::File { name: name.clone(), file: file.to_owned(), change };
            if let Some(change) = change(old, new) {
                list.extend(files(old, new, change).into_iter().map(|(file, change)| say(&file, change)));
            }
        }
        list.extend(
            both(&self.code, &new.code)
                .filter_map(|(name, old, new)| change(old, new).map(|change| Difference::Code { name: name.clone(), change })),
        );
        list
    }
}

/// The files that are not what they were, in words where they can't be named.
fn files(old: Option<&Files>, new: Option<&Files>, change: Change) -> Vec<(String, Change)> {
    let nothing = Files::Each(BTreeMap::new());
    let (old, new) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing));
    let (Some(before), Some(after)) = (old.each(), new.each()) else {
        return vec![(format!("{} files, then {}: their list is not in the store any more", old.count(), new.count()), change)];
    };
    let most = if matches!((old, new), (Files::Each(_), Files::Each(_))) { usize::MAX } else { NAMED };
    let (mut list, mut others) = (Vec::new(), 0_u64);
    merge(before, after, |name, change| {
        if list.len() < most {
            list.push((name.to_owned(), change));
        } else {
            others += 1;
        }
    });
    if others > 0 {
        list.push((format!("and {others} more"), Change::Changed));
    }
    if list.is_empty() {
        let same = if old.count() == 0 { "no files" } else { "the same files, listed otherwise" };
        list.push((same.to_owned(), change));
    }
    list
}

/// Walks along two lists, both sorted by name.
fn merge<'a>(
    old: impl Iterator<Item = (&'a str, Digest)>,
    new: impl Iterator<Item = (&'a str, Digest)>,
    mut report: impl FnMut(&str, Change),
) {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some((before, _)), Some((after, _))) => before.cmp(after),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let before = if order.is_gt() { None } else { old.next() };
        let after = if order.is_lt() { None } else { new.next() };
        let name = before.or(after).map_or("", |(name, _)| name);
        if let Some(change) = change(before.map(|(_, digest)| digest).as_ref(), after.map(|(_, digest)| digest).as_ref()) {
            report(name, change);
        }
    }
}

fn change<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> Option<Change> {
    match (old, new) {
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (old, new) => (old != new).then_some(Change::Changed),
    }
}

/// Every name that one of the two has, with what each has.
fn both<'a, T>(
    old: &'a BTreeMap<String, T>,
    new: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a String, Option<&'a T>, Option<&'a T>)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().map(|name| (name, old.get(name), new.get(name)))
}

type Report<'a> = dyn FnMut(String, Option<Value>, Option<Value>) + 'a;

fn compare(old: &Value, new: &Value, report: &mut Report<'_>) {
    compare_at("", Some(old), Some(new), report);
}

fn compare_at(path: &str, old: Option<&Value>, new: Option<&Value>, report: &mut Report<'_>) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare_at(&inner, old.get(name), new.get(name), report);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare_at(&format!("{path}[{index}]"), Some(old), Some(new), report);
            }
        }
        (old, new) => report(if path.is_empty() { "all".to_owned() } else { path.to_owned() }, old.cloned(), new.cloned()),
    }
}

fn place(coordinates: &Coordinates) -> String {
    coordinates.iter().map(|(axis, coordinate)| format!("{axis}={}", coordinate.label)).collect::<Vec<_>>().join(",")
}

/// The artifacts of one input: a single one, or a list that is compared by place.
fn input(name: &str, old: Option<&Vec<InputPart>>, new: Option<&Vec<InputPart>>, list: &mut Vec<Difference>) {
    let Some(whole) = change(old, new) else { return };
    let (old, new) = (old.map(Vec::as_slice).unwrap_or_default(), new.map(Vec::as_slice).unwrap_or_default());
    let by_place = |parts: &[InputPart]| {
        let mut map: BTreeMap<String, Vec<InputPart>> = BTreeMap::new();
        for part in parts {
            map.entry(part.coordinates.as_ref().map(place).unwrap_or_default()).or_default().push(part.clone());
        }
        map
    };
    let before = list.len();
    if old.iter().chain(new).any(|part| part.coordinates.is_some()) {
        let (old, new) = (by_place(old), by_place(new));
        list.extend(both(&old, &new).filter_map(|(place, old, new)| {
            change(old, new).map(|change| Difference::Input { name: name.to_owned(), place: Some(place.clone()), change })
        }));
    }
    if list.len() == before {
        list.push(Difference::Input { name: name.to_owned(), place: None, change: whole });
    }
}
