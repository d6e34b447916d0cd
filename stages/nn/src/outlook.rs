//! What is known of a network before it is trained.

use planish_contract::{Failure, Work};
use serde::{Deserialize, Serialize};

use crate::{AnyNetwork, Architecture, BurnVictim, Checkpoint, Device, Network, NetworkConfig, Parameters, Statistics, Stream, Victim};

/// What is known of a network before it is trained: what estimates of time need.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelFacts {
    /// The network and its parameters.
    pub network: AnyNetwork,
    /// The shape of an image: channels, height, width.
    pub input: [usize; 3],
    /// The number of classes.
    pub classes: usize,
}

impl ModelFacts {
    /// What a forward pass counts for, in forward passes.
    pub const FORWARD: f64 = 1.0;
    /// What a forward pass and one back to the images count for: two products of the size of the forward one.
    pub const INPUT_GRADIENT: f64 = 2.0;
    /// What a forward pass and one back to images and weights count for.
    pub const WEIGHT_GRADIENT: f64 = 3.0;
    /// What a Hessian-vector product counts for: values and tangents, forward and back to the images.
    pub const HESSIAN_PRODUCT: f64 = 4.0;

    /// The network of a checkpoint.
    #[must_use]
    pub fn of(config: &NetworkConfig) -> Self {
        ModelFacts { network: config.network.clone(), input: config.input, classes: config.classes.len() }
    }

    /// Its graph.
    ///
    /// # Errors
    /// [`Failure::Input`] when the network does not fit the images.
    pub fn architecture(&self) -> Result<Architecture, Failure> {
        self.network.architecture(self.input, self.classes, &[], &[])
    }

    /// The work of so many `passes` of one image, counted in forward passes; `None` when the network does not fit the images.
    #[must_use]
    pub fn work(&self, passes: f64) -> Option<Work> {
        let forward = self.architecture().ok()?.multiply_accumulates();
        Some(Work { amount: passes * forward as f64, like: self.like(), at_most: false, device: None })
    }

    /// The same, done on `device`.
    #[must_use]
    pub fn work_on(&self, passes: f64, device: &Device) -> Option<Work> {
        let device = (!crate::device::is_processor(device)).then(|| crate::device::describe(device));
        self.work(passes).map(|work| Work { device, ..work })
    }

    /// The family and its parameters: `wide-resnet activation=softplus depth=28 width=8`.
    #[must_use]
    pub fn like(&self) -> String {
        let Ok(serde_json::Value::Object(members)) = serde_json::to_value(&self.network) else { return String::new() };
        let Some((family, parameters)) = members.into_iter().next() else { return String::new() };
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let parameters = parameters.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={}", text(value)));
        [family].into_iter().chain(parameters).collect::<Vec<_>>().join(" ")
    }

    /// The gradient with respect to `images` made-up images under initial weights, to be timed; what that came to.
    ///
    /// # Errors
    /// [`Failure::Input`] when the network does not fit the images; what the pass fails with.
    pub fn try_input_gradient(&self, images: usize, device: &Device) -> Result<Option<Work>, Failure> {
        let architecture = self.architecture()?;
        let config = NetworkConfig {
            schema: NetworkConfig::SCHEMA,
            network: self.network.clone(),
            input: self.input,
            classes: (0..self.classes).map(|class| class.to_string()).collect(),
            mean: Vec::new(),
            std: Vec::new(),
        };
        let parameters = Parameters::initialise(&architecture, 0, device);
        let statistics = Statistics::initial(&architecture, device);
        let checkpoint = Checkpoint { config, network: Network::new(architecture), parameters, statistics, device: device.clone() };
        let mut pixels = vec![0.0; images * self.input.iter().product::<usize>()];
        Stream::new(0, "trial", &[]).fill_uniform(&mut pixels, 0.0, 1.0);
        let mut loss = |_: usize, logits: &[f32], slope: &mut [f32]| {
            slope.fill(1.0);
            logits.iter().sum()
        };
        BurnVictim::new(checkpoint, images).gradient(&pixels, &mut loss)?;
        Ok(self.work_on(images as f64 * Self::INPUT_GRADIENT, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_like_is_named_and_a_trial_counts_its_passes() {
        let network = serde_json::from_str(r#"{ "small-cnn": { "width": 4, "activation": "softplus" } }"#).unwrap();
        let facts = ModelFacts { network, input: [1, 28, 28], classes: 10 };
        assert_eq!(facts.like(), "small-cnn activation=softplus norm=true width=4");
        let tried = facts.try_input_gradient(3, &Device::flex()).unwrap().unwrap();
        assert_eq!(tried.family(), "small-cnn");
        assert_eq!(tried, facts.work(6.0).unwrap());
    }
}
