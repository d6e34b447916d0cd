//! States that survive a killed run: two slots, written in turn, each complete and verified or not there.
//!
//! A slot is `slot-N.safetensors` and, written after it, `slot-N.json`, which names the digest of the first and of itself. Both are
//! renamed into place, and the slot that holds the newest good state is never the one that is overwritten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use planish_contract::Failure;
use planish_formats::{read_json, read_tensors, write_json, write_tensors};
use planish_nn::{Architecture, Device};
use serde::{Deserialize, Serialize};

use crate::state::{Progress, State};

const SCHEMA: u32 = 1;

/// The two slots of one training.
pub(crate) struct Slots<'a> {
    folder: PathBuf,
    identity: String,
    architecture: &'a Architecture,
    next: usize,
}

/// The text part of a slot.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: u32,
    /// What training it is: see [`Slots::open`].
    identity: String,
    /// blake3 of the tensor file.
    tensors: String,
    progress: Progress,
}

/// A header and the blake3 of its compact JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    digest: String,
    header: Header,
}

impl<'a> Slots<'a> {
    /// The slots in `folder` of the training that `identity` describes (parameters, data, kind of device): states of another one are
    /// never used.
    #[must_use]
    pub(crate) fn open(folder: &Path, identity: &str, architecture: &'a Architecture) -> Self {
        Slots { folder: folder.to_path_buf(), identity: blake3::hash(identity.as_bytes()).to_string(), architecture, next: 0 }
    }

    /// The newest good state, and why a slot that exists was not used.
    pub(crate) fn newest(&mut self, device: &Device) -> (Option<State>, Vec<String>) {
        let mut complaints = Vec::new();
        let mut newest: Option<(usize, State)> = None;
        for slot in 0..2 {
            if !self.path(slot, "json").exists() {
                continue;
            }
            match self.read(slot, device) {
                Ok(state) if newest.as_ref().is_none_or(|(_, best)| state.progress.epoch > best.progress.epoch) => {
                    newest = Some((slot, state));
                }
                Ok(_) => {}
                Err(failure) => complaints.push(format!("kept state {slot} is not used: {failure}")),
            }
        }
        self.next = newest.as_ref().map_or(0, |(slot, _)| 1 - slot);
        (newest.map(|(_, state)| state), complaints)
    }

    /// Keeps `state` in the slot that does not hold the newest one.
    ///
    /// # Errors
    /// [`Failure::Io`] when it can't be written.
    pub(crate) fn keep(&mut self, state: &State) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.folder).map_err(|e| Failure::io(&self.folder, e))?;
        let path = self.path(self.next, "safetensors");
        write_tensors(&path, &state.to_tensors(self.architecture)?, &BTreeMap::new())?;
        let header =
            Header { schema: SCHEMA, identity: self.identity.clone(), tensors: digest_of_file(&path)?, progress: state.progress.clone() };
        write_json(&self.path(self.next, "json"), &Sealed { digest: seal(&header)?, header })?;
        self.next = 1 - self.next;
        Ok(())
    }

    fn read(&self, slot: usize, device: &Device) -> Result<State, Failure> {
        let Sealed { digest, header } = read_json(&self.path(slot, "json"))?;
        if header.schema != SCHEMA || seal(&header)? != digest {
            return Err(Failure::input("its text is damaged"));
        }
        if header.identity != self.identity {
            return Err(Failure::input("it belongs to other parameters, data or another kind of device"));
        }
        let path = self.path(slot, "safetensors");
        if digest_of_file(&path)? != header.tensors {
            return Err(Failure::input("its tensors are damaged"));
        }
        State::from_tensors(header.progress, &read_tensors(&path)?, self.architecture, device)
    }

    fn path(&self, slot: usize, extension: &str) -> PathBuf {
        self.folder.join(format!("slot-{slot}.{extension}"))
    }
}

fn seal(header: &Header) -> Result<String, Failure> {
    let text = serde_json::to_vec(header).map_err(|e| Failure::internal(e.to_string()))?;
    Ok(blake3::hash(&text).to_string())
}

fn digest_of_file(path: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, e))?;
    Ok(blake3::hash(&bytes).to_string())
}
