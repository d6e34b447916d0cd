//! How long a run still takes, from how long its instances took before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::plan::Plan;

use super::budget::Total;
use super::history::History;

/// Where an instance stands, as far as time goes.
#[derive(Clone, Copy, Debug)]
enum Stand {
    Waiting,
    Running(Instant),
    Over,
}

/// How long a run still takes.
#[derive(Debug)]
pub struct Estimate<'a> {
    plan: &'a Plan,
    cpus: f64,
    /// What each instance takes of the processors, at most all.
    shares: Vec<f64>,
    /// How long each instance took the last time.
    seconds: Vec<Option<f64>>,
    /// Stage → the sum and number of known durations: what others of the stage will take.
    stages: BTreeMap<&'a str, (f64, u32)>,
    stands: Vec<Stand>,
}

impl<'a> Estimate<'a> {
    /// Nothing has begun.
    #[must_use]
    pub fn new(plan: &'a Plan, history: &History, total: &Total) -> Self {
        Self::of(plan, plan.instances.iter().map(|i| history.past(&i.id).and_then(|past| past.seconds)).collect(), total)
    }

    /// Nothing has begun, and each instance takes `seconds`, where that is known.
    #[must_use]
    pub fn of(plan: &'a Plan, seconds: Vec<Option<f64>>, total: &Total) -> Self {
        let shares = plan.instances.iter().map(|instance| total.clamp(instance.resources).0.cpus as f64).collect();
        let stands = vec![Stand::Waiting; seconds.len()];
        let mut estimate = Estimate { plan, cpus: total.cpus as f64, shares, seconds: Vec::new(), stages: BTreeMap::new(), stands };
        for (instance, seconds) in plan.instances.iter().zip(&seconds) {
            estimate.learn(&instance.stage, *seconds);
        }
        estimate.seconds = seconds;
        estimate
    }

    fn learn(&mut self, stage: &'a str, seconds: Option<f64>) {
        if let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) {
            let (sum, number) = self.stages.entry(stage).or_default();
            (*sum, *number) = (*sum + seconds, *number + 1);
        }
    }

    /// How long an instance is expected to take, if it or others of its stage have run.
    #[must_use]
    pub fn expected(&self, index: usize) -> Option<f64> {
        let stage = self.plan.instances.get(index)?.stage.as_str();
        let usual = self.stages.get(stage).map(|(sum, number)| sum / f64::from(*number));
        self.seconds.get(index).copied().flatten().or(usual)
    }

    /// An instance starts.
    pub fn started(&mut self, index: usize, now: Instant) {
        self.stand(index, Stand::Running(now));
    }

    /// An instance is over; it took `seconds`, if it ran to its end.
    pub fn over(&mut self, index: usize, seconds: Option<f64>) {
        self.stand(index, Stand::Over);
        if let Some(instance) = self.plan.instances.get(index).filter(|_| self.seconds.get(index).is_some_and(Option::is_none)) {
            self.learn(&instance.stage, seconds);
        }
    }

    fn stand(&mut self, index: usize, stand: Stand) {
        if let Some(place) = self.stands.get_mut(index) {
            *place = stand;
        }
    }

    /// How long until everything is over: the longest chain, or all the work shared among the processors, whichever takes longer. `None`
    /// as long as it is not known of something how long it takes.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.left(now, None)
    }

    /// The same with nothing for what is not known, and the stages of which that is so.
    #[must_use]
    pub fn known(&self, now: Instant) -> (Duration, BTreeSet<&'a str>) {
        let waits = |index: usize| !matches!(self.stands.get(index), Some(Stand::Over));
        let unknown = self.plan.instances.iter().enumerate().filter(|(index, _)| waits(*index) && self.expected(*index).is_none());
        (self.left(now, Some(0.0)).unwrap_or_default(), unknown.map(|(_, instance)| instance.stage.as_str()).collect())
    }

    /// Counts `unknown` seconds for what is not known.
    fn left(&self, now: Instant, unknown: Option<f64>) -> Option<Duration> {
        let expected = |index: usize| self.expected(index).or(unknown);
        let (mut work, mut longest) = (0.0, 0.0_f64);
        let mut after = vec![0.0_f64; self.stands.len()];
        for (index, instance) in self.plan.instances.iter().enumerate().rev() {
            let left = match self.stands.get(index)? {
                Stand::Over => 0.0,
                Stand::Waiting => expected(index)?,
                Stand::Running(since) => (expected(index)? - now.saturating_duration_since(*since).as_secs_f64()).max(0.0),
            };
            work += left * self.shares.get(index).copied().unwrap_or(1.0);
            let chain = left + after.get(index).copied().unwrap_or_default();
            longest = longest.max(chain);
            for source in instance.inputs.iter().flat_map(|input| &input.sources) {
                if let Some(after) = after.get_mut(source.instance) {
                    *after = after.max(chain);
                }
            }
        }
        Duration::try_from_secs_f64(longest.max(work / self.cpus)).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::run::testing::plan_of;
    use crate::run::tests::open;

    #[test]
    fn what_remains_is_the_longest_chain_or_the_shared_work() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::load(&open(folder.path()), Path::new("pipeline.toml"), None);
        let mut plan = plan_of(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &[])]);
        for (instance, stage) in plan.instances.iter_mut().zip(["x", "x", "y", "y"]) {
            instance.stage = stage.to_owned();
        }
        let mut estimate = Estimate::new(&plan, &history, &Total { cpus: 2, memory: 0, gpus: Vec::new() });
        let now = Instant::now();
        let seconds = |estimate: &Estimate<'_>, at| estimate.remaining(now + Duration::from_secs(at)).map(|left| left.as_secs_f64());
        assert_eq!(seconds(&estimate, 0), None, "nothing has ever run");
        estimate.started(0, now);
        estimate.over(0, Some(10.0));
        assert_eq!((estimate.expected(1), seconds(&estimate, 10)), (Some(10.0), None), "nothing is known of `y`");
        estimate.over(2, Some(4.0));
        assert_eq!(seconds(&estimate, 10), Some(10.0), "the longest chain");
        estimate.started(1, now);
        assert_eq!(seconds(&estimate, 9), Some(4.0), "`d` has not begun");
        estimate.over(3, None);
        assert_eq!((seconds(&estimate, 9), seconds(&estimate, 99)), (Some(1.0), Some(0.0)));
    }
}
