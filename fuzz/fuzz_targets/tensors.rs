//! Safetensors files: what reads reads the same again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(tensors) = planish_formats::tensors_from_bytes(data, "file") {
        let bytes = planish_formats::tensor_bytes(&tensors, &Default::default()).expect("tensors that were read can be written");
        let again = planish_formats::tensors_from_bytes(&bytes, "file").expect("tensors that were written can be read");
        // Not compared as numbers: some may be none.
        assert_eq!(planish_formats::tensor_bytes(&again, &Default::default()).expect("written"), bytes);
    }
});
