//! Where tensors live.

mod name;
mod open;

pub use name::{DeviceName, Which};
pub use open::{describe, is_card, is_processor, open, open_all};

/// A place where tensors live and are computed on; burn's run-time device.
pub type Device = burn::tensor::Device;

/// Sets how many threads tensor computations use in this process. Call it once, before the first
/// computation: the pool can't be resized. No result depends on the number.
///
/// Returns the number of threads in use.
#[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
pub fn set_threads(threads: usize) -> usize {
    // The only error is that the pool exists already: then its size stands.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
    rayon::current_num_threads()
}
