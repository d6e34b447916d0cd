//! What the network subtracts from images and divides them by.

use planish_contract::Invalid;
use planish_formats::DataSetInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first thing that the network does with images in [0, 1]. Weights that were trained elsewhere need what they were trained with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InputNormalisation {
    /// (x − mean) / deviation with the mean and standard deviation that the data set tells of each channel.
    #[default]
    DataSet,
    /// Nothing: the network takes images in [0, 1] (TRADES, MART and most of `RobustBench`'s models).
    None,
    /// (x − mean) / deviation with these numbers.
    Given(MeanStd),
}

/// A mean and a standard deviation of each channel, of pixels in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanStd {
    /// What is subtracted, a number a channel.
    pub mean: Vec<f64>,
    /// What is divided by, a number a channel; positive.
    pub std: Vec<f64>,
}

impl InputNormalisation {
    /// Checks the numbers; `path` is where the option stands. How many channels there are, the data set tells.
    ///
    /// # Errors
    /// Numbers that are not finite, deviations that are not positive, or more of one than of the other.
    pub fn validate(&self, path: &str) -> Result<(), Invalid> {
        let InputNormalisation::Given(MeanStd { mean, std }) = self else { return Ok(()) };
        if let Some(number) = mean.iter().find(|number| !number.is_finite()) {
            return Err(Invalid::at(&format!("{path}.given.mean"), format!("{number} is no mean")));
        }
        if let Some(number) = std.iter().find(|number| !(**number > 0.0 && number.is_finite())) {
            return Err(Invalid::at(&format!("{path}.given.std"), format!("{number} is no positive standard deviation")));
        }
        if mean.is_empty() || mean.len() != std.len() {
            let message = format!("{} means and {} standard deviations", mean.len(), std.len());
            return Err(Invalid::at(&format!("{path}.given"), message)
                .hint("write one of each for every channel, or input_normalisation = \"none\""));
        }
        Ok(())
    }

    /// Means and standard deviations for images of that data set; none where nothing is done.
    #[must_use]
    pub fn numbers(&self, info: &DataSetInfo) -> (Vec<f64>, Vec<f64>) {
        match self {
            InputNormalisation::DataSet => (info.mean.clone(), info.std.clone()),
            InputNormalisation::None => (Vec::new(), Vec::new()),
            InputNormalisation::Given(MeanStd { mean, std }) => (mean.clone(), std.clone()),
        }
    }

    /// Whether it is what stands where nothing is written: then it is not part of a key, as before there was a choice.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == InputNormalisation::DataSet
    }
}
