//! Names of files that are called after instances.

/// The most characters of a name that are kept as they are.
const LIMIT: usize = 120;

/// A name for a file that is called after `instance`, such as `train[method=llr,seed=0]`: any file system takes it, and different instances have
/// different ones. Where it can't be the instance itself, a hash tells it apart.
#[must_use]
pub(crate) fn file_name(instance: &str) -> String {
    // Not `~`: only names with a hash have one.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+=,[]@".contains(c);
    if !instance.is_empty() && instance.len() <= LIMIT && instance.chars().all(plain) {
        return instance.to_owned();
    }
    let readable: String = instance.chars().map(|c| if plain(c) { c } else { '_' }).take(LIMIT).collect();
    let hash = blake3::hash(instance.as_bytes()).to_hex();
    format!("{readable}~{}", hash.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn different_instances_have_different_names() {
        assert_eq!(file_name("train[method=llr,seed=0]"), "train[method=llr,seed=0]");
        let long = |end: char| format!("{}{end}", "x".repeat(500));
        let instances = ["a[eps=8/255]", "a[eps=8_255]", "a[eps=8 255]", "a[eps=8\\255]", "a[β=1]", "a[γ=1]", "a_eps=8_255_", "", "~", "_"]
            .map(str::to_owned);
        let instances: Vec<String> = instances.into_iter().chain([long('a'), long('b')]).collect();
        let names: BTreeSet<String> = instances.iter().map(|instance| file_name(instance)).collect();
        assert_eq!(names.len(), instances.len(), "{names:?}");
        assert!(file_name("a[eps=8/255]").starts_with("a[eps=8_255]~"));
        assert!(names.iter().all(|name| name.len() < 140 && !name.contains(['/', '\\']) && name.is_ascii()), "{names:?}");
        // The name of one can't be that of another.
        let again: BTreeSet<String> = names.iter().filter(|name| name.contains('~')).map(|name| file_name(name)).collect();
        assert!(again.is_disjoint(&names));
    }
}
