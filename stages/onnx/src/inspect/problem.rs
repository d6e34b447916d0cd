//! Why a model is refused, in words that name the place.

use planish_contract::Failure;

use crate::proto::NodeProto;

/// Names in files of strangers are cut to this many characters in messages.
const LONGEST: usize = 80;

/// Why a model is refused, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What is wrong and where, as a lowercase fragment that follows the file's name.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Problem { hint: Some(hint.into()), ..self }
    }

    /// The same as a failure of the stage that reads `file`.
    #[must_use]
    pub fn of_file(self, file: &str) -> Failure {
        Failure::Input { message: format!("{file}: {}", self.message), hint: self.hint }
    }
}

/// A name out of a file, fit to print: in backticks, without control characters, not longer than a line.
pub(crate) fn quote(name: &str) -> String {
    let mut shown: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// How a node is called in messages: its name, or else its first output, and its operator.
pub(crate) fn node_label(node: &NodeProto) -> String {
    let operator = quote(node.op_type());
    match (node.name(), node.output.iter().find(|name| !name.is_empty())) {
        ("", Some(output)) => format!("the {operator} node that computes {}", quote(output)),
        ("", None) => format!("a {operator} node"),
        (name, _) => format!("node {} ({operator})", quote(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_are_fit_to_print() {
        assert_eq!(quote("conv1"), "`conv1`");
        assert_eq!(quote("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(quote(&"x".repeat(500)).chars().count(), LONGEST + 3);
    }
}
