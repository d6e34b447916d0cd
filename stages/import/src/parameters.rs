//! The parameters of the stage `import`.

use std::path::PathBuf;

use planish_contract::Invalid;
use planish_formats::SplitName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::declaration::Declaration;

/// What comes in, and what is known of it. The model comes as `files.model`: the file, or with its data files (`"model.onnx*"`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImportParameters {
    /// The SHA-256 that the file must have, in hexadecimal; any unless given.
    pub sha256: Option<String>,
    /// What the model takes.
    pub takes: Declaration,
    /// Which of the model's outputs are the logits; the only one unless given.
    pub output: Option<String>,
    /// The share of clean images, in `[0,1]`, that the model is known to classify correctly; refused when it is not so here.
    pub expect_accuracy: Option<f64>,
    /// The split on which the accuracy is checked.
    pub split: SplitName,
    /// The most images on which it is checked.
    pub check_images: usize,
}

impl Default for ImportParameters {
    fn default() -> Self {
        ImportParameters {
            sha256: None,
            takes: Declaration::default(),
            output: None,
            expect_accuracy: None,
            split: SplitName::Test,
            check_images: 500,
        }
    }
}

impl ImportParameters {
    /// Checks what types alone can't.
    ///
    /// # Errors
    /// The first parameter that can't be used.
    pub fn check(&self) -> Result<(), Invalid> {
        if let Some(sha256) = &self.sha256
            && (sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err(Invalid::at("sha256", "a SHA-256 has 64 hexadecimal digits").hint("`sha256sum model.onnx` prints it"));
        }
        if let Some(accuracy) = self.expect_accuracy
            && !(0.0..=1.0).contains(&accuracy)
        {
            let hint = "accuracies are shares: 0.84 for 84 %";
            return Err(Invalid::at("expect_accuracy", format!("an accuracy of {accuracy} is not in [0,1]")).hint(hint));
        }
        if self.check_images == 0 {
            return Err(Invalid::at("check_images", "the accuracy can't be checked on no images"));
        }
        self.takes.check().map_err(|invalid| Invalid { path: [vec!["takes".to_owned()], invalid.path].concat(), ..invalid })
    }
}

/// How the stage runs; changes no result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImportExecution {
    /// ONNX Runtime's shared library; found or obtained unless given.
    pub onnxruntime: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mistakes_are_named() {
        let check = |value| serde_json::from_value::<ImportParameters>(value).unwrap().check();
        assert_eq!(check(json!({})), Ok(()));
        let path = |value| check(value).unwrap_err().path.join(".");
        assert_eq!(path(json!({ "sha256": "abc" })), "sha256");
        assert_eq!(path(json!({ "expect_accuracy": 84 })), "expect_accuracy");
        assert_eq!(path(json!({ "check_images": 0 })), "check_images");
        assert_eq!(path(json!({ "takes": { "std": [0] } })), "takes.std");
    }
}
