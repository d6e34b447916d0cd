//! Which ready instance goes first: the one with the longest work still behind it.

use crate::plan::Plan;

/// For each instance, the seconds from its start to the end of the longest chain that needs it, when
/// each instance takes `seconds` (unknown ones the mean of the known, or one second).
#[must_use]
pub(super) fn remaining(plan: &Plan, seconds: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<f64> = seconds.iter().flatten().copied().filter(|s| s.is_finite()).collect();
    let usual = if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
    let mut after = vec![0.0_f64; plan.instances.len()];
    let mut total = after.clone();
    // Each instance comes after everything it needs; so backwards, every dependent is done already.
    for (index, instance) in plan.instances.iter().enumerate().rev() {
        let own = seconds.get(index).copied().flatten().filter(|s| s.is_finite()).unwrap_or(usual);
        let sum = own.max(f64::MIN_POSITIVE) + after.get(index).copied().unwrap_or_default();
        if let Some(place) = total.get_mut(index) {
            *place = sum;
        }
        for source in instance.inputs.iter().flat_map(|input| &input.sources) {
            if let Some(longest) = after.get_mut(source.instance) {
                *longest = longest.max(sum);
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::plan_of;

    #[test]
    fn the_longest_chain_counts() {
        // a → b → d, a → c
        let plan = plan_of(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b"])]);
        assert_eq!(remaining(&plan, &[None; 4]), [3.0, 2.0, 1.0, 1.0]);
        let known = [Some(1.0), None, Some(9.0), Some(2.0)];
        assert_eq!(remaining(&plan, &known), [10.0, 6.0, 9.0, 2.0]);
    }
}
