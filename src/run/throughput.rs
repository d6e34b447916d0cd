//! How quickly work is done: what results in a store tell, and trials.

mod measured;

use std::path::Path;

use planish_contract::{Work, family};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine;
use crate::spec::read_bounded;

pub use measured::keep_trials;

/// The stage kind that stands for all.
const ANY: &str = "any";

/// How quickly a device does the work of stages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// What the work was done on.
    pub device: String,
    /// How many processors it has; 1 for an accelerator.
    pub processors: usize,
    /// Throughputs.
    pub rates: Vec<Rate>,
    /// How long results took of stage kinds that can't tell how much work they are.
    #[serde(default)]
    pub usual: Vec<Usual>,
}

/// A throughput.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// The stage kind; `any` stands for all.
    pub kind: String,
    /// What was computed, such as `wide-resnet depth=28 width=8`.
    pub like: String,
    /// Multiply-accumulates a second of one processor.
    pub per_second: f64,
    /// Where the number comes from.
    pub basis: Basis,
    /// The most work of one of the results. It tells of work up to a thousand times as much: small ones are mostly beginnings and ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest: Option<f64>,
}

/// Where a throughput comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// So many results of a store, from beginning to end.
    Results(usize),
    /// A trial of some seconds; when it was made.
    Trial(String),
    /// Nothing was measured; what was assumed.
    Assumed(String),
}

/// How long results of a stage kind took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usual {
    /// The stage kind.
    pub kind: String,
    /// Their mean, in seconds.
    pub seconds: f64,
    /// How many there are.
    pub results: usize,
}

impl Throughput {
    /// The device of the name `device` (`None`: the processors) of this machine; nothing is known of it.
    #[must_use]
    pub fn unknown(device: Option<&str>) -> Self {
        let (name, processors) = match device {
            Some(accelerator) => (format!("{accelerator} of {}", machine::host()), 1),
            None => (format!("{} ({})", machine::host(), machine::cpu_features()), machine::processors()),
        };
        Throughput { device: name, processors, ..Throughput::default() }
    }

    /// A device of which nothing is known but its greatest speed in `teraflops`, of which `share` is assumed to be used: two operations a
    /// multiply-accumulate.
    #[must_use]
    pub fn assumed(teraflops: f64, share: f64) -> Self {
        let words = format!("{:.0} % of {teraflops} TFLOP/s, 2 FLOP a multiply-accumulate", share * 100.0);
        let per_second = teraflops * 1e12 * share / 2.0;
        let rate = Rate { kind: ANY.to_owned(), like: String::new(), per_second, basis: Basis::Assumed(words), largest: None };
        Throughput { device: format!("a device of {teraflops} TFLOP/s"), processors: 1, rates: vec![rate], usual: Vec::new() }
    }

    /// What is wrong with it, in words.
    ///
    /// # Errors
    /// A rate or time that is no positive number; no processors.
    pub fn check(&self) -> Result<(), String> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        if self.processors == 0 {
            return Err("`processors` is 0".to_owned());
        }
        if let Some(rate) = self.rates.iter().find(|rate| !positive(rate.per_second)) {
            return Err(format!("`per_second` of `{}` is {}, not a positive number", rate.kind, rate.per_second));
        }
        match self.usual.iter().find(|usual| !(usual.seconds.is_finite() && usual.seconds >= 0.0)) {
            Some(usual) => Err(format!("`seconds` of `{}` is {}", usual.kind, usual.seconds)),
            None => Ok(()),
        }
    }

    /// The throughput that is nearest to the work of a stage kind: of the same, of its family, of the stage kind, of all.
    #[must_use]
    pub fn rate(&self, kind: &str, work: &Work) -> Option<&Rate> {
        let of_kind = || self.rates.iter().filter(|rate| rate.kind == kind && rate.reaches(work));
        self.exact(kind, work)
            .or_else(|| of_kind().filter(|rate| family(&rate.like) == work.family()).max_by_key(|rate| rate.weight()))
            .or_else(|| of_kind().max_by_key(|rate| rate.weight()))
            .or_else(|| self.rates.iter().find(|rate| rate.kind == ANY))
    }

    /// The throughput that was measured of just this, results before trials.
    #[must_use]
    pub fn exact(&self, kind: &str, work: &Work) -> Option<&Rate> {
        let same = |rate: &&Rate| rate.kind == kind && rate.like == work.like && rate.reaches(work);
        self.rates.iter().filter(same).max_by_key(|rate| rate.weight())
    }

    /// How long results of a stage kind usually took.
    #[must_use]
    pub fn usual(&self, kind: &str) -> Option<&Usual> {
        self.usual.iter().find(|usual| usual.kind == kind)
    }
}

impl Rate {
    /// Whether it tells of so much work.
    fn reaches(&self, work: &Work) -> bool {
        self.largest.is_none_or(|largest| work.amount <= 1000.0 * largest)
    }

    /// How much it is to be trusted.
    fn weight(&self) -> usize {
        match self.basis {
            Basis::Results(count) => count.saturating_add(1),
            Basis::Trial(_) => 1,
            Basis::Assumed(_) => 0,
        }
    }
}

/// The moment of a trial.
#[must_use]
pub fn now() -> String {
    machine::rfc3339(std::time::SystemTime::now())
}

/// Reads a throughput that `planish throughput --json` wrote, perhaps elsewhere.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn read_throughput(path: &Path) -> Result<Throughput, String> {
    const LIMIT: u64 = 1 << 20;
    let text = read_bounded(path, LIMIT, "a throughput")?;
    let throughput: Throughput = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    throughput.check().map(|()| throughput)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(kind: &str, like: &str, per_second: f64, basis: Basis) -> Rate {
        Rate { kind: kind.to_owned(), like: like.to_owned(), per_second, basis, largest: None }
    }

    fn work(like: &str) -> Work {
        Work { amount: 1.0, like: like.to_owned(), at_most: false, device: None }
    }

    #[test]
    fn the_nearest_throughput_is_taken() {
        let trial = || Basis::Trial("now".to_owned());
        let mut throughput = Throughput::assumed(10.0, 0.5);
        assert!((throughput.rate("train", &work("cnn")).unwrap().per_second - 2.5e12).abs() < 1.0);
        throughput.rates.extend([
            rate("train", "cnn width=4", 1.0, Basis::Results(2)),
            rate("train", "wrn depth=10", 2.0, trial()),
            rate("train", "wrn depth=16", 3.0, Basis::Results(1)),
            rate("train", "wrn depth=10", 4.0, Basis::Results(1)),
        ]);
        let found = |kind, like| throughput.rate(kind, &work(like)).unwrap().per_second;
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(found("train", "cnn width=4"), 1.0);
        close(found("train", "wrn depth=10"), 4.0);
        assert!(found("train", "wrn depth=28") > 2.5, "of the family, results before trials");
        close(found("train", "resnet depth=18"), 1.0);
        close(found("attack", "cnn width=4"), 2.5e12);
        assert_eq!(throughput.exact("train", &work("wrn depth=28")), None);
        throughput.rates = vec![Rate { largest: Some(0.5), ..rate("train", "cnn", 1.0, Basis::Results(1)) }];
        assert!(throughput.rate("train", &work("cnn")).is_some());
        throughput.rates = vec![Rate { largest: Some(0.0005), ..rate("train", "cnn", 1.0, Basis::Results(1)) }];
        assert_eq!(throughput.rate("train", &work("cnn")), None, "a thousand times as much is too much");
    }

    #[test]
    fn files_from_elsewhere_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gpu.json");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_throughput(&file)
        };
        assert_eq!(read_throughput(folder.path()).unwrap_err(), "it is a folder, not a file");
        assert!(read(&" ".repeat((1 << 20) + 1)).unwrap_err().contains("larger than 1 MiB"));
        let good = Throughput::assumed(19.5, 0.3);
        assert_eq!(read(&serde_json::to_string(&good).unwrap()), Ok(good.clone()));
        assert!(read("{}").unwrap_err().contains("device"));
        let zero = Throughput { rates: vec![rate("train", "", 0.0, Basis::Results(1))], ..good.clone() };
        assert!(read(&serde_json::to_string(&zero).unwrap()).unwrap_err().contains("`per_second` of `train` is 0"));
        assert!(read(&serde_json::to_string(&Throughput { processors: 0, ..good }).unwrap()).unwrap_err().contains("processors"));
    }
}
