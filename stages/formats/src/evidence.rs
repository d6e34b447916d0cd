//! What attacks did to each image: `evidence.json`, `evidence.parquet`, `adversarial.safetensors`.

use std::path::Path;

use planish_contract::{Failure, Folder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adversarial::{Adversarial, AdversarialWriter};
use crate::{SplitName, Threat, read_json, write_json};

mod rows;
#[cfg(test)]
mod tests;

/// The version of the evidence's schema.
pub const EVIDENCE_SCHEMA: u32 = 2;
/// The file of the header: [`EvidenceHeader`].
pub const HEADER: &str = "evidence.json";
/// The file with one [`ImageEvidence`] a row.
pub const IMAGES: &str = "evidence.parquet";
/// The file of the worst images found within the threat model: [`Adversarial`].
pub const ADVERSARIAL: &str = "adversarial.safetensors";
/// The file of the nearest adversarial images found by attacks that minimise the norm, wherever they lie; there is one only after such attacks.
pub const MINIMAL: &str = "minimal.safetensors";
/// The file of the images that come closest to their target class; there is one only after targeted attacks.
pub const TARGETED: &str = "targeted.safetensors";

/// What an attack achieved on the images that still stood when its turn came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttackSummary {
    /// The attack's name, such as `pgd`.
    pub name: String,
    /// Its parameters, defaults filled in.
    pub parameters: serde_json::Value,
    /// What it tried to reach: `untargeted`, `targeted` or `minimal-norm`.
    pub goal: String,
    /// The most forward-and-backward passes that it spends on an image.
    pub gradients_per_image: u64,
    /// The most forward passes without a backward pass that it spends on an image.
    pub queries_per_image: u64,
    /// Forward-and-backward passes that it spent, over all images.
    pub gradients: u64,
    /// Forward passes without a backward pass, over all images.
    pub queries: u64,
    /// The share of all images that it and the attacks before it left correctly classified, in `[0,1]`.
    pub robust_accuracy: f64,
    /// How many correctly classified images it broke.
    pub broken: usize,
    /// The share of all images that it led to their target class; only of targeted attacks.
    pub targeted_success: Option<f64>,
    /// The median, over the correctly classified images, of the smallest perturbation known after it, in the threat model's norm; only of
    /// attacks that minimise the norm, and only where half of the images have one.
    pub median_distance: Option<f64>,
}

/// What was attacked, how, and what was left of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceHeader {
    /// The version of this schema: [`EVIDENCE_SCHEMA`].
    pub schema: u32,
    /// The name of the data set that the images are of.
    pub dataset: String,
    /// What the attacks were allowed to do.
    pub threat: Threat,
    /// The range of every pixel: [`Threat::BOX`].
    #[serde(rename = "box")]
    pub bounds: [f64; 2],
    /// The split that the images are of.
    pub split: SplitName,
    /// How many images were attacked.
    pub images: usize,
    /// The attacks, in the order in which they ran.
    pub attacks: Vec<AttackSummary>,
    /// The share of images classified correctly without an attack, in `[0,1]`.
    pub clean_accuracy: f64,
    /// The share that every attack left correctly classified, in `[0,1]`.
    pub robust_accuracy: f64,
    /// The same when adversarial images are rounded to 8 bits a value first; only where it was asked for.
    pub robust_accuracy_u8: Option<f64>,
}

impl EvidenceHeader {
    /// The share of images that were led to their target, where every attack was targeted.
    #[must_use]
    pub fn targeted_success(&self) -> Option<f64> {
        let targeted: Option<Vec<f64>> = self.attacks.iter().map(|attack| attack.targeted_success).collect();
        targeted?.last().copied()
    }
}

/// What broke an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenBy {
    /// The attack's name.
    pub attack: String,
    /// Its restart, from 0.
    pub restart: u32,
    /// Its step, from 0: the start of the attack.
    pub step: u32,
}

/// The nearest adversarial image that attacks which minimise the norm found.
#[derive(Clone, Debug, PartialEq)]
pub struct Nearest {
    /// Its distance in the threat model's norm; it may exceed the radius.
    pub distance: f64,
    /// The attack's name.
    pub attack: String,
}

/// The class that an image was to be led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Targeted {
    /// The class.
    pub target: u32,
    /// Whether the model predicts it for an image within the threat model.
    pub reached: bool,
    /// The largest other logit minus the target's, for the image that comes closest; below 0 when it is reached.
    pub shortfall: f64,
}

/// One image under attack, judged by the exported network: one row of `evidence.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageEvidence {
    /// The image's index in its official split.
    pub id: u32,
    /// Its true class.
    pub label: u32,
    /// The class predicted without an attack.
    pub clean_prediction: u32,
    /// The true class's logit less the largest other, without an attack.
    pub clean_margin: f64,
    /// The class predicted for the worst image within the threat model.
    pub attacked_prediction: u32,
    /// The true class's logit less the largest other, for that image.
    pub attacked_margin: f64,
    /// What broke it; `None` for an image that still stands or was wrong from the start.
    pub broken_by: Option<BrokenBy>,
    /// The norm of the kept perturbation, in the unit of the radius.
    pub distance: f64,
    /// Whether it is classified correctly with and without every attack.
    pub robust: bool,
    /// Whether it still is when the adversarial image is rounded to 8 bits a value; only where it was asked for.
    pub robust_u8: Option<bool>,
    /// The nearest adversarial image of the attacks that minimise the norm.
    pub nearest: Option<Nearest>,
    /// What targeted attacks came to.
    pub targeted: Option<Targeted>,
    /// Forward-and-backward passes that attacks spent on it.
    pub gradients: u64,
    /// Forward passes without a backward pass that attacks spent on it.
    pub queries: u64,
}

impl ImageEvidence {
    /// The distance of the nearest adversarial image that any attack found, in the threat model's norm; infinite where none did. An image that was
    /// broken by an attack that does not minimise the norm has that one's distance, if none is smaller.
    #[must_use]
    pub fn smallest_distance(&self) -> f64 {
        let within = if self.broken_by.is_some() { self.distance } else { f64::INFINITY };
        self.nearest.as_ref().map_or(within, |nearest| nearest.distance.min(within))
    }
}

/// The evidence of one evaluation; the images themselves are read on demand.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The header.
    pub header: EvidenceHeader,
    /// One entry an image, in the order of the split.
    pub images: Vec<ImageEvidence>,
    folder: Folder,
}

impl Evidence {
    /// Reads the header and the entries in `folder`.
    ///
    /// # Errors
    /// [`Failure::Input`] when a file is missing, malformed or disagrees with another, [`Failure::Io`] when one can't be read.
    pub fn open(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.file(HEADER)?;
        let header: EvidenceHeader = read_json(path)?;
        if header.schema != EVIDENCE_SCHEMA {
            let message = format!("{}: schema version {}, but this planish reads version {EVIDENCE_SCHEMA}", path.display(), header.schema);
            return Err(Failure::input(message));
        }
        let table = folder.file(IMAGES)?;
        let images = rows::read(table, &header.threat)?;
        if images.len() != header.images {
            let message = format!("{}: {} entries, but the header speaks of {}", table.display(), images.len(), header.images);
            return Err(Failure::input(message));
        }
        Ok(Evidence { header, images, folder: folder.clone() })
    }

    /// Reads the worst image of each entry within the threat model.
    ///
    /// # Errors
    /// [`Failure::Input`] when the file is malformed or its images are not those of the entries.
    pub fn adversarial(&self) -> Result<Adversarial, Failure> {
        self.kept(ADVERSARIAL)
    }

    /// Reads the images in the file `name`: [`ADVERSARIAL`], [`MINIMAL`] or [`TARGETED`].
    ///
    /// # Errors
    /// As [`Evidence::adversarial`].
    pub fn kept(&self, name: &str) -> Result<Adversarial, Failure> {
        let path = self.folder.file(name)?;
        let kept = Adversarial::read(path)?;
        let agree =
            kept.ids.iter().zip(&kept.labels).zip(&self.images).all(|((&id, &label), entry)| id == entry.id && label == entry.label);
        if kept.ids.len() != self.images.len() || !agree {
            return Err(Failure::input(format!("{}: its images are not those of `{IMAGES}`", path.display())));
        }
        Ok(kept)
    }
}

/// Writes header and entries into the folder `dir`; the images come through [`AdversarialWriter`].
///
/// # Errors
/// [`Failure::Internal`] when the parts disagree in number, [`Failure::Io`] when a file can't be written.
pub fn write_entries(dir: &Path, header: &EvidenceHeader, images: &[ImageEvidence]) -> Result<(), Failure> {
    if header.images != images.len() {
        return Err(Failure::internal("evidence with parts of different lengths"));
    }
    rows::write(&dir.join(IMAGES), header, images)?;
    write_json(&dir.join(HEADER), header)
}

/// Writes whole evidence into the folder `dir`.
///
/// # Errors
/// [`Failure::Internal`] when the parts disagree in number, [`Failure::Io`] when a file can't be written.
pub fn write_evidence(dir: &Path, header: &EvidenceHeader, images: &[ImageEvidence], adversarial: &Adversarial) -> Result<(), Failure> {
    if adversarial.ids.len() != images.len() {
        return Err(Failure::internal("evidence with parts of different lengths"));
    }
    let mut writer = AdversarialWriter::create(&dir.join(ADVERSARIAL), adversarial.shape, &adversarial.ids, &adversarial.labels)?;
    writer.append(&adversarial.images)?;
    writer.finish()?;
    write_entries(dir, header, images)
}
