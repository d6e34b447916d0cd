//! Code fingerprints: which code a result depends on, as compiled into this executable.
//!
//! `build.rs` computes them from the sources (`fingerprint/compute.rs`); so the key of an instance describes the code that
//! runs, not the sources that happen to lie beside it.

#[cfg(test)]
pub(crate) mod compute;

use std::collections::BTreeMap;

include!(concat!(env!("OUT_DIR"), "/fingerprints.rs"));

/// The code fingerprints of one build.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprints<'a> {
    /// Stage package, its fingerprint, and the workspace packages that it reaches, itself included.
    packages: &'a [(&'a str, &'a str, &'a [&'a str])],
    /// Module path of a family member, and its fingerprint.
    members: &'a [(&'a str, &'a str)],
}

/// The code fingerprints of this executable.
pub const COMPILED: Fingerprints<'static> = Fingerprints { packages: PACKAGES, members: MEMBERS };

impl<'a> Fingerprints<'a> {
    /// The fingerprint of a stage package: its own code and that of everything below it, without the
    /// members of families. `None` for a package that holds no stage.
    #[must_use]
    pub fn package(&self, name: &str) -> Option<&'a str> {
        self.packages.iter().find(|(package, _, _)| *package == name).map(|(_, fingerprint, _)| *fingerprint)
    }

    /// The fingerprint of the family member with this module path, such as
    /// `planish_train::objectives::trades`.
    #[must_use]
    pub fn member(&self, path: &str) -> Option<&'a str> {
        self.members.iter().find(|(member, _)| *member == path).map(|(_, fingerprint)| *fingerprint)
    }

    /// Whether the code of `member` can be reached from `package` at all: a checkpoint names its network,
    /// which an attack on it runs, and a table of it does not.
    #[must_use]
    pub fn reaches(&self, package: &str, member: &str) -> bool {
        let library = member.split("::").next().unwrap_or_default();
        self.packages
            .iter()
            .find(|(name, _, _)| *name == package)
            .is_some_and(|(_, _, below)| below.iter().any(|name| name.replace('-', "_") == library))
    }

    /// Package or member → fingerprint, for everything that an instance of a stage in `package` with these
    /// family members depends on.
    pub fn of<'m>(&self, package: &str, members: impl Iterator<Item = &'m str>) -> BTreeMap<String, String> {
        let mut code = BTreeMap::new();
        if let Some(fingerprint) = self.package(package) {
            code.insert(package.to_owned(), fingerprint.to_owned());
        }
        for path in members {
            if self.reaches(package, path) {
                // A member that this executable no longer has still counts, by its absence.
                code.insert(path.to_owned(), self.member(path).unwrap_or("absent").to_owned());
            }
        }
        code
    }
}

#[cfg(test)]
impl Fingerprints<'static> {
    /// What was found in a workspace, as if an executable had been built from it.
    pub(crate) fn built_from(found: compute::Fingerprints) -> Self {
        fn text(text: String) -> &'static str {
            text.leak()
        }
        let package = |(name, (fingerprint, below)): (String, (String, Vec<String>))| {
            let below: Vec<&'static str> = below.into_iter().map(text).collect();
            (text(name), text(fingerprint), &*below.leak())
        };
        let packages: Vec<_> = found.packages.into_iter().map(package).collect();
        let members: Vec<_> = found.members.into_iter().map(|(path, fingerprint)| (text(path), text(fingerprint))).collect();
        Fingerprints { packages: packages.leak(), members: members.leak() }
    }
}

#[cfg(test)]
mod compute_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_package_has_a_fingerprint() {
        for name in ["planish-data", "planish-train", "planish-export", "planish-attack", "planish-report"] {
            assert_eq!(COMPILED.package(name).map(str::len), Some(64), "{name}");
        }
        assert_eq!(COMPILED.package("planish"), None);
        assert_eq!(COMPILED.package("planish-cache"), None);
    }

    #[test]
    fn members_count_only_where_their_package_is_reached() {
        let network = "planish_nn::networks::wide_resnet";
        assert!(COMPILED.member(network).is_some());
        assert!(COMPILED.reaches("planish-attack", network));
        assert!(!COMPILED.reaches("planish-report", network));
        let code = COMPILED.of("planish-report", [network].into_iter());
        assert_eq!(code.len(), 1);
    }
}
