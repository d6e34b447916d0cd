//! What a worker does with its job: lock, look again, run the stage, store what it made.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use planish_cache::{Digest, ENTRY_VERSION, Entry, KeyLock, Published, Scratch, Store};
use planish_contract::{AnyStage, Context, Failure, Folder, Gathered, Host, Input, panic_message};
use serde::Deserialize;

use crate::command::{self, CommandParameters};
use crate::fingerprint::BUILD_ID;
use crate::spec::Kinds;

use super::event::{Event, Failed, Finished};
use super::host::WorkerHost;
use super::job::{Job, JobInput};
use super::memo::StageHost;
use super::program::{self, Program};
use super::provenance::Provenance;
use super::sources::Sources;
use super::{ending, orphans, workplace};

/// How often a worker looks whether the other run has finished.
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Refuses the job of an engine that is another build.
///
/// # Errors
/// Then nothing may be done for it.
pub(super) fn check_build(job: &Job) -> Result<(), Failed> {
    if job.build_id == BUILD_ID {
        return Ok(());
    }
    let message = "planish was rebuilt while the run went on: this worker is another build than its engine";
    Err(Failed::stage(message).hint("run again with the new build"))
}

/// Does `job` and publishes its result.
///
/// # Errors
/// Why there is no result; then nothing was published.
#[cfg(test)]
pub(super) fn perform(job: &Job, kinds: &dyn Kinds, host: &WorkerHost) -> Result<Finished, Failed> {
    check_build(job)?;
    let mut place = Place { store: &Store::open(&job.store)?, scratch: &mut None };
    perform_in(&mut place, job, kinds, host)
}

/// Where a job is done.
pub(super) struct Place<'a> {
    /// Its store.
    pub(super) store: &'a Store,
    /// The folder that the worker used before, and may use again.
    pub(super) scratch: &'a mut Option<Scratch>,
}

/// Does `job` in its store, which is open, and publishes its result.
///
/// # Errors
/// Why there is no result; then nothing was published.
pub(super) fn perform_in(place: &mut Place<'_>, job: &Job, kinds: &dyn Kinds, host: &WorkerHost) -> Result<Finished, Failed> {
    let store = place.store;
    let _lock = lock(store, job, host)?;
    if !job.force
        && let Some(entry) = store.get(&job.key)?
    {
        let note = Some("another run made the result in the meantime".to_owned());
        return Ok(Finished { outputs: entry.outputs, ran: false, seconds: 0.0, note });
    }
    let (sources, files) = Sources::begin(job, store, &|| host.stopped())?;
    let scratch = workplace::prepare(place.scratch.take(), job, store)?;
    let outcome = make((&sources, files), kinds, host, (store, scratch.path()));
    *place.scratch = Some(scratch).filter(|_| job.may_share_worker()).and_then(|scratch| workplace::tidied(scratch, job));
    outcome
}

/// Makes the result in a folder, and publishes it.
fn make(
    (sources, files): (&Sources<'_>, BTreeMap<String, Folder>),
    kinds: &dyn Kinds,
    host: &WorkerHost,
    (store, scratch): (&Store, &Path),
) -> Result<Finished, Failed> {
    let job = sources.job;
    let inputs = open_inputs(job, store)?;
    let stage_host = stage_host(job, kinds, store, host, &inputs)?;
    let context = context((job, store), inputs, files, scratch, &stage_host)?;
    store.settle()?;
    let (started, clock) = (SystemTime::now(), Instant::now());
    let ended = run_stage(job, kinds, scratch, &context);
    // What a stage that failed or was stopped put into the memo saves the next try as much.
    stage_host.finish();
    ended?;
    if let Err(spoiled) = sources.end(&context.files) {
        // Checkpoints hold what the stage made of what it read.
        store.remove_checkpoints(&job.key)?;
        return Err(spoiled);
    }
    let seconds = clock.elapsed().as_secs_f64();
    let provenance = Provenance::of(job, started, seconds, host.facts());
    let finished = publish(job, store, &context.outputs, &provenance)?;
    store.remove_checkpoints(&job.key)?;
    Ok(finished)
}

/// Waits until no other run makes the same result.
fn lock(store: &Store, job: &Job, host: &WorkerHost) -> Result<KeyLock, Failed> {
    let mut told = false;
    loop {
        if let Some(lock) = store.try_lock(&job.key)? {
            if told {
                host.tell(&Event::Working);
            }
            return Ok(lock);
        }
        if host.stopped() {
            return Err(Failure::Stopped.into());
        }
        if !told {
            host.tell(&Event::Waiting);
            told = true;
        }
        std::thread::sleep(LOCK_INTERVAL);
    }
}

fn open_inputs(job: &Job, store: &Store) -> Result<BTreeMap<String, Input>, Failed> {
    job.inputs.iter().map(|(name, input)| Ok((name.clone(), open_input(store, name, input)?))).collect()
}

/// The host of the job's stage, with the memo that its sub-results are kept in.
fn stage_host<'a>(
    job: &'a Job,
    kinds: &dyn Kinds,
    store: &'a Store,
    host: &'a WorkerHost,
    inputs: &BTreeMap<String, Input>,
) -> Result<StageHost<'a>, Failed> {
    let package = kinds.get(&job.kind).map_or("", AnyStage::package);
    let mut members = Vec::new();
    for input in inputs.values() {
        let folders: Vec<&Folder> = match input {
            Input::One(folder) => vec![folder],
            Input::Gather(list) => list.iter().filter_map(|gathered| gathered.folder.as_ref()).collect(),
        };
        for folder in folders.into_iter().filter(|folder| folder.has(Context::MEMBERS_FILE)) {
            members.extend(Context::read_members(folder.file(Context::MEMBERS_FILE)?)?);
        }
    }
    Ok(StageHost::new(host, job.memo.then(|| store.parts()), package, members))
}

fn context<'h>(
    (job, store): (&Job, &Store),
    inputs: BTreeMap<String, Input>,
    files: BTreeMap<String, Folder>,
    scratch: &Path,
    host: &'h dyn Host,
) -> Result<Context<'h>, Failed> {
    let outputs = scratch.join("outputs");
    for name in &job.outputs {
        let folder = outputs.join(name);
        std::fs::create_dir_all(&folder).map_err(|e| Failure::io(&folder, e))?;
    }
    // A program is told of no checkpoints, so it needs no folder that outlives it.
    let checkpoints = if job.kind == command::NAME { scratch.join("checkpoints") } else { store.checkpoints(&job.key)? };
    Ok(Context { inputs, files, outputs, checkpoints, threads: job.threads, host })
}

fn open_input(store: &Store, name: &str, input: &JobInput) -> Result<Input, Failed> {
    match input {
        JobInput::One(digest) => Ok(Input::One(open_artifact(store, name, digest)?)),
        JobInput::Gather(list) => {
            let open = |(coordinates, digest): &(_, Option<Digest>)| {
                let folder = digest.as_ref().map(|digest| open_artifact(store, name, digest)).transpose()?;
                Ok(Gathered { coordinates: Clone::clone(coordinates), folder })
            };
            Ok(Input::Gather(list.iter().map(open).collect::<Result<_, Failed>>()?))
        }
    }
}

/// The files of an artifact, where the store has them.
///
/// # Errors
/// A store that fails, or that lost the artifact.
pub fn open_artifact(store: &Store, name: &str, digest: &Digest) -> Result<Folder, Failed> {
    let lost = || Failed::stage(format!("the artifact for `{name}` was removed or damaged")).hint("run again: it is made anew");
    Ok(Folder::new(store.folder(digest)?.ok_or_else(lost)?))
}

fn run_stage(job: &Job, kinds: &dyn Kinds, scratch: &Path, context: &Context<'_>) -> Result<(), Failed> {
    if job.kind == command::NAME {
        return run_program(job, scratch, context);
    }
    let stage = kinds.get(&job.kind).ok_or_else(|| Failed::internal(format!("this worker knows no stage kind `{}`", job.kind)))?;
    // A stage that panics leaves files in its scratch folder and nothing else behind.
    match catch_unwind(AssertUnwindSafe(|| stage.run(&job.parts.parameters, &job.execution, context))) {
        Ok(result) => Ok(result?),
        Err(payload) => {
            let message = format!("the stage panicked: {}", panic_message(payload.as_ref()).unwrap_or("no message"));
            let failed = Failed::stage(message);
            Err(match ending::hint_of_panic(&failed.message) {
                Some(hint) => failed.hint(hint),
                None => failed.hint("a mistake in the stage's code; its log has the place").transient(),
            })
        }
    }
}

fn run_program(job: &Job, scratch: &Path, context: &Context<'_>) -> Result<(), Failed> {
    let parameters = CommandParameters::deserialize(&job.parts.parameters).map_err(|e| Failed::internal(e.to_string()))?;
    let single_files: BTreeSet<String> = job.files.iter().filter(|(_, files)| files.single).map(|(name, _)| name.clone()).collect();
    let program = Program {
        command: &parameters.command,
        environment: &parameters.environment,
        single_files: &single_files,
        outputs: &job.outputs,
        sandbox: &scratch.join("sandbox"),
        log: &job.log,
    };
    program::run(program, context)
}

/// Stores what the stage made.
fn publish(job: &Job, store: &Store, outputs: &Path, provenance: &Provenance) -> Result<Finished, Failed> {
    let mut digests = BTreeMap::new();
    for name in &job.outputs {
        digests.insert(name.clone(), ingest(job, store, &outputs.join(name), name)?);
    }
    let unwritable = |e: serde_json::Error| Failed::internal(format!("the result's record does not serialise: {e}"));
    let entry = Entry {
        version: ENTRY_VERSION,
        key: job.key,
        kind: job.kind.clone(),
        instance: job.instance.clone(),
        parts: serde_json::to_value(&job.parts).map_err(unwritable)?,
        outputs: digests,
        provenance: serde_json::to_value(provenance).map_err(unwritable)?,
        superseded: None,
    };
    let (outputs, note) = match store.publish(&entry)? {
        Published::New => (entry.outputs, None),
        Published::Superseded(_) => (entry.outputs, Some("the result differs from the lost one that it replaces".to_owned())),
        Published::Existing(first) => {
            let differs = first.outputs != entry.outputs;
            let note = differs.then(|| "the result differs from the one in the store; the first one stands".to_owned());
            (first.outputs, note)
        }
    };
    Ok(Finished { outputs, ran: true, seconds: provenance.seconds, note })
}

fn ingest(job: &Job, store: &Store, folder: &Path, name: &str) -> Result<Digest, Failed> {
    let hint = "every declared output must hold at least one file when the stage ends";
    if !folder.is_dir() {
        return Err(Failed::stage(format!("the stage left no folder for its output `{name}`")).hint(hint));
    }
    // Where nobody is left who could write to the files, the store may have them as they are. A stage of ours that has returned keeps no
    // file open, and a data set can have hundreds of gigabytes.
    let alone = !job.is_program() || (job.may_share_worker() && !orphans::any());
    let (digest, tree) = if alone { store.take_folder(folder)? } else { store.ingest_folder(folder)? };
    if tree.files.is_empty() {
        return Err(Failed::stage(format!("the stage wrote nothing to its output `{name}`")).hint(hint));
    }
    Ok(digest)
}
