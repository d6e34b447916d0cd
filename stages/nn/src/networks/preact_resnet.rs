//! Pre-activation residual networks for small images (He et al. 2016, "Identity mappings in deep residual networks").

use planish_contract::{Failure, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Activation, ArchitectureBuilder, ConvOptions, NetworkSpec};

/// A pre-activation `ResNet`-18 or 34 with a 3×3 stem: four groups of basic blocks with `width`, 2, 4 and 8 times `width` channels, strides
/// 1, 2, 2, 2; final normalisation and activation, global mean pool, linear. The network of fast adversarial training, MART and AWP. Names
/// follow the usual PyTorch code: `conv1`, `layer1.0.bn1`, …, `layer2.0.shortcut.0`, …, `bn`, `linear`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreactResnet {
    /// 18 or 34.
    pub depth: usize,
    /// Channels of the first group.
    #[serde(default = "default_width")]
    pub width: usize,
    /// Between the convolutions.
    #[serde(default)]
    pub activation: Activation,
}

fn default_width() -> usize {
    64
}

impl PreactResnet {
    fn blocks(&self) -> Option<[usize; 4]> {
        match self.depth {
            18 => Some([2, 2, 2, 2]),
            34 => Some([3, 4, 6, 3]),
            _ => None,
        }
    }

    fn block(
        &self,
        builder: &mut ArchitectureBuilder,
        from: usize,
        name: &str,
        (filters, stride): (usize, usize),
    ) -> Result<usize, Failure> {
        let conv = |kernel, stride| ConvOptions { filters, kernel, stride, padding: kernel / 2, bias: false };
        let channels = builder.shape(from)?.first().copied();
        let active = builder.norm_activation(from, &format!("{name}.bn1"), self.activation)?;
        let first = builder.convolution(active, &format!("{name}.conv1"), conv(3, stride))?;
        let middle = builder.norm_activation(first, &format!("{name}.bn2"), self.activation)?;
        let second = builder.convolution(middle, &format!("{name}.conv2"), conv(3, 1))?;
        let projects = stride != 1 || channels != Some(filters);
        let shortcut = if projects { builder.convolution(active, &format!("{name}.shortcut.0"), conv(1, stride))? } else { from };
        builder.add(second, shortcut)
    }
}

impl NetworkSpec for PreactResnet {
    fn check(&self) -> Result<(), Invalid> {
        if self.blocks().is_none() {
            return Err(Invalid::at("depth", format!("there is no pre-activation ResNet of depth {}", self.depth)).hint("use 18 or 34"));
        }
        if self.width == 0 || self.width > 1024 {
            return Err(Invalid::at("width", format!("width {} is out of range", self.width)).hint("use 1 to 1024; the usual one is 64"));
        }
        Ok(())
    }

    fn build(&self, builder: &mut ArchitectureBuilder, images: usize, classes: usize) -> Result<(), Failure> {
        let stem = ConvOptions { filters: self.width, kernel: 3, stride: 1, padding: 1, bias: false };
        let mut node = builder.convolution(images, "conv1", stem)?;
        let groups = self.blocks().ok_or_else(|| Failure::internal("an unchecked depth"))?;
        for (group, layers) in groups.into_iter().enumerate() {
            for layer in 0..layers {
                let stride = if layer == 0 && group > 0 { 2 } else { 1 };
                node = self.block(builder, node, &format!("layer{}.{layer}", group + 1), (self.width << group, stride))?;
            }
        }
        node = builder.norm_activation(node, "bn", self.activation)?;
        node = builder.global_mean_pool(node)?;
        builder.linear(node, "linear", classes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParameterSpec;

    #[test]
    fn the_parameters_are_those_of_the_usual_code() {
        let network = PreactResnet { depth: 18, width: 64, activation: Activation::Relu };
        network.check().unwrap();
        let architecture = (&network as &dyn NetworkSpec).architecture([3, 32, 32], 10, &[], &[]).unwrap();
        // The usual code's 11,171,146 and the final normalisation's 1,024.
        assert_eq!(architecture.parameters().iter().map(ParameterSpec::len).sum::<usize>(), 11_172_170);
        let names: Vec<String> = architecture.parameters().into_iter().map(|spec| spec.name).collect();
        for name in ["conv1.weight", "layer1.0.bn1.weight", "layer2.0.shortcut.0.weight", "layer4.1.conv2.weight", "bn.bias", "linear.bias"]
        {
            assert!(names.iter().any(|found| found == name), "{name}");
        }
        assert!(!names.iter().any(|name| name.starts_with("layer1.0.shortcut")));
        assert!(PreactResnet { depth: 20, ..network }.check().is_err());
    }
}
