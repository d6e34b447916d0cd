//! The stage kind `images`.

use std::collections::BTreeMap;
use std::path::Path;

use planish_contract::{Context, Failure, Interface, Invalid, Stage};
use planish_formats::{DataSetInfo, SCHEMA, Source, Split, SplitName, kinds, write_data_set};
use sha2::{Digest, Sha256};

use crate::parameters::ImagesParameters;
use crate::pool::Found;
use crate::selection::{Selection, select};
use crate::{arrays, folder};

/// The name of the output folder.
const OUTPUT: &str = "data";

/// Reads one's own images, checks them and writes them as a data set.
#[derive(Clone, Copy, Debug)]
pub struct ImagesStage;

impl Stage for ImagesStage {
    type Parameters = ImagesParameters;
    type Execution = planish_contract::NoExecution;

    const NAME: &'static str = "images";
    const PACKAGE: &'static str = env!("CARGO_PKG_NAME");

    fn interface(_: &ImagesParameters) -> Interface {
        Interface::of(&[], &[(OUTPUT, kinds::DATA_SET)])
    }

    fn validate(parameters: &ImagesParameters) -> Result<(), Invalid> {
        parameters.check()
    }

    fn run(parameters: &ImagesParameters, _: &planish_contract::NoExecution, context: &Context) -> Result<(), Failure> {
        let found = find(parameters, context)?;
        arrays::tell_rounding(&found, context);
        let splits = decode(&found, &select(&found, parameters)?, parameters, context)?;
        let reference = splits.get(&SplitName::Train).or_else(|| splits.values().next());
        let Some(reference) = reference else { return Err(Failure::input("there are no images")) };
        let (mean, std) = moments(reference);
        let info = DataSetInfo {
            schema: SCHEMA,
            name: parameters.name.clone().unwrap_or_else(|| "images".to_owned()),
            classes: found.classes,
            shape: reference.shape,
            mean,
            std,
            splits: splits.iter().map(|(name, split)| (name.as_str().to_owned(), split.len())).collect(),
            sources: sources(context)?,
        };
        context.check_stopped()?;
        write_data_set(&context.output(OUTPUT), &info, &splits)
    }
}

fn find(parameters: &ImagesParameters, context: &Context) -> Result<Found, Failure> {
    const HINT: &str =
        "files.source = \"FOLDER\", \"images.safetensors\" or \"images.npz\"; or files.images and files.labels, two .npy files";
    match (context.files.get("source"), context.files.get("images"), context.files.get("labels")) {
        (Some(source), None, None) => {
            let mut files = source.files();
            match (files.next(), files.next()) {
                (Some((name, path)), None) if !name.contains('/') => arrays::in_file(name, path, parameters),
                _ => folder::find(source, parameters),
            }
        }
        (None, Some(images), Some(labels)) => arrays::in_pair(images, labels, parameters),
        _ => Err(Failure::input_hint("the stage needs its images as `files.source`, or as `files.images` and `files.labels`", HINT)),
    }
}

fn decode(
    found: &Found,
    selection: &Selection,
    parameters: &ImagesParameters,
    context: &Context,
) -> Result<BTreeMap<SplitName, Split>, Failure> {
    let mut splits: BTreeMap<SplitName, Split> = BTreeMap::new();
    for (&name, (training, ids)) in selection {
        let pool = found.train.as_ref().filter(|_| *training).unwrap_or(&found.test);
        let (shape, images) = pool.decode(ids, parameters.size, context)?;
        let labels = ids.iter().filter_map(|&id| pool.labels.get(id as usize).copied()).collect();
        if let Some((other, split)) = splits.iter().find(|(_, split)| split.shape != shape) {
            let message = format!("{name} images have shape {shape:?}, {other} images {:?}", split.shape);
            return Err(Failure::input_hint(message, "bring all images to one size and one kind of colour"));
        }
        splits.insert(name, Split { shape, images: images.into(), labels, ids: ids.clone() });
    }
    Ok(splits)
}

/// Mean and standard deviation of each channel, images in `[0,1]`.
fn moments(split: &Split) -> (Vec<f64>, Vec<f64>) {
    let area = (split.shape[1] * split.shape[2]).max(1);
    let channels = split.shape[0];
    let (mut sums, mut squares) = (vec![0_u64; channels], vec![0_u64; channels]);
    for (plane, values) in split.images.chunks_exact(area).enumerate() {
        let channel = plane % channels.max(1);
        if let (Some(sum), Some(square)) = (sums.get_mut(channel), squares.get_mut(channel)) {
            *sum += values.iter().map(|&value| u64::from(value)).sum::<u64>();
            *square += values.iter().map(|&value| u64::from(value) * u64::from(value)).sum::<u64>();
        }
    }
    let count = (split.len() * area).max(1) as f64;
    let mean: Vec<f64> = sums.iter().map(|&sum| sum as f64 / count / 255.0).collect();
    let deviation = |(&square, mean): (&u64, &f64)| (square as f64 / count / (255.0 * 255.0) - mean * mean).max(0.0).sqrt();
    // A channel that never changes needs no scaling.
    let std = squares.iter().zip(&mean).map(deviation).map(|std| if std < 1e-6 { 1.0 } else { std }).collect();
    (mean, std)
}

/// A checksum for each file; one over all of them for a folder.
fn sources(context: &Context) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for (entry, folder) in &context.files {
        let files: Vec<(&str, &Path)> = folder.files().collect();
        if let [(name, path)] = files.as_slice() {
            sources.push(Source { name: (*name).to_owned(), sha256: checksum(path)? });
            continue;
        }
        let mut hasher = Sha256::new();
        for (name, path) in files {
            hasher.update(format!("{}  {name}\n", checksum(path)?));
        }
        sources.push(Source { name: entry.clone(), sha256: format!("{:x}", hasher.finalize()) });
    }
    Ok(sources)
}

fn checksum(path: &Path) -> Result<String, Failure> {
    let mut file = std::fs::File::open(path).map_err(|e| Failure::io(path, e))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(|e| Failure::io(path, e))?;
    Ok(format!("{:x}", hasher.finalize()))
}

#[cfg(test)]
mod tests;
