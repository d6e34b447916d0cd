//! "did you mean …?"

/// The name nearest to `written`, if one is near enough to be a slip of the keys.
pub(crate) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match written.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    let folded = fold(written);
    // Most names are too long or too short to be near; the distance itself is dear.
    let near = names.into_iter().filter(|name| name.len().abs_diff(written.len()) <= 4 * allowed);
    let best = near.map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name)).min();
    best.filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count().max(1)).map(|(_, name)| name)
}

/// A help text: the nearest name, or all names.
pub(crate) fn suggest<'a>(written: &str, what: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 30;
    let names: Vec<&str> = names.into_iter().collect();
    if let Some(name) = nearest(written, names.iter().copied()) {
        return format!("did you mean `{name}`?");
    }
    if names.is_empty() {
        return format!("there is no {what} here");
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { format!(", and {} more", names.len() - SHOWN) } else { String::new() };
    format!("one {what} of: {}{more}", shown.join(", "))
}

fn fold(name: &str) -> String {
    // Very long names are never a slip, and the distance is quadratic in their length.
    name.chars().take(64).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("epoch", ["epochs", "seed"]), Some("epochs"));
        assert_eq!(nearest("batch-size", ["batch_size", "seed"]), Some("batch_size"));
        assert_eq!(nearest("sede", ["epochs", "seed"]), Some("seed"));
        assert_eq!(nearest("zzz", ["epochs", "seed"]), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(suggest("zzz", "key", []), "there is no key here");
        assert_eq!(suggest("zzz", "key", ["epochs", "seed"]), "one key of: `epochs`, `seed`");
    }
}
