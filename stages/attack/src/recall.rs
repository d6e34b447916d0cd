//! Trials of earlier runs: more restarts, attacks or images cost only what is new.

use planish_contract::{Host, Memo};

use crate::bench::{Bench, Trial};
use crate::choice::Named;
use crate::evaluate::Setting;
use crate::judge::{Candidate, Judge};

/// What the memo calls a trial, and the version of its bytes.
const PURPOSE: &str = "trial of an attack 1";

/// What the trials of an attack depend on, besides the image and the restart.
pub(crate) struct Words {
    members: Vec<&'static str>,
    words: Vec<Vec<u8>>,
}

impl Words {
    /// `None` when the setting keeps no sub-results.
    pub(crate) fn new(named: &Named, judge: &Judge<'_>, setting: &Setting<'_>) -> Option<Self> {
        let mut words = setting.identity.clone()?;
        // The number of restarts is not part of it: each restart is a trial of its own.
        let mut parameters = named.parameters.clone();
        if let Some(parameters) = parameters.as_object_mut() {
            parameters.remove("restarts");
        }
        words.push(parameters.to_string().into_bytes());
        words.push(judge.ball.norm.as_str().as_bytes().to_vec());
        words.push(judge.eps.to_le_bytes().to_vec());
        words.push(setting.seed.to_le_bytes().to_vec());
        Some(Words { members: vec![named.member], words })
    }
}

/// The memo for one restart of an attack on a part of the images.
pub(crate) struct Recall<'a> {
    words: Option<&'a Words>,
    /// Digest of pixels, label and target, and id, of each image.
    images: Vec<[u8; 44]>,
    restart: [u8; 4],
    pixels: usize,
    host: &'a dyn Host,
}

impl<'a> Recall<'a> {
    pub(crate) fn new(words: Option<&'a Words>, (bench, restart): (&Bench, u32), host: &'a dyn Host) -> Self {
        let images = if words.is_some() { (0..bench.len()).map(|row| image_word(bench, row)).collect() } else { Vec::new() };
        let pixels = if bench.is_empty() { 0 } else { bench.original(0).len() };
        Recall { words, images, restart: restart.to_le_bytes(), pixels, host }
    }

    pub(crate) fn find(&self, row: usize) -> Option<Trial> {
        self.with(row, |memo, words| memo.get(words)).flatten().and_then(|bytes| decode(&bytes, self.pixels))
    }

    pub(crate) fn keep(&self, row: usize, trial: &Trial) {
        self.with(row, |memo, words| memo.put(words, encode(trial)));
    }

    fn with<T>(&self, row: usize, act: impl FnOnce(Memo<'_>, &[&[u8]]) -> T) -> Option<T> {
        let (words, image) = self.words.zip(self.images.get(row))?;
        let mut key: Vec<&[u8]> = words.words.iter().map(Vec::as_slice).collect();
        key.extend([image.as_slice(), &self.restart]);
        Some(act(Memo::new(self.host, PURPOSE, &words.members), &key))
    }
}

fn image_word(bench: &Bench, row: usize) -> [u8; 44] {
    let mut hasher = blake3::Hasher::new();
    for value in bench.original(row) {
        hasher.update(&value.to_le_bytes());
    }
    let case = bench.case(row);
    let (id, label, target) = case.map_or((0, 0, None), |case| (case.id, case.label, case.target));
    let mut word = [0; 44];
    word[..32].copy_from_slice(hasher.finalize().as_bytes());
    word[32..36].copy_from_slice(&id.to_le_bytes());
    word[36..40].copy_from_slice(&label.to_le_bytes());
    word[40..].copy_from_slice(&target.unwrap_or(u32::MAX).to_le_bytes());
    word
}

/// The trial's numbers, little endian, and the candidate's pixels.
fn encode(trial: &Trial) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(trial.gradients.to_le_bytes());
    bytes.extend(trial.queries.to_le_bytes());
    if let Some(best) = &trial.best {
        bytes.extend(best.margin.to_le_bytes());
        bytes.extend(best.distance.to_le_bytes());
        bytes.extend(best.shortfall.to_le_bytes());
        bytes.extend(best.step.to_le_bytes());
        bytes.extend(best.prediction.to_le_bytes());
        best.image.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    }
    bytes
}

fn decode(bytes: &[u8], pixels: usize) -> Option<Trial> {
    let (gradients, bytes) = bytes.split_first_chunk()?;
    let (queries, bytes) = bytes.split_first_chunk()?;
    let best = if bytes.is_empty() { None } else { Some(candidate(bytes, pixels)?) };
    Some(Trial { best, gradients: u64::from_le_bytes(*gradients), queries: u64::from_le_bytes(*queries) })
}

fn candidate(bytes: &[u8], pixels: usize) -> Option<Candidate> {
    let (margin, bytes) = bytes.split_first_chunk()?;
    let (distance, bytes) = bytes.split_first_chunk()?;
    let (shortfall, bytes) = bytes.split_first_chunk()?;
    let (step, bytes) = bytes.split_first_chunk()?;
    let (prediction, bytes) = bytes.split_first_chunk()?;
    let (values, rest) = bytes.as_chunks();
    (values.len() == pixels && rest.is_empty()).then(|| Candidate {
        image: values.iter().map(|value| f32::from_le_bytes(*value)).collect(),
        step: u32::from_le_bytes(*step),
        margin: f64::from_le_bytes(*margin),
        prediction: u32::from_le_bytes(*prediction),
        distance: f64::from_le_bytes(*distance),
        shortfall: f64::from_le_bytes(*shortfall),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_read_back_and_damage_is_absence() {
        let best = Candidate { image: vec![0.5, 0.25], step: 3, margin: -0.5, prediction: 7, distance: 0.1, shortfall: 0.0 };
        for best in [None, Some(best)] {
            let trial = Trial { best, gradients: 100, queries: 7 };
            let bytes = encode(&trial);
            assert_eq!(decode(&bytes, 2), Some(trial));
            assert_eq!(decode(&bytes[..bytes.len() - 1], 2), None);
        }
        assert_eq!(decode(&[0; 20], 2), None);
    }
}
