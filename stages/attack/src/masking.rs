//! Signs that attacks by gradients overstate robustness (Athalye et al., arXiv 1802.00420; Carlini et al., arXiv 1902.06705).
//!
//! The checks run on a few images that the model classifies correctly. Each looks at one number and knows where it turns the verdict;
//! what an honest classifier shows passes. A failed check does not say that a model is not robust, only that its number can't be trusted.

mod checks;
mod graph;
mod probe;

use planish_contract::{Failure, Host, Invalid, Memo};
use planish_formats::{MaskingReport, SCHEMA, Split, Threat};
use planish_nn::Victim;
use planish_onnx::GraphFacts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attacks::{AnyAttack, Pgd, Square};
use crate::judge::Scorer;

use self::probe::Probe;

/// How thoroughly gradients are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskingParameters {
    /// How many correctly classified images the checks look at, the first of the split; 0 leaves the checks out.
    pub images: usize,
    /// Gradients per image of the attacks that the checks compare.
    pub steps: u32,
    /// Queries per image of the attack without gradients.
    pub queries: u32,
}

impl Default for MaskingParameters {
    fn default() -> Self {
        MaskingParameters { images: 16, steps: 20, queries: 200 }
    }
}

impl MaskingParameters {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    pub fn validate(&self) -> Result<(), Invalid> {
        crate::attack::check_count("steps", self.steps)?;
        crate::attack::check_count("queries", self.queries)
    }
}

/// What the checks are made on.
pub struct Subject<'a> {
    /// The images; the first correctly classified ones are used.
    pub images: &'a Split,
    /// The threat model.
    pub threat: Threat,
    /// The seed of all random streams.
    pub seed: u64,
    /// Whom to tell, who may ask to stop, and who keeps sub-results.
    pub host: &'a dyn Host,
    /// What results depend on besides: digests of model and victim, runtime, device. `None`: nothing is looked up or kept.
    pub identity: Option<Vec<Vec<u8>>>,
    /// What the graph of the model that judges tells; `None` where there is no graph.
    pub graph: Option<&'a GraphFacts>,
    /// Why the victim gives no gradients, where it gives none: what needs them stays undecided.
    pub no_gradients: Option<String>,
}

/// Runs all checks, or looks their results up; those that the graph decides come first.
///
/// # Errors
/// What model and victim report; [`Failure::Stopped`] when the host asks to stop.
pub fn check(
    parameters: &MaskingParameters,
    subject: &Subject<'_>,
    scorer: &mut dyn Scorer,
    victim: &mut dyn Victim,
) -> Result<MaskingReport, Failure> {
    let mut report = measured(parameters, subject, scorer, victim)?;
    report.checks.splice(0..0, subject.graph.map(graph::checks).unwrap_or_default());
    Ok(report)
}

/// The checks that run the model.
fn measured(
    parameters: &MaskingParameters,
    subject: &Subject<'_>,
    scorer: &mut dyn Scorer,
    victim: &mut dyn Victim,
) -> Result<MaskingReport, Failure> {
    let mut probe = Probe::new(parameters, subject, scorer, victim)?;
    let members = members();
    let words = subject.identity.as_ref().map(|identity| key(identity, parameters, subject, &probe));
    let memo = Memo::new(subject.host, "masking checks 1", &members);
    let slices = words.as_ref().map(|words| words.iter().map(Vec::as_slice).collect::<Vec<&[u8]>>());
    if let Some(report) = slices.as_ref().and_then(|words| memo.get(words)).and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(report);
    }
    let mut report = MaskingReport { schema: SCHEMA, images: probe.images.len(), checks: Vec::new() };
    for check in checks::ALL {
        report.checks.push(check.run(&mut probe)?);
    }
    if let (Some(words), Ok(bytes)) = (slices, serde_json::to_vec(&report)) {
        memo.put(&words, bytes);
    }
    Ok(report)
}

/// The module paths of the attacks that the checks run.
#[must_use]
pub fn members() -> Vec<&'static str> {
    [AnyAttack::Pgd(Pgd::default()), AnyAttack::Square(Square::default())].iter().map(AnyAttack::member).collect()
}

fn key(identity: &[Vec<u8>], parameters: &MaskingParameters, subject: &Subject<'_>, probe: &Probe<'_>) -> Vec<Vec<u8>> {
    let mut hasher = blake3::Hasher::new();
    for part in probe.images.images.parts() {
        hasher.update(part);
    }
    for value in probe.images.ids.iter().chain(&probe.images.labels) {
        hasher.update(&value.to_le_bytes());
    }
    let text = format!("{parameters:?} {} {}", subject.threat.norm, subject.seed);
    let mut words = identity.to_vec();
    words.extend([text.into_bytes(), subject.threat.eps.value().to_le_bytes().to_vec(), hasher.finalize().as_bytes().to_vec()]);
    words
}
