//! Code fingerprints: which code a result depends on, as compiled into this executable.
//!
//! `build.rs` computes them from the sources (`fingerprint/compute.rs`); so the key of an instance describes the code that
//! runs, not the sources that happen to lie beside it.

#[cfg(test)]
mod compute;

use std::collections::BTreeMap;

include!(concat!(env!("OUT_DIR"), "/fingerprints.rs"));

/// The fingerprint of a stage package: its own code and that of everything below it, without the
/// members of families. `None` for a package that holds no stage.
#[must_use]
pub fn package(name: &str) -> Option<&'static str> {
    PACKAGES.iter().find(|(package, _, _)| *package == name).map(|(_, fingerprint, _)| *fingerprint)
}

/// The fingerprint of the family member with this module path, such as
/// `planish_train::objectives::trades`.
#[must_use]
pub fn member(path: &str) -> Option<&'static str> {
    MEMBERS.iter().find(|(member, _)| *member == path).map(|(_, fingerprint)| *fingerprint)
}

/// Whether the code of `member` can be reached from `package` at all: a checkpoint names its network,
/// which an attack on it runs, and a table of it does not.
#[must_use]
pub fn reaches(package: &str, member: &str) -> bool {
    let library = member.split("::").next().unwrap_or_default();
    PACKAGES
        .iter()
        .find(|(name, _, _)| *name == package)
        .is_some_and(|(_, _, below)| below.iter().any(|name| name.replace('-', "_") == library))
}

/// Package or member → fingerprint, for everything that an instance of a stage in `package` with these
/// family members depends on.
pub fn code<'a>(package_name: &str, members: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut code = BTreeMap::new();
    if let Some(fingerprint) = package(package_name) {
        code.insert(package_name.to_owned(), fingerprint.to_owned());
    }
    for path in members {
        if reaches(package_name, path) {
            // A member that this executable no longer has still counts, by its absence.
            code.insert(path.to_owned(), member(path).unwrap_or("absent").to_owned());
        }
    }
    code
}

#[cfg(test)]
mod compute_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_package_has_a_fingerprint() {
        for name in ["planish-data", "planish-train", "planish-export", "planish-attack", "planish-report"] {
            assert_eq!(package(name).map(str::len), Some(64), "{name}");
        }
        assert_eq!(package("planish"), None);
        assert_eq!(package("planish-cache"), None);
    }

    #[test]
    fn members_count_only_where_their_package_is_reached() {
        let network = "planish_nn::networks::wide_resnet";
        assert!(member(network).is_some());
        assert!(reaches("planish-attack", network));
        assert!(!reaches("planish-report", network));
        let code = code("planish-report", [network].into_iter());
        assert_eq!(code.len(), 1);
    }
}
