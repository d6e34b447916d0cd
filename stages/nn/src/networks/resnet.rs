//! Residual networks with the `ImageNet` stem (He et al. 2016, "Deep residual learning"; torchvision's `resnet.py`).

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Activation, ArchitectureBuilder, ConvOptions, NetworkSpec};

/// A `ResNet`-18, 34, 50, 101 or 152 as torchvision builds it: 7×7 stem of stride 2, 3×3 max pool of stride 2, four groups of basic (18, 34) or
/// bottleneck blocks (stride in the 3×3 convolution), global mean pool, linear. Names are torchvision's: `conv1`, `bn1`,
/// `layer1.0.conv1`, …, `layer1.0.downsample.0`, …, `fc`. LLR's `ImageNet` networks are `depth = 152` with softplus.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resnet {
    /// 18, 34, 50, 101 or 152.
    pub depth: usize,
    /// Channels of the first group.
    #[serde(default = "default_width")]
    pub width: usize,
    /// After every normalisation and sum.
    #[serde(default)]
    pub activation: Activation,
}

fn default_width() -> usize {
    64
}

/// What one block needs beside its input.
struct Block<'a> {
    name: &'a str,
    filters: usize,
    stride: usize,
}

impl Resnet {
    /// Blocks a group, and whether they are bottlenecks.
    fn blocks(&self) -> Option<([usize; 4], bool)> {
        match self.depth {
            18 => Some(([2, 2, 2, 2], false)),
            34 => Some(([3, 4, 6, 3], false)),
            50 => Some(([3, 4, 6, 3], true)),
            101 => Some(([3, 4, 23, 3], true)),
            152 => Some(([3, 8, 36, 3], true)),
            _ => None,
        }
    }

    /// The convolutions of a block: kernel, stride, filters.
    fn layers(block: &Block<'_>, bottleneck: bool) -> Vec<(usize, usize, usize)> {
        let Block { filters, stride, .. } = *block;
        if bottleneck {
            vec![(1, 1, filters), (3, stride, filters), (1, 1, 4 * filters)]
        } else {
            vec![(3, stride, filters), (3, 1, filters)]
        }
    }

    fn block(&self, builder: &mut ArchitectureBuilder, from: usize, block: &Block<'_>, bottleneck: bool) -> Result<usize, Failure> {
        let layers = Self::layers(block, bottleneck);
        let name = block.name;
        let mut node = from;
        for (index, (kernel, stride, filters)) in layers.iter().copied().enumerate() {
            let conv = ConvOptions { filters, kernel, stride, padding: kernel / 2, bias: false };
            node = builder.convolution(node, &format!("{name}.conv{}", index + 1), conv)?;
            let activation = if index + 1 == layers.len() { Activation::Identity } else { self.activation };
            node = builder.norm_activation(node, &format!("{name}.bn{}", index + 1), activation)?;
        }
        let shortcut = if builder.shape(from)? == builder.shape(node)? {
            from
        } else {
            let filters = builder.shape(node)?.first().copied().unwrap_or_default();
            let conv = ConvOptions { filters, kernel: 1, stride: block.stride, padding: 0, bias: false };
            let projected = builder.convolution(from, &format!("{name}.downsample.0"), conv)?;
            builder.norm_activation(projected, &format!("{name}.downsample.1"), Activation::Identity)?
        };
        let sum = builder.add(node, shortcut)?;
        builder.activation(sum, self.activation)
    }
}

impl NetworkSpec for Resnet {
    fn check(&self) -> Result<(), Invalid> {
        if self.blocks().is_none() {
            return Err(Invalid::at("depth", format!("there is no ResNet of depth {}", self.depth)).hint("use 18, 34, 50, 101 or 152"));
        }
        if self.width == 0 || self.width > 1024 {
            return Err(Invalid::at("width", format!("width {} is out of range", self.width)).hint("use 1 to 1024; the usual one is 64"));
        }
        Ok(())
    }

    fn build(&self, builder: &mut ArchitectureBuilder, images: usize, classes: usize) -> Result<(), Failure> {
        let stem = ConvOptions { filters: self.width, kernel: 7, stride: 2, padding: 3, bias: false };
        let mut node = builder.convolution(images, "conv1", stem)?;
        node = builder.norm_activation(node, "bn1", self.activation)?;
        node = builder.max_pool(node, 3, 2, 1)?;
        let (groups, bottleneck) = self.blocks().ok_or_else(|| Failure::internal("an unchecked depth"))?;
        for (group, layers) in groups.into_iter().enumerate() {
            for layer in 0..layers {
                let name = format!("layer{}.{layer}", group + 1);
                let stride = if layer == 0 && group > 0 { 2 } else { 1 };
                node = self.block(builder, node, &Block { name: &name, filters: self.width << group, stride }, bottleneck)?;
            }
        }
        node = builder.global_mean_pool(node)?;
        builder.linear(node, "fc", classes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParameterSpec;

    #[test]
    fn parameter_counts_are_torchvisions() {
        for (depth, count) in [(18, 11_689_512), (50, 25_557_032), (152, 60_192_808)] {
            let network = Resnet { depth, width: 64, activation: Activation::Softplus };
            network.check().unwrap();
            let architecture = (&network as &dyn NetworkSpec).architecture([3, 224, 224], 1000, &[], &[]).unwrap();
            assert_eq!(architecture.parameters().iter().map(ParameterSpec::len).sum::<usize>(), count, "depth {depth}");
        }
        assert!(Resnet { depth: 51, width: 64, activation: Activation::Relu }.check().is_err());
    }

    #[test]
    fn names_are_torchvisions() {
        let network = Resnet { depth: 50, width: 64, activation: Activation::Relu };
        let names: Vec<String> = (&network as &dyn NetworkSpec)
            .architecture([3, 224, 224], 1000, &[], &[])
            .unwrap()
            .parameters()
            .into_iter()
            .map(|spec| spec.name)
            .collect();
        let expected = ["bn1.weight", "layer1.0.downsample.0.weight", "layer1.0.downsample.1.bias", "layer3.5.conv3.weight", "fc.bias"];
        assert!(expected.iter().all(|name| names.iter().any(|found| found == name)));
        assert!(!names.iter().any(|name| name.starts_with("layer1.1.downsample")));
    }
}
