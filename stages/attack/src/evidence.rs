//! Writing the evidence.

use std::path::Path;

use planish_contract::Failure;
use planish_formats::{Adversarial, AttackSummary, EvidenceHeader, SCHEMA, Split, write_evidence};

use crate::AttackParameters;
use crate::judge::Findings;

/// Writes what the judge found into the folder `dir`.
///
/// # Errors
/// [`Failure::Io`] when a file can't be written.
pub(crate) fn write(
    dir: &Path,
    parameters: &AttackParameters,
    attacks: Vec<AttackSummary>,
    (dataset, images, findings): (String, &Split, Findings),
) -> Result<(), Failure> {
    let share = |count: usize| count as f64 / findings.images.len().max(1) as f64;
    let header = EvidenceHeader {
        schema: SCHEMA,
        dataset,
        threat: parameters.threat,
        split: parameters.split,
        images: findings.images.len(),
        attacks,
        clean_accuracy: share(findings.images.iter().filter(|image| image.clean_prediction == image.label).count()),
        robust_accuracy: share(findings.images.iter().filter(|image| image.robust).count()),
    };
    let adversarial = Adversarial { shape: images.shape, images: findings.kept, ids: images.ids.clone(), labels: images.labels.clone() };
    write_evidence(dir, &header, &findings.images, &adversarial)
}
