//! JSON documents of every kind: what reads can be written and reads the same again.
#![no_main]

use planish_contract::Folder;
use planish_formats::{ModelInfo, Parity, read_json, read_json_lines, write_json};

fn round_trip<T: serde::Serialize + serde::de::DeserializeOwned>(folder: &Folder) {
    let path = folder.file("a.json").expect("the file");
    if let Ok(value) = read_json::<T>(path) {
        let copy = path.with_extension("copy");
        write_json(&copy, &value).expect("what was read can be written");
        let again = read_json::<T>(&copy).expect("what was written can be read");
        let text = |value: &T| serde_json::to_string(value).expect("text");
        assert_eq!(text(&again), text(&value));
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    planish_fuzz::with_files(data, &["a.json"], |folder| {
        round_trip::<serde_json::Value>(folder);
        round_trip::<ModelInfo>(folder);
        round_trip::<Parity>(folder);
        drop(read_json_lines::<serde_json::Value>(folder.file("a.json").expect("the file")));
    });
});
