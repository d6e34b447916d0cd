//! How accurate an imported model is on clean images: `check.json`.

use planish_contract::{Failure, Folder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{check_schema, read_json};

/// The name of the file.
pub const CHECK: &str = "check.json";

/// How accurate an imported model is on clean images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelCheck {
    /// The version of this schema: [`crate::SCHEMA`].
    pub schema: u32,
    /// How many images it was measured on; 0 when no data set was connected.
    pub images: usize,
    /// The share of them that the model, as declared, classifies correctly, in `[0,1]`.
    pub accuracy: f64,
    /// The share that always naming the most frequent class would reach.
    pub chance: f64,
    /// What people should know.
    pub remarks: Vec<String>,
}

impl ModelCheck {
    /// Reads the file in `folder`.
    ///
    /// # Errors
    /// [`Failure::Input`] when it is missing or malformed, [`Failure::Io`] when it can't be read.
    pub fn open(folder: &Folder) -> Result<Self, Failure> {
        let path = folder.file(CHECK)?;
        let check: ModelCheck = read_json(path)?;
        check_schema(path, check.schema)?;
        Ok(check)
    }
}
