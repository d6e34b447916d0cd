//! The stage kind `images`.

use std::path::Path;

use planish_contract::{Context, Failure, Interface, Invalid, Stage};
use planish_formats::{DataSetInfo, SCHEMA, SHARD_BYTES, Source, kinds, write_info};
use sha2::{Digest, Sha256};

use crate::decoder::Decoder;
use crate::pack::Packer;
use crate::parameters::ImagesParameters;
use crate::pool::Found;
use crate::selection::select;
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
        write(parameters, context, SHARD_BYTES)
    }
}

/// Writes the data set; files of images have at most `shard_bytes` bytes of them.
fn write(parameters: &ImagesParameters, context: &Context, shard_bytes: usize) -> Result<(), Failure> {
    let found = find(parameters, context)?;
    arrays::tell_rounding(&found, context);
    let selection = select(&found, parameters)?;
    let decoder = Decoder::new(&found, &selection, parameters, context)?;
    let output = context.output(OUTPUT);
    let packer = Packer { found: &found, decoder: &decoder, context, shard_bytes };
    let made = packer.pack(&selection, &output)?;
    let (mean, std) = made.moments.mean_and_std();
    let info = DataSetInfo {
        schema: SCHEMA,
        name: parameters.name.clone().unwrap_or_else(|| "images".to_owned()),
        classes: found.classes.clone(),
        shape: decoder.shape,
        mean,
        std,
        splits: selection.iter().map(|(name, (_, ids))| (name.to_string(), ids.len())).collect(),
        shards: made.shards,
        sources: sources(context, &decoder)?,
    };
    context.check_stopped()?;
    write_info(&output, info)
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

/// A checksum for each file; one over all of them for a folder.
fn sources(context: &Context, decoder: &Decoder) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for (entry, folder) in &context.files {
        let files: Vec<(&str, &Path)> = folder.files().collect();
        let checksums = decoder.each(&files, |(_, path)| {
            context.check_stopped()?;
            checksum(path)
        })?;
        if let ([(name, _)], [sha256]) = (files.as_slice(), checksums.as_slice()) {
            sources.push(Source { name: (*name).to_owned(), sha256: sha256.clone() });
            continue;
        }
        let mut hasher = Sha256::new();
        for ((name, _), checksum) in files.iter().zip(&checksums) {
            hasher.update(format!("{checksum}  {name}\n"));
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
