//! Checkpoints: the network, its history and its weights.
#![no_main]

use planish_formats::{CheckpointFiles, HISTORY, NETWORK, WEIGHTS};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    planish_fuzz::with_files(data, &[NETWORK, HISTORY, WEIGHTS], |folder| {
        let Ok(files) = CheckpointFiles::open(folder) else { return };
        drop(files.network::<serde_json::Value>());
        drop(files.history());
        drop(files.weights());
    });
});
