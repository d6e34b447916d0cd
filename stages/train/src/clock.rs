//! Times and throughput: for people and the provenance, never for results.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// When each epoch ended and how quickly it went; kept with the state of a training, so that a resumed one still knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    /// Seconds from the beginning to the end of each epoch, pauses between processes left out.
    ends: Vec<f64>,
    /// Training images a second in each epoch, validation not counted.
    rates: Vec<f64>,
}

impl Times {
    /// The facts of every epoch for the provenance.
    #[must_use]
    pub(crate) fn facts(&self) -> serde_json::Value {
        serde_json::json!({ "ends": self.ends, "images_per_second": self.rates })
    }
}

/// How long parts of the training took in this process.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Instant,
    training: Duration,
    validation: Duration,
    waiting: Duration,
    images: u64,
    /// Seconds of earlier processes.
    before: f64,
    /// Images and training time when the epoch began.
    mark: (u64, Duration),
}

impl Clock {
    /// A clock at zero, of a training that went as `times` tell.
    #[must_use]
    pub(crate) fn after(times: &Times) -> Self {
        let zero = Duration::ZERO;
        let before = times.ends.last().copied().unwrap_or_default();
        Clock { began: Instant::now(), training: zero, validation: zero, waiting: zero, images: 0, before, mark: (0, zero) }
    }

    /// Counts a step on `images` images that began at `since`.
    pub(crate) fn trained(&mut self, since: Instant, images: usize) {
        self.training += since.elapsed();
        self.images += images as u64;
    }

    /// Counts a validation or a probe that began at `since`.
    pub(crate) fn validated(&mut self, since: Instant) {
        self.validation += since.elapsed();
    }

    /// Counts a wait for images that began at `since`.
    pub(crate) fn waited(&mut self, since: Instant) {
        self.waiting += since.elapsed();
    }

    /// Notes the end of an epoch in `times`.
    pub(crate) fn ended(&mut self, times: &mut Times) {
        let thousandths = |value: f64| (value * 1e3).round() / 1e3;
        let (images, training) = self.mark;
        times.ends.push(thousandths(self.before + self.began.elapsed().as_secs_f64()));
        times.rates.push(thousandths((self.images - images) as f64 / self.training.saturating_sub(training).as_secs_f64().max(1e-9)));
        self.mark = (self.images, self.training);
    }

    /// Training images a second, validation not counted.
    #[must_use]
    pub(crate) fn images_per_second(&self) -> f64 {
        self.images as f64 / self.training.as_secs_f64().max(1e-9)
    }

    /// Seconds that `images` more training images need at the speed so far, validation at its share.
    #[must_use]
    pub(crate) fn seconds_left(&self, images: u64) -> f64 {
        let spent = (self.training + self.validation + self.waiting).as_secs_f64();
        spent / (self.images.max(1) as f64) * images as f64
    }

    /// The facts of this process for the provenance.
    #[must_use]
    pub(crate) fn facts(&self) -> serde_json::Value {
        serde_json::json!({
            "images": self.images,
            "images_per_second": self.images_per_second(),
            "training_seconds": self.training.as_secs_f64(),
            "validation_seconds": self.validation.as_secs_f64(),
            "waiting_seconds": self.waiting.as_secs_f64(),
        })
    }
}
