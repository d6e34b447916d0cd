//! The decoder of ONNX models and their inspection: any bytes, no panic, and no more memory than the inspection allows.
#![no_main]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "parts of another crate")]

// The very files, without the crate around them: that one brings burn and ONNX Runtime, which take an hour to instrument.
#[path = "../../stages/onnx/src/inspect/mod.rs"]
mod inspect;
#[path = "../../stages/onnx/src/proto/mod.rs"]
mod proto;

mod model_file {
    pub(crate) const LIMIT: u64 = (1 << 31) - 1;
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(mut model) = inspect::decode(data) else { return };
    if inspect::external::used(&model) && inspect::external::fetch(&mut model, None).is_err() {
        return;
    }
    if let Ok((signature, inspection)) = inspect::inspect(&model, None) {
        // What passes has the sizes that everything after it relies on.
        assert!(signature.classes > 0 && signature.shape.iter().all(|size| *size > 0));
        assert!(inspection.parameters <= data.len() as u64 * 8);
        inspect::channels_first(&mut model, &signature);
        let (again, _) = inspect::inspect(&model, Some(inspect::Layout::ChannelsFirst)).expect("a transposed model passes as well");
        assert_eq!(again.shape, signature.shape);
    }
});
