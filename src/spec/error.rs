//! What is wrong with a pipeline, with the places and the fix.

use std::fmt::Display;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::source::{Sources, Span};

/// The most problems that are kept of one pipeline.
const MAX_PROBLEMS: usize = 50;

/// One thing that is wrong, before it is bound to the texts it points into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    message: String,
    labels: Vec<(Span, String)>,
    help: Option<String>,
    context: Option<String>,
}

impl Problem {
    /// A problem without a place.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), labels: Vec::new(), help: None, context: None }
    }

    /// Points at a place; the first place is the main one.
    #[must_use]
    pub(crate) fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.push((span, label.into()));
        self
    }

    /// Says what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, if anything can be said.
    #[must_use]
    pub(crate) fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Says which instance it was found in. Problems that differ in this only are shown once.
    #[must_use]
    pub(crate) fn context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    fn same_as(&self, other: &Problem) -> bool {
        self.message == other.message && self.labels == other.labels && self.help == other.help
    }
}

/// A list of problems that grows while a pipeline is read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Adds a problem unless the list is full or has it.
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.list.len() < MAX_PROBLEMS && !self.list.iter().any(|p| p.same_as(&problem)) {
            self.list.push(problem);
        }
    }

    /// The value, or nothing and one problem more.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    /// Whether no more problems are kept: looking for them is over.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_PROBLEMS
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Everything that is wrong, bound to the texts; `Ok` when nothing is.
    pub(crate) fn finish(self, sources: &Sources) -> Result<(), SpecErrors> {
        if self.list.is_empty() {
            return Ok(());
        }
        Err(SpecErrors { errors: self.list.into_iter().map(|problem| SpecError::new(problem, sources)).collect() })
    }
}

/// One thing that is wrong with a pipeline: a message, the places, what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SpecError {
    message: String,
    help: Option<String>,
    places: Option<Places>,
    others: Vec<Other>,
}

/// Places in one text.
#[derive(Clone, Debug)]
struct Places {
    source: Arc<NamedSource<String>>,
    labels: Vec<(Span, String)>,
}

/// Places in another text than the main one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("and in {}", places.source.name())]
struct Other {
    places: Places,
}

impl SpecError {
    fn new(problem: Problem, sources: &Sources) -> Self {
        let mut groups: Vec<(usize, Vec<(Span, String)>)> = Vec::new();
        for (span, text) in problem.labels {
            match groups.iter_mut().find(|(file, _)| *file == span.file) {
                Some((_, labels)) => labels.push((span, text)),
                None => groups.push((span.file, vec![(span, text)])),
            }
        }
        let bound =
            groups.into_iter().filter_map(|(file, labels)| sources.named(file).map(|source| Places { source: Arc::clone(source), labels }));
        let mut places = bound.collect::<Vec<_>>().into_iter();
        let help = match (problem.help, problem.context) {
            (Some(help), Some(context)) => Some(format!("{help}\nseen in {context}")),
            (None, Some(context)) => Some(format!("seen in {context}")),
            (help, None) => help,
        };
        SpecError { message: problem.message, help, places: places.next(), others: places.map(|places| Other { places }).collect() }
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn labels(places: &Places) -> Box<dyn Iterator<Item = LabeledSpan> + '_> {
    Box::new(places.labels.iter().enumerate().map(|(index, (span, text))| {
        let range = span.start..span.end;
        let text = (!text.is_empty()).then(|| text.clone());
        if index == 0 { LabeledSpan::new_primary_with_span(text, range) } else { LabeledSpan::new_with_span(text, range) }
    }))
}

impl Diagnostic for SpecError {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.places.as_ref().map(|places| &places.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.places.as_ref().map(labels)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        if self.others.is_empty() {
            return None;
        }
        Some(Box::new(self.others.iter().map(|other| other as &dyn Diagnostic)))
    }
}

impl Diagnostic for Other {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.places.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(labels(&self.places))
    }
}

/// Everything that is wrong with a pipeline; never empty.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SpecErrors {
    errors: Vec<SpecError>,
}

impl SpecErrors {
    /// One problem, bound to the texts it points into.
    pub(crate) fn one(problem: Problem, sources: &Sources) -> Self {
        SpecErrors { errors: vec![SpecError::new(problem, sources)] }
    }

    /// Each problem, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &SpecError> {
        self.errors.iter()
    }

    /// The problems drawn with the lines they are in, `width` columns wide; `plain` draws in ASCII, without colours.
    #[must_use]
    pub fn render(&self, plain: bool, width: usize) -> String {
        let theme = if plain { GraphicalTheme::none() } else { GraphicalTheme::unicode() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_context_lines(1).with_links(false);
        let mut text = String::new();
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            // A place that the renderer can't show (it never makes one itself) still leaves the message.
            let mut drawn = String::new();
            match handler.render_report(&mut drawn, error) {
                Ok(()) => text.push_str(&drawn),
                Err(_) => text.extend([error.message(), "\n"]),
            }
        }
        text
    }
}
