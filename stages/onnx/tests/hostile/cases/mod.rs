//! The corpus, by what is wrong with the files.

mod files;
mod graphs;
mod operators;
mod sizes;
mod tensors;
mod values;
mod versions;

use crate::case::{Case, Expected, model};

/// All of it.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![model("honest", Expected::Accepted, &crate::build::honest())];
    for more in [files::all(), versions::all(), tensors::all(), graphs::all(), operators::all(), sizes::all(), values::all()] {
        cases.extend(more);
    }
    cases
}
