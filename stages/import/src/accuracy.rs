//! Whether the model, as declared, is as good as it should be; and if not, which declaration would fit better.

use std::path::{Path, PathBuf};

use planish_contract::{Context, Failure};
use planish_formats::{ModelCheck, SCHEMA, Split};
use planish_onnx::Classifier;
use planish_onnx::proto::ModelProto;
use prost::Message;

use crate::declaration::{Channels, Declaration, Layout, Range};
use crate::parameters::ImportParameters;
use crate::wrap::{Known, wrap};

/// How many images other declarations are tried on.
const TRIED_ON: usize = 200;
/// Where no accuracy is expected, a model less accurate than this is tried with other declarations.
const DOUBTFUL: f64 = 0.75;
/// Standard errors within which an accuracy counts as another one.
const TOLERANCE: f64 = 3.0;

/// How accurate the model would be if it took something else.
struct Reading {
    takes: Declaration,
    accuracy: f64,
}

/// What the check needs.
pub(crate) struct Subject<'a> {
    pub(crate) parameters: &'a ImportParameters,
    /// The model as it came.
    pub(crate) original: &'a ModelProto,
    pub(crate) known: &'a Known,
    pub(crate) images: &'a Split,
    pub(crate) context: &'a Context<'a>,
}

/// Measures the accuracy on clean images.
///
/// # Errors
/// [`Failure::Input`] when it is not the one that `expect_accuracy` names, or no better than chance.
pub(crate) fn check(subject: &Subject<'_>, declared: &mut Classifier) -> Result<ModelCheck, Failure> {
    let images = subject.images;
    let accuracy = accuracy(declared, images)?;
    let (chance, n) = (chance(images), images.len());
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let (found, expected) = (percent(accuracy), subject.parameters.expect_accuracy);
    let complaint = match expected {
        Some(expected) if (accuracy - expected).abs() > margin(expected, n) => {
            Some(format!("{found} of {n} clean images are classified correctly, not {} as expected", percent(expected)))
        }
        // Of few images, mostly of one class, even a model that is right about all is within the margin.
        None if accuracy <= chance || (accuracy < 1.0 && accuracy <= chance + margin(chance, n)) => {
            Some(format!("{found} of {n} clean images are classified correctly, and naming one class always reaches {}", percent(chance)))
        }
        Some(_) | None => None,
    };
    let missing = missing_classes(declared.classes(), subject.known.classes.unwrap_or_default());
    let Some(complaint) = complaint else {
        let better = (expected.is_none() && accuracy < DOUBTFUL).then(|| better(accuracy, &readings(subject))).flatten();
        let doubt =
            better.map(|better| format!("only {found} of {n} clean images are classified correctly; what would fit better: {better}"));
        return Ok(ModelCheck { schema: SCHEMA, images: n, accuracy, chance, remarks: missing.into_iter().chain(doubt).collect() });
    };
    let advice = advice(accuracy, &readings(subject), expected.is_some());
    Err(match missing {
        None => Failure::input_hint(complaint, advice),
        Some(missing) => {
            let first = "where classes without images are the reason, name all of them in the model's order (`--classes`, or `classes` of the \
                         stage `images`), as a missing folder shifts the numbers of those after it";
            Failure::input_hint(format!("{complaint}; {missing}"), format!("{first}; else {advice}"))
        }
    })
}

/// That the model knows more classes than the data set has.
fn missing_classes(model: usize, data: usize) -> Option<String> {
    (model > data).then(|| format!("the model has {model} classes, the data set {data}"))
}

/// The readings that are clearly more accurate, if there are any.
fn better(accuracy: f64, readings: &[Reading]) -> Option<String> {
    let better: Vec<String> = readings
        .iter()
        .filter(|reading| reading.accuracy > accuracy + margin(accuracy, TRIED_ON))
        .take(3)
        .map(|reading| format!("{} (then {:.1} %)", reading.takes, 100.0 * reading.accuracy))
        .collect();
    (!better.is_empty()).then(|| better.join("; "))
}

/// What to do about a wrong accuracy.
fn advice(accuracy: f64, readings: &[Reading], expected: bool) -> String {
    if let Some(better) = better(accuracy, readings) {
        return format!("declare what the model takes; these fit better: {better}");
    }
    let tried = format!("none of {} other ranges, normalisations and layouts fits better", readings.len());
    let accept = if expected { "" } else { "; `--expect-accuracy` with this value attacks the model as it is" };
    format!("{tried}: check the labels, the order of the classes and the normalisation{accept}")
}

/// Three standard errors of a share over `n` images, and half a point.
fn margin(share: f64, n: usize) -> f64 {
    TOLERANCE * (share * (1.0 - share) / n.max(1) as f64).sqrt() + 0.005
}

/// The share of the most frequent class.
fn chance(images: &Split) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for label in &images.labels {
        *counts.entry(label).or_insert(0_usize) += 1;
    }
    counts.values().copied().max().unwrap_or_default() as f64 / images.len().max(1) as f64
}

fn accuracy(model: &mut Classifier, images: &Split) -> Result<f64, Failure> {
    const BATCH: usize = 64;
    let classes = model.classes();
    let mut right = 0_usize;
    for first in (0..images.len()).step_by(BATCH) {
        let last = (first + BATCH).min(images.len());
        let logits = model.logits(&images.pixels(first..last))?;
        let labels = images.labels.get(first..last).unwrap_or_default();
        right += logits.chunks(classes.max(1)).zip(labels).filter(|(row, label)| is_right(row, **label)).count();
    }
    Ok(right as f64 / images.len().max(1) as f64)
}

/// Whether the logit of the label is strictly the largest.
fn is_right(row: &[f32], label: u32) -> bool {
    let own = row.get(label as usize).copied().unwrap_or(f32::NEG_INFINITY);
    row.iter().zip(0_u32..).all(|(&logit, class)| class == label || logit < own)
}

/// The usual declarations other than the given one, the most accurate first. What does not run is left out.
fn readings(subject: &Subject<'_>) -> Vec<Reading> {
    let images = subject.images.first(TRIED_ON);
    let path = subject.context.checkpoints.join("other-declaration.onnx");
    let mut readings: Vec<Reading> = candidates(subject)
        .into_iter()
        .filter_map(|takes| {
            let accuracy = try_one(subject, &takes, (&images, &path)).ok()?;
            Some(Reading { takes, accuracy })
        })
        .collect();
    drop(std::fs::remove_file(&path));
    readings.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy));
    readings
}

fn try_one(subject: &Subject<'_>, takes: &Declaration, (images, path): (&Split, &PathBuf)) -> Result<f64, Failure> {
    let wrapped = wrap(subject.original.clone(), takes, subject.parameters.output.as_deref(), subject.known)?;
    write(path, &wrapped)?;
    accuracy(&mut Classifier::open(path, subject.context.threads)?, images)
}

/// Writes a model file.
pub(crate) fn write(path: &Path, model: &ModelProto) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::io(folder, e))?;
    }
    std::fs::write(path, model.encode_to_vec()).map_err(|e| Failure::io(path, e))
}

/// Ranges, usual normalisations (ImageNet's; CIFAR-10's; halves), both orders of colours, both layouts where shapes allow them.
fn candidates(subject: &Subject<'_>) -> Vec<Declaration> {
    let declared = &subject.parameters.takes;
    let [channels, height, width] = subject.images.shape;
    let mut found = Vec::new();
    let colour: &[(&[f64], &[f64])] =
        &[(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]), (&[0.4914, 0.4822, 0.4465], &[0.2471, 0.2435, 0.2616])];
    let normalisations = [(&[] as &[f64], &[] as &[f64])].into_iter().chain(colour.iter().copied().filter(|_| channels == 3));
    let unit: Vec<Declaration> = normalisations
        .map(|(mean, std)| Declaration { layout: declared.layout, mean: mean.to_vec(), std: std.to_vec(), ..Declaration::default() })
        .collect();
    found.extend(unit);
    found.extend([Range::Bytes, Range::Symmetric].map(|range| Declaration { layout: declared.layout, range, ..Declaration::default() }));
    let per_image = |takes: &Declaration| Declaration { mean: vec![], std: vec![], ..takes.clone() };
    found.push(per_image(declared));
    if channels == 3 {
        let bgr = found.iter().cloned().map(|takes| Declaration { channels: Channels::Bgr, ..takes });
        let bgr: Vec<Declaration> = bgr.chain([Declaration { channels: Channels::Bgr, ..declared.clone() }]).collect();
        found.extend(bgr);
    }
    // Both layouts fit only where an image's three sizes are the same read either way.
    if channels == height && height == width {
        let other = if declared.layout == Some(Layout::Nhwc) { Layout::Nchw } else { Layout::Nhwc };
        found.extend(found.clone().into_iter().map(|takes| Declaration { layout: Some(other), ..takes }));
    }
    let mut unique: Vec<Declaration> = Vec::new();
    for takes in found {
        if takes != *declared && !unique.contains(&takes) {
            unique.push(takes);
        }
    }
    unique
}
