//! Pipelines with something wrong, and what is said of it.

mod axes;
mod inputs;
mod limits;
mod parameters;
mod sets;
mod syntax;
