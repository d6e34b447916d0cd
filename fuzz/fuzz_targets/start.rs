//! Trained weights from elsewhere (`files.start`), for a small network: a message, or exactly the tensors of that network.
#![no_main]
#![allow(unreachable_pub, reason = "a part of another crate")]

use std::sync::LazyLock;

// The very file, without the crate around it: that one brings burn, which takes an hour to instrument.
#[path = "../../stages/train/src/start/weights.rs"]
mod weights;

use planish_formats::Values;

static WANTED: LazyLock<weights::Wanted> = LazyLock::new(planish_fuzz::small_network);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(tensors) = weights::tensors(data, "start") else { return };
    let before = tensors.len();
    let (kept, left_out) = weights::as_named_here(tensors, &WANTED);
    assert_eq!(kept.len() + left_out.len(), before);
    match weights::check(&kept, &WANTED) {
        Err(message) => assert!(!message.is_empty()),
        Ok(()) => {
            assert_eq!(kept.len(), WANTED.len());
            for tensor in kept {
                assert_eq!(WANTED.get(&tensor.name), Some(&tensor.shape));
                if let Values::F32(values) = &tensor.values {
                    assert_eq!(values.len(), tensor.shape.iter().product::<usize>());
                }
            }
        }
    }
});
