//! Whether an instance can run, given what is known of the instances that it takes from.

use std::collections::BTreeMap;

use planish_cache::Digest;

use crate::plan::Instance;

/// What is known of an instance that another takes from.
#[derive(Clone, Copy, Debug)]
pub enum Upstream<'a> {
    /// Not done yet.
    Unknown,
    /// There will be no result in this run.
    Absent,
    /// Its outputs: name → digest.
    Made(&'a BTreeMap<String, Digest>),
}

/// Whether an instance can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// All it takes is known.
    Ready,
    /// These instances come first.
    Waiting(Vec<usize>),
    /// These instances have no result, and it can't do without.
    Blocked(Vec<usize>),
}

/// Whether `instance` can run, given what `upstream` knows of each instance by its index in the plan.
pub(super) fn readiness<'a>(instance: &Instance, upstream: impl Fn(usize) -> Upstream<'a>) -> Readiness {
    let (mut waiting, mut missing) = (Vec::new(), Vec::new());
    for input in &instance.inputs {
        for source in &input.sources {
            match upstream(source.instance) {
                Upstream::Unknown => waiting.push(source.instance),
                Upstream::Absent if !input.optional => missing.push(source.instance),
                Upstream::Absent | Upstream::Made(_) => {}
            }
        }
    }
    for list in [&mut waiting, &mut missing] {
        list.sort_unstable();
        list.dedup();
    }
    match (missing.is_empty(), waiting.is_empty()) {
        (false, _) => Readiness::Blocked(missing),
        (true, false) => Readiness::Waiting(waiting),
        (true, true) => Readiness::Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::plan_of;

    #[test]
    fn a_missing_result_blocks_unless_the_input_is_optional() {
        let mut plan = plan_of(&[("a", &[]), ("b", &[]), ("c", &["a", "b"])]);
        let made = BTreeMap::new();
        let state = |index: usize| if index == 0 { Upstream::Made(&made) } else { Upstream::Absent };
        assert_eq!(readiness(&plan.instances[2], |_| Upstream::Unknown), Readiness::Waiting(vec![0, 1]));
        assert_eq!(readiness(&plan.instances[2], state), Readiness::Blocked(vec![1]));
        for input in &mut plan.instances[2].inputs {
            input.optional = true;
        }
        assert_eq!(readiness(&plan.instances[2], state), Readiness::Ready);
    }
}
