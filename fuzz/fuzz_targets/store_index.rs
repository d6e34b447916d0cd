//! Every file of the store that is read back: entries, index snapshot, stat memo, packs, folder manifests, roots. The first byte says
//! which one the rest is.
#![no_main]

use planish_cache::fuzzing;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let file = planish_fuzz::scratch().join("file");
    match kind {
        b'e' => fuzzing::entry(bytes),
        b's' => fuzzing::snapshot(bytes, &file),
        b'm' => fuzzing::memo(bytes, &file),
        b'p' => fuzzing::pack(bytes, &file),
        b't' => fuzzing::tree(bytes),
        b'r' => fuzzing::root(bytes),
        _ => {}
    }
});
