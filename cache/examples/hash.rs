//! Hashes files as the store does, each for the first time, and prints how quickly: to be compared with `b3sum`.
//!
//! `cargo run --release -p planish-cache --example hash -- FILE…`
#![expect(clippy::print_stdout, reason = "a measurement is shown")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use planish_cache::Store;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for (number, file) in std::env::args_os().skip(1).map(PathBuf::from).enumerate() {
        // A new store has hashed nothing before.
        let store = Store::open(&folder.path().join(number.to_string()))?;
        let bytes = std::fs::metadata(&file)?.len();
        let begun = Instant::now();
        let digest = store.hash_file(&file)?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{digest}  {}  {seconds:.4} s  {:.2} GB/s", file.display(), bytes as f64 / seconds / 1e9);
        let begun = Instant::now();
        store.hash_file(&file)?;
        println!("  again: {:.1} µs", begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(())
}
