//! Where a data set comes from: the first place that has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use planish_contract::{Context, Failure};
use planish_formats::{Source, Split, SplitName};

use crate::dataset::{Checksum, Dataset, OfficialFile, Sizes};
use crate::download::Downloader;
use crate::locate::{self, Found, wanted};
use crate::selection::select;
use crate::{Execution, official};

/// The name under which a pipeline gives a copy of the data set: `files.source`.
const SOURCE: &str = "source";

/// What surrounds the process; read once, so that tests can give their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The folder that `PLANISH_DATA` names.
    pub(crate) data_folder: Option<PathBuf>,
    /// The user's cache folder.
    pub(crate) cache_folder: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        let folder = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        let cache = folder("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        Surroundings { data_folder: folder("PLANISH_DATA"), cache_folder: cache.or_else(|| folder("HOME").map(|home| home.join(".cache"))) }
    }
}

/// A selection with what it was made of.
pub(crate) struct Obtained {
    /// The splits.
    pub(crate) splits: BTreeMap<SplitName, Split>,
    /// The official files.
    pub(crate) sources: Vec<Source>,
    /// Where it came from, in words; for people.
    pub(crate) origin: String,
}

/// Gets a selection from the first of: `files.source`, `execution.data_dir`, `PLANISH_DATA`, the program itself,
/// the cache folder, the official address. All give the same images.
///
/// # Errors
/// [`Failure::Input`] when a copy is incomplete or not the official one, or when none can be had; [`Failure::Stopped`].
pub(crate) fn obtain(
    dataset: &dyn Dataset,
    sizes: Sizes,
    execution: &Execution,
    context: &Context,
    surroundings: &Surroundings,
) -> Result<Obtained, Failure> {
    if let Some(found) = copy_at_hand(dataset, execution, context, surroundings)? {
        return from_copy(dataset, sizes, &found, context);
    }
    if let Some(embedded) = dataset.embedded().filter(|embedded| embedded.sizes.contain(sizes)) {
        let facts = dataset.facts();
        let whole = embedded.unpack(facts.shape)?;
        return Ok(Obtained { splits: first(&whole, sizes), sources: pinned_sources(dataset), origin: "the program itself".to_owned() });
    }
    let found = cached_or_downloaded(dataset, execution, context, surroundings)?;
    from_copy(dataset, sizes, &found, context)
}

fn copy_at_hand(
    dataset: &dyn Dataset,
    execution: &Execution,
    context: &Context,
    surroundings: &Surroundings,
) -> Result<Option<Found>, Failure> {
    if let Some(unknown) = context.files.keys().find(|name| *name != SOURCE) {
        return Err(Failure::input_hint(format!("`files.{unknown}` means nothing to the data stage"), "it reads `files.source`"));
    }
    if let Some(files) = context.files.get(SOURCE) {
        return locate::among(files, dataset.facts()).map(Some);
    }
    for folder in [&execution.data_dir, &surroundings.data_folder].into_iter().flatten() {
        if let Some(found) = locate::in_folder(folder, dataset.facts())? {
            return Ok(Some(found));
        }
        context.host.log(&format!("no copy of {} in {}", dataset.facts().name, folder.display()));
    }
    Ok(None)
}

fn cached_or_downloaded(
    dataset: &dyn Dataset,
    execution: &Execution,
    context: &Context,
    surroundings: &Surroundings,
) -> Result<Found, Failure> {
    let facts = dataset.facts();
    let hint = || format!("put {} into a folder and name it with --data-dir, PLANISH_DATA or `files.source`", wanted(facts));
    let Some(cache) = &surroundings.cache_folder else {
        let message =
            format!("no copy of {} was given, and neither XDG_CACHE_HOME nor HOME says where to keep a downloaded one", facts.name);
        return Err(Failure::input_hint(message, hint()));
    };
    let folder = cache.join("planish").join("data").join(facts.name);
    if execution.download {
        let downloader = Downloader::new(context.host, &folder);
        for download in facts.publication.downloads() {
            downloader.fetch(download).map_err(|failure| with_hint(failure, &hint()))?;
        }
    }
    let found = if folder.is_dir() { locate::in_folder(&folder, facts)? } else { None };
    found.ok_or_else(|| Failure::input_hint(format!("no copy of {} was found, and `execution.download` is false", facts.name), hint()))
}

fn with_hint(failure: Failure, hint: &str) -> Failure {
    match failure {
        Failure::Input { message, hint: None } => Failure::input_hint(message, hint),
        other => other,
    }
}

fn from_copy(dataset: &dyn Dataset, sizes: Sizes, found: &Found, context: &Context) -> Result<Obtained, Failure> {
    let facts = dataset.facts();
    let origin = match found {
        Found::Archive(path) => path.display().to_string(),
        Found::Files(paths) => paths.first().and_then(|path| path.parent()).unwrap_or(Path::new("")).display().to_string(),
    };
    context.host.log(&format!("reading {} from {origin}", facts.name));
    let contents = official::read(facts, found)?;
    context.check_stopped()?;
    let decoded = dataset.decode(&contents.files).map_err(|malformed| Failure::input(format!("{origin}: {malformed}")))?;
    Ok(Obtained { splits: select(facts.name, &decoded, sizes), sources: contents.sources, origin })
}

/// The prefixes of the given sizes.
fn first(whole: &BTreeMap<SplitName, Split>, sizes: Sizes) -> BTreeMap<SplitName, Split> {
    let size = |name| match name {
        SplitName::Train => sizes.train,
        SplitName::Validation => sizes.validation,
        SplitName::Test => sizes.test,
    };
    whole.iter().map(|(&name, split)| (name, split.first(size(name)))).collect()
}

/// The official files that an embedded selection was taken from; all of them have a pinned SHA-256.
fn pinned_sources(dataset: &dyn Dataset) -> Vec<Source> {
    let source = |file: &OfficialFile| match file.checksum {
        Checksum::Sha256(sha256) => Some(Source { name: file.name.to_owned(), sha256: sha256.to_owned() }),
        Checksum::Md5(_) => None,
    };
    dataset.facts().files.iter().filter_map(source).collect()
}

#[cfg(test)]
mod tests;
