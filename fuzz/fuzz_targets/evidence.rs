//! Evidence: the header, the entries, the images.
#![no_main]

use planish_formats::Evidence;
use planish_formats::evidence::{ADVERSARIAL, HEADER, IMAGES};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    planish_fuzz::with_files(data, &[HEADER, IMAGES, ADVERSARIAL], |folder| {
        let Ok(evidence) = Evidence::open(folder) else { return };
        assert_eq!(evidence.images.len(), evidence.header.images);
        if let Ok(kept) = evidence.adversarial() {
            assert_eq!(kept.ids.len(), evidence.images.len());
        }
    });
});
