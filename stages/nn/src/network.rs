//! What every member of the family of networks can do.

use planish_contract::{Failure, Invalid};

use crate::{Architecture, ArchitectureBuilder};

/// A configured kind of network: parameters in, architecture out.
pub trait NetworkSpec {
    /// Refuses parameters that no image shape could make work, at plan time.
    ///
    /// # Errors
    /// The first such parameter.
    fn check(&self) -> Result<(), Invalid>;

    /// Adds the network to `builder` after the node `images` (standardised, `[channels, height, width]`); the node added last gives `classes` logits.
    ///
    /// # Errors
    /// [`Failure::Input`] when the images are too small for it.
    fn build(&self, builder: &mut ArchitectureBuilder, images: usize, classes: usize) -> Result<(), Failure>;
}

impl dyn NetworkSpec {
    /// The architecture for images of shape `[channels, height, width]` in `[0,1]`, standardised by
    /// `mean` and `std` (one number a channel; empty means not at all).
    ///
    /// # Errors
    /// [`Failure::Input`] when the network does not fit the images.
    pub fn architecture(&self, input: [usize; 3], classes: usize, mean: &[f64], std: &[f64]) -> Result<Architecture, Failure> {
        self.check().map_err(|invalid| Failure::input(format!("network {}: {}", invalid.path.join("."), invalid.message)))?;
        let mut builder = ArchitectureBuilder::new(input)?;
        let images = builder.standardise(0, mean, std)?;
        self.build(&mut builder, images, classes)?;
        builder.finish()
    }
}
