//! Times and throughput: for people and the provenance, never for results.

use std::time::{Duration, Instant};

/// How long parts of the training took in this process.
#[derive(Debug)]
pub(crate) struct Clock {
    training: Duration,
    validation: Duration,
    images: u64,
}

impl Clock {
    /// A clock at zero.
    #[must_use]
    pub(crate) fn new() -> Self {
        Clock { training: Duration::ZERO, validation: Duration::ZERO, images: 0 }
    }

    /// Counts a step on `images` images that began at `since`.
    pub(crate) fn trained(&mut self, since: Instant, images: usize) {
        self.training += since.elapsed();
        self.images += images as u64;
    }

    /// Counts a validation that began at `since`.
    pub(crate) fn validated(&mut self, since: Instant) {
        self.validation += since.elapsed();
    }

    /// Training images a second, validation not counted.
    #[must_use]
    pub(crate) fn images_per_second(&self) -> f64 {
        self.images as f64 / self.training.as_secs_f64().max(1e-9)
    }

    /// Seconds that `images` more training images need at the speed so far, validation at its share.
    #[must_use]
    pub(crate) fn seconds_left(&self, images: u64) -> f64 {
        let spent = (self.training + self.validation).as_secs_f64();
        spent / (self.images.max(1) as f64) * images as f64
    }

    /// The facts for the provenance.
    #[must_use]
    pub(crate) fn facts(&self) -> serde_json::Value {
        serde_json::json!({
            "images": self.images,
            "images_per_second": self.images_per_second(),
            "training_seconds": self.training.as_secs_f64(),
            "validation_seconds": self.validation.as_secs_f64(),
        })
    }
}
