//! What can be decided about next, and what waits for room. Each step costs what it touches, never the whole plan.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::NodeIndex;
use planish_cache::Key;

use crate::plan::Plan;

/// A place in the order of starting: the longest remaining chain first, then as planned.
type Rank = (Reverse<Seconds>, usize);

/// Seconds in their total order.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seconds(f64);

impl Eq for Seconds {}

impl PartialOrd for Seconds {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Seconds {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The instances of a plan on their way from waiting to running.
#[derive(Debug)]
pub(super) struct Queue {
    /// For each instance, how many instances that it takes from are not over yet.
    waiting: Vec<usize>,
    /// What can be decided about, in the order of the plan.
    undecided: BTreeSet<usize>,
    /// What can start, in the order of starting.
    ready: BTreeSet<Rank>,
    priorities: Vec<f64>,
    /// The keys that are being made → the instances that wait for the same result.
    making: BTreeMap<Key, Vec<usize>>,
}

impl Queue {
    /// Everything waits, except what takes from nothing. `priorities` are the seconds that remain from an instance to the end.
    pub(super) fn new(plan: &Plan, priorities: Vec<f64>) -> Self {
        let mut waiting = vec![0; plan.instances.len()];
        for edge in plan.graph.raw_edges() {
            if let Some(count) = waiting.get_mut(edge.target().index()) {
                *count += 1;
            }
        }
        let undecided = waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
        Queue { waiting, undecided, ready: BTreeSet::new(), priorities, making: BTreeMap::new() }
    }

    /// An instance is over. What takes from it can be decided about if it was the last to wait for, or if it has no result.
    pub(super) fn over(&mut self, plan: &Plan, index: usize, has_result: bool) {
        for dependent in plan.graph.neighbors(NodeIndex::new(index)).map(NodeIndex::index) {
            let Some(count) = self.waiting.get_mut(dependent) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 || !has_result {
                self.undecided.insert(dependent);
            }
        }
    }

    /// The next instance that can be decided about.
    pub(super) fn undecided(&mut self) -> Option<usize> {
        self.undecided.pop_first()
    }

    /// An instance can start.
    pub(super) fn ready(&mut self, index: usize) {
        let rank = self.rank(index);
        self.ready.insert(rank);
    }

    /// What can start, in the order of starting, from `after` on.
    pub(super) fn next_ready(&self, after: Option<usize>) -> Option<usize> {
        let mut rest = match after {
            None => self.ready.range(..),
            Some(index) => self.ready.range((std::ops::Bound::Excluded(self.rank(index)), std::ops::Bound::Unbounded)),
        };
        rest.next().map(|(_, index)| *index)
    }

    fn rank(&self, index: usize) -> Rank {
        (Reverse(Seconds(self.priorities.get(index).copied().unwrap_or_default())), index)
    }

    /// Two instances with one key are one piece of work: whether `key` is being made, so that the instance waits for that.
    pub(super) fn waits_for_twin(&mut self, index: usize, key: &Key) -> bool {
        let rank = self.rank(index);
        let Some(twins) = self.making.get_mut(key) else { return false };
        twins.push(index);
        self.ready.remove(&rank);
        true
    }

    /// An instance is started.
    pub(super) fn started(&mut self, index: usize, key: Key) {
        let rank = self.rank(index);
        self.ready.remove(&rank);
        // Of one that is tried again, others wait already.
        self.making.entry(key).or_default();
    }

    /// The work on a key has ended; the instances that waited for it.
    pub(super) fn made(&mut self, key: &Key) -> Vec<usize> {
        self.making.remove(key).unwrap_or_default()
    }

    /// How many keys are being made.
    pub(super) fn running(&self) -> usize {
        self.making.len()
    }
}

#[cfg(test)]
mod tests {
    use planish_cache::Digest;

    use super::*;
    use crate::run::testing::plan_of;

    fn all(queue: &mut Queue) -> Vec<usize> {
        std::iter::from_fn(|| queue.undecided()).collect()
    }

    #[test]
    fn instances_are_decided_about_once_their_sources_are_over() {
        let plan = plan_of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"]), ("d", &["c"])]);
        let mut queue = Queue::new(&plan, vec![1.0; 4]);
        assert_eq!(all(&mut queue), [0, 1]);
        queue.over(&plan, 0, true);
        assert!(all(&mut queue).is_empty());
        queue.over(&plan, 1, true);
        assert_eq!(all(&mut queue), [2]);
    }

    #[test]
    fn a_source_without_result_decides_at_once() {
        let plan = plan_of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
        let mut queue = Queue::new(&plan, vec![1.0; 3]);
        all(&mut queue);
        queue.over(&plan, 0, false);
        assert_eq!(all(&mut queue), [2]);
    }

    #[test]
    fn the_longest_chain_starts_first_and_twins_wait() {
        let plan = plan_of(&[("a", &[]), ("b", &[]), ("c", &[])]);
        let mut queue = Queue::new(&plan, vec![1.0, 3.0, 1.0]);
        (0..3).for_each(|index| queue.ready(index));
        assert_eq!((queue.next_ready(None), queue.next_ready(Some(1)), queue.next_ready(Some(2))), (Some(1), Some(0), None));
        let key = Key::new(Digest::of(b"key"));
        queue.started(1, key);
        assert_eq!(queue.running(), 1);
        assert!(queue.waits_for_twin(0, &key) && !queue.waits_for_twin(2, &Key::new(Digest::of(b"other"))));
        assert_eq!(queue.next_ready(None), Some(2));
        assert_eq!(queue.made(&key), [0]);
        assert_eq!(queue.running(), 0);
    }
}
