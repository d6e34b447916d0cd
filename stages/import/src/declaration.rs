//! What a model takes, as its owner declares it.

use std::fmt;

use planish_contract::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order of an input's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[n, c, h, w]`, as PyTorch exports.
    Nchw,
    /// `[n, h, w, c]`, as TensorFlow exports.
    Nhwc,
}

/// The range of an input's values, before [`Declaration::mean`] and [`Declaration::std`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Range {
    /// 0 to 1.
    #[default]
    #[serde(rename = "0-1")]
    Unit,
    /// 0 to 255.
    #[serde(rename = "0-255")]
    Bytes,
    /// −1 to 1.
    #[serde(rename = "-1-1")]
    Symmetric,
}

/// The order of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// Red first, as in every data set here.
    #[default]
    Rgb,
    /// Blue first, as `OpenCV` reads images.
    Bgr,
}

/// What a model takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Declaration {
    /// The order of the axes; told by the shape unless given: the axis of length 1, 3 or 4 is that of the channels, the first one if two are.
    pub layout: Option<Layout>,
    /// The range of the values.
    pub range: Range,
    /// The order of colours.
    pub channels: Channels,
    /// Subtracted from each channel, in the unit of `range`; nothing unless given.
    pub mean: Vec<f64>,
    /// What each channel is divided by then, in the unit of `range`; nothing unless given.
    pub std: Vec<f64>,
}

impl Declaration {
    /// Checks the numbers.
    ///
    /// # Errors
    /// The first that can't be used.
    pub fn check(&self) -> Result<(), Invalid> {
        let lengths = [self.mean.len(), self.std.len()];
        if let Some(wrong) = lengths.iter().find(|length| !matches!(length, 0 | 1 | 3 | 4)) {
            let path = if self.mean.len() == *wrong { "mean" } else { "std" };
            return Err(Invalid::at(path, format!("{wrong} numbers are no value for each channel")).hint("give one number a channel"));
        }
        if self.mean.iter().any(|mean| !mean.is_finite()) {
            return Err(Invalid::at("mean", "the mean is not finite"));
        }
        if self.std.iter().any(|std| !std.is_finite() || *std <= 0.0) {
            return Err(Invalid::at("std", "images can't be divided by a number that is not above 0"));
        }
        Ok(())
    }

    /// Whether images in `[0,1]`, channels first, red first, are just what the model takes.
    #[must_use]
    pub fn is_plain(&self, layout: Layout) -> bool {
        layout == Layout::Nchw && self.range == Range::Unit && self.channels == Channels::Rgb && self.mean.is_empty() && self.std.is_empty()
    }
}

/// As the command line spells it.
impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = match self.range {
            Range::Unit => "0-1",
            Range::Bytes => "0-255",
            Range::Symmetric => "-1-1",
        };
        write!(f, "--range={range}")?;
        if let Some(layout) = self.layout {
            write!(f, " --layout {}", if layout == Layout::Nchw { "nchw" } else { "nhwc" })?;
        }
        if self.channels == Channels::Bgr {
            f.write_str(" --channels bgr")?;
        }
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if !values.is_empty() {
                let values: Vec<String> = values.iter().map(f64::to_string).collect();
                write!(f, " --{name} {}", values.join(","))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_reads_as_on_the_command_line() {
        let text = r#"{ "layout": "nhwc", "range": "0-255", "channels": "bgr", "mean": [1.5], "std": [2.0] }"#;
        let declaration: Declaration = serde_json::from_str(text).unwrap();
        assert_eq!(declaration.to_string(), "--range=0-255 --layout nhwc --channels bgr --mean 1.5 --std 2");
        assert!(declaration.check().is_ok() && !declaration.is_plain(Layout::Nchw));
        assert!(Declaration::default().is_plain(Layout::Nchw) && !Declaration::default().is_plain(Layout::Nhwc));
        assert!(serde_json::from_str::<Declaration>(r#"{ "range": "0-2" }"#).unwrap_err().to_string().contains("`0-1`, `0-255`, `-1-1`"));
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        let path = |mean: &[f64], std: &[f64]| {
            Declaration { mean: mean.to_vec(), std: std.to_vec(), ..Declaration::default() }.check().unwrap_err().path.join(".")
        };
        assert_eq!(path(&[0.5, 0.5], &[]), "mean");
        assert_eq!(path(&[f64::NAN], &[]), "mean");
        assert_eq!(path(&[], &[0.0]), "std");
        assert_eq!(path(&[], &[0.2; 5]), "std");
    }
}
