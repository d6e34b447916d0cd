//! What is known of an instance before it runs: how much work it is, and what stages behind it may count on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An amount of computation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// How much, in multiply-accumulates.
    pub amount: f64,
    /// What is computed: a family, then what tells its members apart, such as `wide-resnet depth=28 width=8`. Throughputs of the same are
    /// compared first, then those of one family.
    pub like: String,
    /// Whether it may turn out to be less.
    #[serde(default)]
    pub at_most: bool,
    /// What computed it, where that was not the processor; nothing before it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl Work {
    /// The name of the fact under which a stage records what it did, see [`crate::Context::record_work`].
    pub const FACT: &'static str = "work";

    /// The first word of what is computed.
    #[must_use]
    pub fn family(&self) -> &str {
        family(&self.like)
    }

    /// The work of a stage that recorded some that can be divided by.
    #[must_use]
    pub fn read(fact: &Value) -> Option<Work> {
        Work::deserialize(fact).ok().filter(|work| work.amount.is_finite() && work.amount > 0.0)
    }
}

/// The first word of [`Work::like`].
#[must_use]
pub fn family(like: &str) -> &str {
    like.split(' ').next().unwrap_or(like)
}

/// Input → what the instance that is connected to it makes known ([`Outlook::facts`]). Gathered inputs are not here.
pub type Known = BTreeMap<String, Value>;

/// What is known of an instance before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// How much work it is; `None` when that is not known, or too little to count.
    pub work: Option<Work>,
    /// What it makes known of its outputs; null when nothing.
    pub facts: Value,
}

impl Outlook {
    /// An outlook that makes `facts` known, which serialise as JSON.
    #[must_use]
    pub fn of(work: Option<Work>, facts: &impl Serialize) -> Self {
        Outlook { work, facts: serde_json::to_value(facts).unwrap_or_default() }
    }
}
