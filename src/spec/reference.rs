//! References to instances: `stage`, `stage:output`, `stage[axis=label]`, `stage:output[axis=label,axis=label]`.

use super::error::Problem;
use super::source::Span;

/// A reference as written.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) stage: String,
    pub(crate) output: Option<String>,
    /// Axis → label that the instances must have.
    pub(crate) filters: Vec<(String, String)>,
    pub(crate) span: Span,
}

impl Reference {
    /// Reads a reference; `span` is where it is written.
    pub(crate) fn parse(text: &str, span: Span) -> Result<Self, Problem> {
        let wrong = |why: &str| {
            Problem::new(format!("`{text}` does not read as a reference: {why}"))
                .at(span, "here")
                .help("write \"stage\", \"stage:output\" or \"stage[axis=label]\"")
        };
        let (head, filters) = match text.split_once('[') {
            None => (text, Vec::new()),
            Some((head, rest)) => {
                let inside = rest.strip_suffix(']').ok_or_else(|| wrong("the bracket does not close at its end"))?;
                (head, read_filters(inside).map_err(|why| wrong(&why))?)
            }
        };
        let (stage, output) = match head.split_once(':') {
            Some((stage, output)) => (stage.trim(), Some(output.trim().to_owned())),
            None => (head.trim(), None),
        };
        if stage.is_empty() || output.as_ref().is_some_and(String::is_empty) {
            return Err(wrong("a name is missing"));
        }
        Ok(Reference { stage: stage.to_owned(), output, filters, span })
    }
}

fn read_filters(inside: &str) -> Result<Vec<(String, String)>, String> {
    let mut filters: Vec<(String, String)> = Vec::new();
    for part in inside.split(',') {
        let (axis, label) = part.split_once('=').ok_or_else(|| format!("`{part}` is not `axis=label`"))?;
        let (axis, label) = (axis.trim(), label.trim());
        if axis.is_empty() || label.is_empty() {
            return Err(format!("`{part}` is not `axis=label`"));
        }
        if filters.iter().any(|(other, _)| other == axis) {
            return Err(format!("axis `{axis}` is filtered twice"));
        }
        filters.push((axis.to_owned(), label.to_owned()));
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reference, Problem> {
        Reference::parse(text, Span { file: 0, start: 0, end: 0 })
    }

    #[test]
    fn references_read() {
        let plain = parse("train").unwrap();
        assert_eq!((plain.stage.as_str(), plain.output, plain.filters), ("train", None, vec![]));
        assert_eq!(parse("train:last").unwrap().output.as_deref(), Some("last"));
        let full = parse("train:last[method=llr, seed=0]").unwrap();
        assert_eq!((full.stage.as_str(), full.output.as_deref()), ("train", Some("last")));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(full.filters, [pair("method", "llr"), pair("seed", "0")]);
        for wrong in ["", ":x", "x:", "x[", "x[a]", "x[a=]", "x[]", "x[a=1,a=2]", "x[a=1]y"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
