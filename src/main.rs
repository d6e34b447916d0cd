//! The planish command line.
fn main() {}
