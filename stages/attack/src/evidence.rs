//! Writing the evidence, part by part.

use std::path::{Path, PathBuf};

use planish_contract::Failure;
use planish_formats::evidence::{ADVERSARIAL, MINIMAL, TARGETED};
use planish_formats::{AdversarialWriter, EVIDENCE_SCHEMA, EvidenceHeader, ImageEvidence, Split, Threat, write_entries};

use crate::AttackParameters;
use crate::attack::Goal;
use crate::bench::Findings;
use crate::choice::Named;
use crate::evaluate::Outcome;

/// The files of an evidence artifact while they are written. Of the images only the entries stay in memory.
pub(crate) struct Writer {
    dir: PathBuf,
    entries: Vec<ImageEvidence>,
    adversarial: AdversarialWriter,
    minimal: Option<AdversarialWriter>,
    targeted: Option<AdversarialWriter>,
}

impl Writer {
    /// Begins the files for `images` under `attacks` in the folder `dir`.
    pub(crate) fn create(dir: &Path, images: &Split, attacks: &[Named]) -> Result<Self, Failure> {
        let begin = |name: &str| AdversarialWriter::create(&dir.join(name), images.shape, &images.ids, &images.labels);
        let wanted =
            |goal: Goal, name: &str| if attacks.iter().any(|named| named.attack.goal() == goal) { begin(name).map(Some) } else { Ok(None) };
        Ok(Writer {
            dir: dir.to_path_buf(),
            entries: Vec::with_capacity(images.len()),
            adversarial: begin(ADVERSARIAL)?,
            minimal: wanted(Goal::MinimalNorm, MINIMAL)?,
            targeted: wanted(Goal::Targeted, TARGETED)?,
        })
    }

    pub(crate) fn append(&mut self, findings: Findings) -> Result<(), Failure> {
        self.entries.extend(findings.images);
        self.adversarial.append(&findings.kept)?;
        if let Some(writer) = &mut self.minimal {
            writer.append(&findings.nearest)?;
        }
        if let Some(writer) = &mut self.targeted {
            writer.append(&findings.targeted)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self, parameters: &AttackParameters, dataset: String, outcome: Outcome) -> Result<(), Failure> {
        self.adversarial.finish()?;
        self.minimal.map_or(Ok(()), AdversarialWriter::finish)?;
        self.targeted.map_or(Ok(()), AdversarialWriter::finish)?;
        let share = |count: usize| count as f64 / self.entries.len().max(1) as f64;
        let header = EvidenceHeader {
            schema: EVIDENCE_SCHEMA,
            dataset,
            threat: parameters.threat,
            bounds: Threat::BOX,
            split: parameters.split,
            images: self.entries.len(),
            attacks: outcome.summaries,
            clean_accuracy: share(outcome.clean),
            robust_accuracy: share(outcome.robust),
            robust_accuracy_u8: outcome.robust_u8.map(share),
        };
        write_entries(&self.dir, &header, &self.entries)
    }
}
