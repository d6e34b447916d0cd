//! What the user asks for: `attack`, `attack[method=llr]`.

use crate::spec::reference::Reference;
use crate::spec::{Problem, Sources, Span, SpecErrors};

/// A stage, or those of its instances that stand at some labels.
#[derive(Clone, Debug)]
pub struct Target {
    text: String,
}

impl Target {
    /// Reads `stage` or `stage[axis=label,axis=label]`.
    ///
    /// # Errors
    /// A text that does not read so.
    pub fn parse(text: &str) -> Result<Self, SpecErrors> {
        let target = Target { text: text.to_owned() };
        let mut sources = Sources::default();
        target.reference(&mut sources).map_err(|problem| SpecErrors::one(problem, &sources))?;
        Ok(target)
    }

    /// The target as a reference into `sources`, where its text is added.
    pub(super) fn reference(&self, sources: &mut Sources) -> Result<Reference, Problem> {
        let span = Span::new(sources.add("target", self.text.clone()), 0..self.text.len());
        let reference = Reference::parse(&self.text, span)?;
        match reference.output {
            None => Ok(reference),
            Some(output) => Err(Problem::new("a target names instances, and an instance makes all its outputs")
                .at(span, "here")
                .help(format!("leave out `:{output}`"))),
        }
    }
}
