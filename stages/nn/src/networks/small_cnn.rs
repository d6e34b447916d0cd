//! A convolutional network small enough to train on a laptop's processor.

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Activation, ArchitectureBuilder, ConvOptions, NetworkSpec};

/// Four 3×3 convolutions with `width`, 2 `width`, 2 `width`, 4 `width` filters and strides 2, 1, 2, 1, global mean
/// pool, linear. On 28×28 images a width of 16 costs 2.3 million multiply–accumulates an image. The architecture is our own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmallCnn {
    /// Filters of the first convolution.
    #[serde(default = "default_width")]
    pub width: usize,
    /// After each convolution.
    #[serde(default)]
    pub activation: Activation,
    /// Whether each convolution is followed by batch normalisation (instead of having a bias).
    #[serde(default = "default_norm")]
    pub norm: bool,
}

fn default_width() -> usize {
    16
}

fn default_norm() -> bool {
    true
}

impl NetworkSpec for SmallCnn {
    fn check(&self) -> Result<(), Invalid> {
        if self.width == 0 || self.width > 1024 {
            return Err(Invalid::at("width", format!("width {} is out of range", self.width)).hint("use 1 to 1024"));
        }
        Ok(())
    }

    fn build(&self, builder: &mut ArchitectureBuilder, images: usize, classes: usize) -> Result<(), Failure> {
        let mut node = images;
        for (layer, (widening, stride)) in [(1, 2), (2, 1), (2, 2), (4, 1)].into_iter().enumerate() {
            let number = layer + 1;
            let conv = ConvOptions { filters: widening * self.width, kernel: 3, stride, padding: 1, bias: !self.norm };
            node = builder.convolution(node, &format!("conv{number}"), conv)?;
            node = if self.norm {
                builder.norm_activation(node, &format!("bn{number}"), self.activation)?
            } else {
                builder.activation(node, self.activation)?
            };
        }
        node = builder.global_mean_pool(node)?;
        builder.linear(node, "fc", classes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_small() {
        let network: crate::AnyNetwork = serde_json::from_str(r#"{"small-cnn": {}}"#).unwrap();
        let architecture = network.architecture([1, 28, 28], 10, &[0.2861], &[0.353]).unwrap();
        assert!(architecture.multiply_accumulates() < 4_000_000, "{}", architecture.multiply_accumulates());
        assert_eq!(architecture.norms().len(), 4);
        assert_eq!(network.member(), "planish_nn::networks::small_cnn");
    }

    #[test]
    fn without_normalisation_it_has_biases() {
        let network: crate::AnyNetwork = serde_json::from_str(r#"{"small-cnn": {"width": 2, "norm": false}}"#).unwrap();
        let architecture = network.architecture([3, 32, 32], 10, &[], &[]).unwrap();
        assert!(architecture.norms().is_empty());
        assert!(architecture.parameters().iter().any(|p| p.name == "conv1.bias"));
    }
}
