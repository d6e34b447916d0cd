//! What attacks did to each image: `evidence.json`, `evidence.jsonl`, `adversarial.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Failure, Folder};
use serde::{Deserialize, Serialize};

use crate::tensors::{from_u32, take, take_u32};
use crate::{
    NamedTensor, SplitName, Threat, Values, check_schema, read_json, read_json_lines, read_tensors, write_json, write_json_lines,
    write_tensors,
};

/// The file of the header: [`EvidenceHeader`].
pub const HEADER: &str = "evidence.json";
/// The file with one [`ImageEvidence`] a line.
pub const IMAGES: &str = "evidence.jsonl";
/// The file of the kept images: [`Adversarial`].
pub const ADVERSARIAL: &str = "adversarial.safetensors";

/// What an attack achieved on the images that still stood when its turn came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackSummary {
    /// The attack's name in TOML, such as `pgd`.
    pub name: String,
    /// Its parameters, defaults filled in.
    pub parameters: serde_json::Value,
    /// What it tried to reach, such as `untargeted`.
    pub goal: String,
    /// The most forward-and-backward passes that it spent on an image.
    pub gradients_per_image: u64,
    /// The share of all images that it and the attacks before it left correctly classified, in `[0,1]`.
    pub robust_accuracy: f64,
    /// How many correctly classified images it broke.
    pub broken: usize,
}

/// What was attacked, how, and what was left of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceHeader {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// The name of the data set that the images are of.
    pub dataset: String,
    /// What the attacks were allowed to do.
    pub threat: Threat,
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
}

/// What broke an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenBy {
    /// The attack's name.
    pub attack: String,
    /// Its restart, from 0.
    pub restart: u32,
    /// Its step, from 0: the start of the attack.
    pub step: u32,
}

/// One image under attack, judged by the exported network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEvidence {
    /// The image's index in its official split.
    pub id: u32,
    /// Its true class.
    pub label: u32,
    /// The class predicted without an attack.
    pub clean_prediction: u32,
    /// The true class's logit less the largest other, without an attack.
    pub clean_margin: f64,
    /// The class predicted for the kept adversarial image.
    pub attacked_prediction: u32,
    /// The true class's logit less the largest other, for that image.
    pub attacked_margin: f64,
    /// What broke it; `None` for an image that still stands or was wrong from the start.
    pub broken_by: Option<BrokenBy>,
    /// The norm of the kept perturbation, in the unit of the radius.
    pub distance: f64,
    /// Whether it is classified correctly with and without every attack.
    pub robust: bool,
}

/// The kept image of every attacked image, in the order of the evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Adversarial {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The images `[n, c, h, w]`, in `[0,1]`.
    pub images: Vec<f32>,
    /// Index of each image in its official split.
    pub ids: Vec<u32>,
    /// True class of each image.
    pub labels: Vec<u32>,
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
        check_schema(path, header.schema)?;
        let lines = folder.file(IMAGES)?;
        let images: Vec<ImageEvidence> = read_json_lines(lines)?;
        if images.len() != header.images {
            let message = format!("{}: {} entries, but the header speaks of {}", lines.display(), images.len(), header.images);
            return Err(Failure::input(message));
        }
        Ok(Evidence { header, images, folder: folder.clone() })
    }

    /// Reads the kept images.
    ///
    /// # Errors
    /// [`Failure::Input`] when the file is malformed or its images are not those of the entries.
    pub fn adversarial(&self) -> Result<Adversarial, Failure> {
        let path = self.folder.file(ADVERSARIAL)?;
        let place = path.display().to_string();
        let mut tensors = read_tensors(path)?;
        let images = take(&mut tensors, "images", &place)?;
        let n = self.images.len();
        let (&[count, c, h, w], Values::F32(values)) = (images.shape.as_slice(), images.values) else {
            return Err(Failure::input(format!("{place}: tensor `images` is not of type F32 with four axes")));
        };
        let ids = take_u32(&mut tensors, "ids", n, &place)?;
        let labels = take_u32(&mut tensors, "labels", n, &place)?;
        let agree = ids.iter().zip(&labels).zip(&self.images).all(|((&id, &label), entry)| id == entry.id && label == entry.label);
        if count != n || !agree {
            return Err(Failure::input(format!("{place}: its images are not those of `{IMAGES}`")));
        }
        Ok(Adversarial { shape: [c, h, w], images: values, ids, labels })
    }
}

/// Writes evidence into the folder `dir`.
///
/// # Errors
/// [`Failure::Internal`] when the parts disagree in number, [`Failure::Io`] when a file can't be written.
pub fn write_evidence(dir: &Path, header: &EvidenceHeader, images: &[ImageEvidence], adversarial: &Adversarial) -> Result<(), Failure> {
    if header.images != images.len() || adversarial.ids.len() != images.len() {
        return Err(Failure::internal("evidence with parts of different lengths"));
    }
    let [c, h, w] = adversarial.shape;
    let tensors = [
        NamedTensor { name: "images".to_owned(), shape: vec![images.len(), c, h, w], values: Values::F32(adversarial.images.clone()) },
        from_u32("ids", &adversarial.ids),
        from_u32("labels", &adversarial.labels),
    ];
    write_tensors(&dir.join(ADVERSARIAL), &tensors, &BTreeMap::new())?;
    write_json_lines(&dir.join(IMAGES), images)?;
    write_json(&dir.join(HEADER), header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Norm, SCHEMA};
    use planish_contract::Fraction;

    fn sample() -> (EvidenceHeader, Vec<ImageEvidence>, Adversarial) {
        let header = EvidenceHeader {
            schema: SCHEMA,
            dataset: "fashion-mnist".into(),
            threat: Threat { norm: Norm::Linf, eps: Fraction(0.1) },
            split: SplitName::Test,
            images: 1,
            attacks: vec![AttackSummary {
                name: "pgd".into(),
                parameters: serde_json::json!({ "steps": 20 }),
                goal: "untargeted".into(),
                gradients_per_image: 20,
                robust_accuracy: 0.0,
                broken: 1,
            }],
            clean_accuracy: 1.0,
            robust_accuracy: 0.0,
        };
        let image = ImageEvidence {
            id: 7,
            label: 3,
            clean_prediction: 3,
            clean_margin: 0.25,
            attacked_prediction: 1,
            attacked_margin: -0.5,
            broken_by: Some(BrokenBy { attack: "pgd".into(), restart: 0, step: 20 }),
            distance: 0.1,
            robust: false,
        };
        let adversarial = Adversarial { shape: [1, 1, 2], images: vec![0.0, 1.0], ids: vec![7], labels: vec![3] };
        (header, vec![image], adversarial)
    }

    #[test]
    fn evidence_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let (header, images, adversarial) = sample();
        write_evidence(folder.path(), &header, &images, &adversarial).unwrap();
        let evidence = Evidence::open(&Folder::open(folder.path()).unwrap()).unwrap();
        assert_eq!((&evidence.header, &evidence.images), (&header, &images));
        assert_eq!(evidence.adversarial().unwrap(), adversarial);
    }

    #[test]
    fn parts_that_disagree_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut header, mut images, adversarial) = sample();
        write_evidence(folder.path(), &header, &images, &adversarial).unwrap();
        images[0].id = 8;
        write_json_lines(&folder.path().join(IMAGES), &images).unwrap();
        let open = || Evidence::open(&Folder::open(folder.path()).unwrap());
        assert!(open().unwrap().adversarial().unwrap_err().to_string().contains("not those of"));
        header.images = 2;
        assert!(write_evidence(folder.path(), &header, &images, &adversarial).is_err());
        write_json(&folder.path().join(HEADER), &header).unwrap();
        assert!(open().unwrap_err().to_string().contains("1 entries, but the header speaks of 2"));
    }
}
