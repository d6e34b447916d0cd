//! `show`: the files of a result, and where it comes from.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::run::{Adoption, Provenance};

use super::listing::table;
use super::words;

/// The result of one instance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ResultView {
    /// The instance.
    pub instance: String,
    /// Its key.
    pub key: String,
    /// Whether this is what a run would use; otherwise it is an earlier result.
    pub fresh: bool,
    /// What it made.
    pub outputs: Vec<ArtifactView>,
    /// Where, when and by what.
    pub provenance: Provenance,
    /// The adopted results that it rests on now, itself included; by instance.
    pub adopted: BTreeMap<String, Adoption>,
}

/// One output.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ArtifactView {
    /// Its name.
    pub output: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Whether its files are all in the store.
    pub intact: bool,
    /// Its files, sorted by name.
    pub files: Vec<FileView>,
}

/// One file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FileView {
    /// Its name inside the artifact.
    pub name: String,
    /// The digest of its bytes.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// A result as text.
#[must_use]
pub fn artifact(view: &ResultView) -> String {
    let standing = if view.fresh { "" } else { " (an earlier result; a run would make another)" };
    let mut text = format!("{}{standing}\n  key {}\n", view.instance, view.key);
    for output in &view.outputs {
        let damaged = if output.intact { "" } else { " (removed or damaged)" };
        let _ = writeln!(text, "\noutput {}  {}{damaged}", output.output, output.digest);
        let row = |file: &FileView| [format!("  {}", file.name), words::size(file.size), file.digest.clone()];
        text.push_str(&table(&output.files.iter().map(row).collect::<Vec<_>>()));
    }
    text.push_str("\nprovenance\n");
    let mut rows = provenance(&view.provenance);
    rows.extend(view.adopted.iter().map(|(instance, adoption)| {
        let name = if *instance == view.instance { "  adopted".to_owned() } else { format!("  rests on adopted {instance}") };
        [name, words::adoption(adoption)]
    }));
    text.push_str(&table(&rows));
    text
}

/// A fact of more characters is cut; `--json` has all of it.
const LONGEST_FACT: usize = 160;

fn provenance(provenance: &Provenance) -> Vec<[String; 2]> {
    let mut rows = vec![
        ("made", format!("{} to {} ({})", provenance.started, provenance.ended, words::duration(provenance.seconds))),
        ("on", format!("{}, {}, {}", provenance.host, provenance.cpu, words::count(provenance.threads, "thread"))),
        ("by", format!("planish {}, build {}", provenance.planish, provenance.build)),
        ("run", provenance.run.clone()),
        ("log", provenance.log.display().to_string()),
    ];
    rows.extend(provenance.gpus.clone().map(|gpus| ("gpus", gpus)));
    let mut rows: Vec<[String; 2]> = rows.into_iter().map(|(name, value)| [format!("  {name}"), value]).collect();
    rows.extend(provenance.facts.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        [format!("  {name}"), words::beginning(&value, LONGEST_FACT)]
    }));
    rows
}
