//! What is known of each instance before it runs: how much work it is. Pure.

use planish_contract::{Known, Outlook, Work};

use crate::plan::Plan;
use crate::spec::Kinds;

/// What is known of an instance before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prospect {
    /// How much work it is, where that is known.
    pub work: Option<Work>,
    /// What is known of what is connected to its inputs.
    pub known: Known,
}

/// What is known of each instance of `plan`, in its order: stages tell those behind them what they know of their outputs.
#[must_use]
pub fn prospects(plan: &Plan, kinds: &dyn Kinds) -> Vec<Prospect> {
    let mut outlooks: Vec<Outlook> = Vec::with_capacity(plan.instances.len());
    let mut prospects = Vec::with_capacity(plan.instances.len());
    for instance in &plan.instances {
        let mut known = Known::new();
        for input in instance.inputs.iter().filter(|input| !input.gather) {
            let facts = input.sources.first().and_then(|source| outlooks.get(source.instance)).map(|outlook| &outlook.facts);
            known.extend(facts.filter(|facts| !facts.is_null()).map(|facts| (input.name.clone(), facts.clone())));
        }
        let outlook = kinds.get(&instance.kind).map(|kind| kind.outlook(&instance.parameters, &known)).unwrap_or_default();
        prospects.push(Prospect { work: outlook.work.clone().filter(|work| work.amount.is_finite() && work.amount > 0.0), known });
        outlooks.push(outlook);
    }
    prospects
}
