//! The alphabets of names and labels.

/// The most characters in a name or a label.
const MAX_LENGTH: usize = 100;

/// Why `name` can't name a stage, an axis, an input, an output or a file; `None` when it can.
pub(crate) fn refuse_name(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > MAX_LENGTH {
        return Some(format!("a name has 1 to {MAX_LENGTH} characters"));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(allowed) {
        return Some("a name has letters, digits, `-` and `_` (ASCII), and starts with a letter or a digit".to_owned());
    }
    None
}

/// Why `label` can't be the label of a variant; `None` when it can.
pub(crate) fn refuse_label(label: &str) -> Option<String> {
    if label.is_empty() || label.len() > MAX_LENGTH {
        return Some(format!("a label has 1 to {MAX_LENGTH} characters"));
    }
    if label.trim() != label || label.chars().any(|c| c.is_control() || "[],=\"'`".contains(c)) {
        return Some("a label has no brackets, commas, equals signs, quotes or outer blanks".to_owned());
    }
    None
}
