//! Data sets: the description and a split.
#![no_main]

use planish_formats::{DataSet, SplitName};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    planish_fuzz::with_files(data, &["dataset.json", "test.safetensors"], |folder| {
        let Ok(set) = DataSet::open(folder) else { return };
        if let Ok(split) = set.split(SplitName::Test) {
            assert_eq!(split.pixels(0..split.len()).len(), split.len() * split.image_len());
            assert!(split.labels.iter().all(|label| (*label as usize) < set.info.classes.len()));
        }
    });
});
