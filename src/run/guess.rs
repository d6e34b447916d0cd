//! How long each instance will take, and on what grounds.

use planish_cache::Store;
use planish_contract::Work;

use crate::plan::Plan;

use super::budget::Total;
use super::forecast::Forecast;
use super::history::History;
use super::outlook::Prospect;
use super::provenance::Provenance;
use super::throughput::{Rate, Throughput, Usual};

/// How long an instance will take.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    /// In seconds; `None` when nothing is known of it.
    pub seconds: Option<f64>,
    /// Why so.
    pub ground: Ground<'a>,
}

/// What a guess is based on.
#[derive(Clone, Copy, Debug)]
pub enum Ground<'a> {
    /// Its result is there.
    Hit,
    /// The same instance took so long the last time.
    Before,
    /// Its work and a throughput.
    Rate(&'a Rate),
    /// What results of its stage kind usually took.
    Usual(&'a Usual),
    /// Nothing.
    Unknown,
}

/// What instances took before, and how much work that was.
#[derive(Clone, Copy)]
pub struct Earlier<'a> {
    /// When each instance last ran.
    pub history: &'a History,
    /// Where their results are.
    pub store: &'a Store,
}

impl Earlier<'_> {
    /// How many seconds an instance took the last time.
    #[must_use]
    pub fn seconds(self, instance: &str) -> Option<f64> {
        self.history.past(instance)?.seconds
    }

    /// How much work that was, if it was recorded. Reads the result's entry.
    fn work(self, instance: &str) -> Option<Work> {
        let entry = self.store.peek(&self.history.past(instance)?.key?).ok()??;
        Work::read(Provenance::read(&entry.provenance).facts.get(Work::FACT)?)
    }
}

/// How long each instance of `plan` will take on the device of `throughput`; the `past` counts first, if there is one on that device: as long
/// as the last time, or longer by as much as there is more work.
#[must_use]
pub fn guesses<'a>(
    plan: &Plan,
    forecasts: &[Forecast],
    prospects: &[Prospect],
    throughput: &'a Throughput,
    past: Option<Earlier<'_>>,
) -> Vec<Guess<'a>> {
    let total = Total { cpus: throughput.processors, memory: u64::MAX, gpus: Vec::new() };
    let guess = |((instance, forecast), prospect): ((&crate::plan::Instance, &Forecast), &Prospect)| {
        if matches!(forecast, Forecast::Hit { .. }) {
            return Guess { seconds: Some(0.0), ground: Ground::Hit };
        }
        if let Some((past, seconds)) = past.and_then(|past| Some((past, past.seconds(&instance.id)?))) {
            // What may turn out to be less is not what was done.
            let now = prospect.work.as_ref().filter(|work| !work.at_most);
            let scale = now.and_then(|now| Some(now.amount / past.work(&instance.id)?.amount)).unwrap_or(1.0);
            return Guess { seconds: Some(scale * seconds), ground: Ground::Before };
        }
        let cpus = total.clamp(instance.resources).0.cpus.max(1) as f64;
        let rated = prospect.work.as_ref().and_then(|work| {
            let rate = throughput.rate(&instance.kind, work)?;
            Some(Guess { seconds: Some(work.amount / (rate.per_second * cpus)), ground: Ground::Rate(rate) })
        });
        // What others of the kind took tells nothing of work of another size.
        let usual = || throughput.usual(&instance.kind).map(|usual| Guess { seconds: Some(usual.seconds), ground: Ground::Usual(usual) });
        rated.or_else(|| if prospect.work.is_some() { None } else { usual() }).unwrap_or(Guess { seconds: None, ground: Ground::Unknown })
    };
    plan.instances.iter().zip(forecasts).zip(prospects).map(guess).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run::testing::plan_of;
    use crate::run::tests::open;
    use crate::run::throughput::Basis;

    #[test]
    fn work_is_divided_by_the_throughput_of_as_many_processors() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let history = History::load(&store, Path::new("pipeline.toml"), None);
        let mut plan = plan_of(&[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[])]);
        plan.instances[1].resources.cpus = 4;
        plan.instances[2].kind = "other".to_owned();
        plan.instances[3].kind = "unheard".to_owned();
        let forecasts = vec![Forecast::Depends { on: Vec::new() }; 4];
        let work = Work { amount: 600.0, like: "cnn".to_owned(), at_most: false, device: None };
        let mut prospects = vec![Prospect { work: Some(work), ..Prospect::default() }; 2];
        prospects.resize(4, Prospect::default());
        let rate = Rate { kind: "command".to_owned(), like: "cnn".to_owned(), per_second: 10.0, basis: Basis::Results(3), largest: None };
        let usual = Usual { kind: "other".to_owned(), seconds: 7.0, results: 1 };
        let throughput = Throughput { device: "here".to_owned(), processors: 2, rates: vec![rate], usual: vec![usual] };
        let found = guesses(&plan, &forecasts, &prospects, &throughput, Some(Earlier { history: &history, store: &store }));
        // Four processors are more than there are.
        let seconds: Vec<Option<f64>> = found.iter().map(|guess| guess.seconds).collect();
        assert_eq!(seconds, [Some(60.0), Some(30.0), Some(7.0), None]);
        assert!(matches!(found[0].ground, Ground::Rate(_)) && matches!(found[2].ground, Ground::Usual(_)));
    }
}
