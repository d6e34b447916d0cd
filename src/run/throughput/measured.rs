//! Throughputs that were measured on this machine: by the results in a store, and by trials that are kept beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use planish_cache::{Store, StoreError};
use planish_contract::Work;

use super::{Basis, Rate, Throughput, Usual};
use crate::run::provenance::Provenance;
use crate::run::{machine, record};

/// The file of trials in the folder of runs.
const TRIALS: &str = "throughput.json";

/// What results of one kind came to.
#[derive(Default)]
struct Sum {
    amount: f64,
    largest: f64,
    seconds: f64,
    results: usize,
}

impl Sum {
    fn add(&mut self, amount: f64, seconds: f64) {
        (self.amount, self.largest) = (self.amount + amount, self.largest.max(amount));
        (self.seconds, self.results) = (self.seconds + seconds, self.results + 1);
    }
}

impl Throughput {
    /// What the results in `store` that were made on this machine, and the trials kept beside them, tell.
    ///
    /// # Errors
    /// A store that fails.
    pub fn of_store(store: &Store, device: Option<&str>) -> Result<Self, StoreError> {
        let mut throughput = Throughput::unknown(device);
        let (mut sums, mut usual): (BTreeMap<(String, String), Sum>, BTreeMap<String, Sum>) = Default::default();
        for entry in store.entries()? {
            let entry = entry?;
            let provenance = Provenance::read(&entry.provenance);
            let work = provenance.facts.get(Work::FACT).and_then(Work::read);
            let accelerated = provenance.gpus.is_some() || work.as_ref().is_some_and(|work| work.device.is_some());
            if provenance.host != machine::host() || accelerated != device.is_some() || !provenance.seconds.is_finite() {
                continue;
            }
            usual.entry(entry.kind.clone()).or_default().add(0.0, provenance.seconds);
            let Some(work) = work else { continue };
            let threads = if device.is_some() { 1 } else { provenance.threads.max(1) };
            sums.entry((entry.kind, work.like)).or_default().add(work.amount, provenance.seconds * threads as f64);
        }
        let rates = sums.into_iter().filter(|(_, sum)| sum.seconds > 0.0);
        throughput.rates.extend(rates.map(|((kind, like), sum)| Rate {
            per_second: sum.amount / sum.seconds,
            basis: Basis::Results(sum.results),
            largest: Some(sum.largest),
            kind,
            like,
        }));
        throughput.usual.extend(usual.into_iter().map(|(kind, sum)| Usual {
            seconds: sum.seconds / sum.results.max(1) as f64,
            results: sum.results,
            kind,
        }));
        throughput.rates.extend(trials(store).into_iter().filter(|kept| kept.device == throughput.device).flat_map(|kept| kept.rates));
        Ok(throughput)
    }
}

fn path(store: &Store) -> PathBuf {
    store.runs_dir().join(TRIALS)
}

/// The trials that are kept, a device each; none when they can't be read.
fn trials(store: &Store) -> Vec<Throughput> {
    let text = record::read(store, &path(store)).unwrap_or_default();
    let kept: Vec<Throughput> = serde_json::from_slice(&text).unwrap_or_default();
    kept.into_iter().filter(|kept| kept.check().is_ok()).collect()
}

/// Keeps trials on the device of `throughput` beside the results, in place of earlier ones of the same.
///
/// # Errors
/// A store that can't be written.
pub fn keep_trials(store: &Store, throughput: &Throughput, new: &[Rate]) -> Result<(), StoreError> {
    let replaced: BTreeSet<(&str, &str)> = new.iter().map(|rate| (rate.kind.as_str(), rate.like.as_str())).collect();
    let mut kept = trials(store);
    let mut rates: Vec<Rate> = Vec::new();
    kept.retain(|other| {
        let own = other.device == throughput.device;
        if own {
            rates.extend(other.rates.iter().filter(|rate| !replaced.contains(&(rate.kind.as_str(), rate.like.as_str()))).cloned());
        }
        !own
    });
    rates.extend(new.iter().cloned());
    kept.push(Throughput { rates, usual: Vec::new(), ..throughput.clone() });
    store.write_atomic(&path(store), &serde_json::to_vec_pretty(&kept).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::throughput::now;

    #[test]
    fn trials_are_kept_and_replaced_and_damage_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::run::tests::open(folder.path());
        let here = Throughput::unknown(None);
        let trial = |kind: &str, per_second| Rate {
            kind: kind.to_owned(),
            like: "cnn".to_owned(),
            per_second,
            basis: Basis::Trial(now()),
            largest: None,
        };
        keep_trials(&store, &here, &[trial("train", 1.0), trial("attack", 2.0)]).unwrap();
        keep_trials(&store, &Throughput::unknown(Some("cuda:0")), &[trial("train", 9.0)]).unwrap();
        keep_trials(&store, &here, &[trial("train", 3.0)]).unwrap();
        let known =
            |device| -> Vec<f64> { Throughput::of_store(&store, device).unwrap().rates.iter().map(|rate| rate.per_second).collect() };
        assert_eq!((known(None), known(Some("cuda:0"))), (vec![2.0, 3.0], vec![9.0]));
        std::fs::write(path(&store), "[{").unwrap();
        assert_eq!(known(None), Vec::<f64>::new());
    }
}
