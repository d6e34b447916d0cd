//! Wide residual networks (Zagoruyko and Komodakis 2016), pre-activation, without dropout.

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Activation, ArchitectureBuilder, ConvOptions, NetworkSpec};

/// A WRN-`depth`-`width`: three groups of (depth − 4) / 6 blocks with 16, 32 and 64 times `width` channels,
/// strides 1, 2, 2; final normalisation and activation, global mean pool, linear. Names follow the
/// usual PyTorch code: `conv1`, `block1.layer.0.bn1`, …, `bn1`, `fc`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WideResnet {
    /// Number of layers: 6 n + 4 for n blocks a group.
    pub depth: usize,
    /// Widening factor.
    pub width: usize,
    /// Between the convolutions.
    #[serde(default)]
    pub activation: Activation,
    /// The first convolution, and where blocks project.
    #[serde(default)]
    pub stem: Stem,
}

/// How a wide residual network begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// 16 · `width` filters and a 1×1 projection in the first block of every group (LLR's released code).
    #[default]
    Released,
    /// 16 filters and a projection only where the shape changes (the WRN paper; TRADES, AutoAttack's models).
    Standard,
}

/// What one block needs beside its input.
struct Block<'a> {
    name: &'a str,
    filters: usize,
    stride: usize,
    project: bool,
}

impl WideResnet {
    fn block(&self, builder: &mut ArchitectureBuilder, from: usize, block: &Block) -> Result<usize, Failure> {
        let Block { name, filters, stride, project } = *block;
        let conv = |kernel, stride| ConvOptions { filters, kernel, stride, padding: kernel / 2, bias: false };
        let active = builder.norm_activation(from, &format!("{name}.bn1"), self.activation)?;
        let first = builder.convolution(active, &format!("{name}.conv1"), conv(3, stride))?;
        let middle = builder.norm_activation(first, &format!("{name}.bn2"), self.activation)?;
        let second = builder.convolution(middle, &format!("{name}.conv2"), conv(3, 1))?;
        let shortcut = if project { builder.convolution(active, &format!("{name}.convShortcut"), conv(1, stride))? } else { from };
        builder.add(second, shortcut)
    }
}

impl NetworkSpec for WideResnet {
    fn check(&self) -> Result<(), Invalid> {
        if self.depth < 10 || !(self.depth - 4).is_multiple_of(6) || self.depth > 1000 {
            return Err(Invalid::at("depth", format!("a wide residual network can't have depth {}", self.depth))
                .hint("use 6 n + 4: 10, 16, 22, 28, 34, 40, …"));
        }
        if self.width == 0 || self.width > 64 {
            return Err(Invalid::at("width", format!("width {} is out of range", self.width)).hint("use 1 to 64"));
        }
        Ok(())
    }

    fn build(&self, builder: &mut ArchitectureBuilder, images: usize, classes: usize) -> Result<(), Failure> {
        let mut channels = match self.stem {
            Stem::Released => 16 * self.width,
            Stem::Standard => 16,
        };
        let mut node =
            builder.convolution(images, "conv1", ConvOptions { filters: channels, kernel: 3, stride: 1, padding: 1, bias: false })?;
        for group in 1..=3 {
            let filters = (8 << group) * self.width;
            for layer in 0..(self.depth - 4) / 6 {
                let stride = if layer == 0 && group > 1 { 2 } else { 1 };
                let project = match self.stem {
                    Stem::Released => layer == 0,
                    Stem::Standard => filters != channels || stride != 1,
                };
                let name = format!("block{group}.layer.{layer}");
                node = self.block(builder, node, &Block { name: &name, filters, stride, project })?;
                channels = filters;
            }
        }
        node = builder.norm_activation(node, "bn1", self.activation)?;
        node = builder.global_mean_pool(node)?;
        builder.linear(node, "fc", classes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(text: &str) -> Result<crate::Architecture, Failure> {
        let network: crate::AnyNetwork = serde_json::from_str(text).unwrap();
        network.architecture([3, 32, 32], 10, &[0.5; 3], &[0.25; 3])
    }

    #[test]
    fn parameter_counts_match_the_paper() {
        // The WRN paper's table 4: WRN-28-10 has 36.5 M parameters, WRN-16-8 11.0 M, WRN-40-4 8.9 M.
        let count = |depth: usize, width: usize| {
            let text = format!(r#"{{"wide-resnet": {{"depth": {depth}, "width": {width}, "stem": "standard"}}}}"#);
            build(&text).unwrap().parameters().iter().map(crate::ParameterSpec::len).sum::<usize>()
        };
        assert_eq!(count(28, 10), 36_479_194);
        assert_eq!(count(16, 8) / 100_000, 109);
        assert_eq!(count(40, 4) / 100_000, 89);
    }

    #[test]
    fn the_released_stem_is_wide_and_projects_in_every_group() {
        let architecture = build(r#"{"wide-resnet": {"depth": 10, "width": 2}}"#).unwrap();
        let parameters = architecture.parameters();
        assert_eq!(parameters[0].shape, [32, 3, 3, 3]);
        let projections: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).filter(|n| n.contains("convShortcut")).collect();
        assert_eq!(projections.len(), 3);
        assert_eq!(projections[0], "block1.layer.0.convShortcut.weight");
        assert_eq!(architecture.norms().len(), 7);
    }

    #[test]
    fn impossible_depths_are_refused() {
        assert!(build(r#"{"wide-resnet": {"depth": 11, "width": 2}}"#).is_err());
        assert!(build(r#"{"wide-resnet": {"depth": 4, "width": 2}}"#).is_err());
        assert!(build(r#"{"wide-resnet": {"depth": 10, "width": 0}}"#).is_err());
    }
}
