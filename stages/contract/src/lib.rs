//! What the engine and a stage say to each other, and nothing more.
//!
//! A stage kind implements [`Stage`]; the engine sees it through [`AnyStage`]. A stage reads its
//! inputs and writes its outputs through a [`Context`]; it knows nothing of TOML files, graphs or
//! caches, and the engine knows nothing of what a stage does.

mod artifact;
mod context;
mod failure;
mod family;
mod fraction;
mod memo;
mod outlook;
mod stage;

pub use artifact::{Arity, Coordinate, Coordinates, Folder, InputSpec, Interface, Kind, OutputSpec};
pub use context::{Context, Gathered, Host, Input, Progress, SilentHost};
pub use failure::{Failure, panic_message};
pub use fraction::{Fraction, NUMBER_PATTERN, parse_fraction};
pub use memo::{Memo, MemoryHost, PartKey};
pub use outlook::{Known, Outlook, Work, family};
pub use stage::{AnyStage, Invalid, NoExecution, Prepared, Stage};

#[doc(hidden)]
pub use schemars;
#[doc(hidden)]
pub use serde;
