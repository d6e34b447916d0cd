//! The rows or columns of a table: variants of an axis, or named groups of instances.

use std::collections::{BTreeMap, BTreeSet};

use planish_contract::{Coordinates, Invalid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Value;

/// Axis → the labels that match. Instances that lack one of the axes don't.
pub type Condition = BTreeMap<String, Vec<String>>;

/// Whether an instance at `coordinates` meets `condition`.
pub(crate) fn meets(coordinates: &Coordinates, condition: &Condition) -> bool {
    condition.iter().all(|(axis, labels)| coordinates.get(axis).is_some_and(|c| labels.contains(&c.label)))
}

/// The same for an instance of another input: axes that it does not carry don't count.
pub(crate) fn meets_where_carried(coordinates: &Coordinates, condition: &Condition) -> bool {
    condition.iter().all(|(axis, labels)| coordinates.get(axis).is_none_or(|c| labels.contains(&c.label)))
}

/// Why a table or figure (`what`) can't be made of instances at these coordinates: they differ on an axis that is not `known`, neither shown nor
/// declared to be averaged over.
pub(crate) fn hidden_axis<'a>(
    what: &str,
    instances: impl Iterator<Item = &'a Coordinates>,
    known: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (axis, coordinate) in instances.flatten() {
        labels.entry(axis).or_default().insert(&coordinate.label);
    }
    let (axis, found) = labels.into_iter().find(|(axis, found)| found.len() > 1 && !known(axis))?;
    let found: Vec<&str> = found.into_iter().collect();
    Some(format!(
        "the evidence differs on axis `{axis}` ({}), which the {what} neither shows nor averages over: add `{axis}` to `over`, or show a \
         part: where = {{ {axis} = [\"{}\"] }}",
        found.join(", "),
        found.first().unwrap_or(&"")
    ))
}

/// The rows or columns of a table: either the variants of `axis`, or `groups`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// The axis whose variants are the lines.
    #[serde(default)]
    pub axis: Option<String>,
    /// Named groups of instances, in the order to show. The attacks of one model that share a column count as one: the worst case, image
    /// by image.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Labels of the axis in the order to show; labels that are not listed follow, sorted.
    #[serde(default)]
    pub order: Vec<String>,
    /// What to print instead of a label.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// What the cells of a column count, by its label, where that is not the table's `value`.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
}

/// A named group of instances.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What references and `names` call it.
    pub label: String,
    /// Which instances belong to it: axis → labels.
    #[serde(rename = "where")]
    pub condition: Condition,
}

impl Lines {
    /// What to print for `label`.
    #[must_use]
    pub fn name<'a>(&'a self, label: &'a str) -> &'a str {
        self.names.get(label).map_or(label, String::as_str)
    }

    /// The axes that tell the lines apart.
    pub(crate) fn axes(&self) -> BTreeSet<&str> {
        let grouped = self.groups.iter().flat_map(|group| group.condition.keys());
        self.axis.iter().chain(grouped).map(String::as_str).collect()
    }

    /// Whether an instance belongs to line `label`.
    pub(crate) fn holds(&self, coordinates: &Coordinates, label: &str) -> bool {
        match &self.axis {
            Some(axis) => coordinates.get(axis).is_some_and(|c| c.label == label),
            None => self.groups.iter().any(|group| group.label == label && meets(coordinates, &group.condition)),
        }
    }

    /// Whether an instance belongs to any line.
    pub(crate) fn holds_any(&self, coordinates: &Coordinates) -> bool {
        match &self.axis {
            Some(axis) => coordinates.contains_key(axis),
            None => self.groups.iter().any(|group| meets(coordinates, &group.condition)),
        }
    }

    /// The labels of all lines, in the order to show, given the instances that are shown.
    pub(crate) fn labels<'a>(&self, instances: impl Iterator<Item = &'a Coordinates>) -> Vec<String> {
        let Some(axis) = &self.axis else {
            return self.groups.iter().map(|group| group.label.clone()).collect();
        };
        let present: BTreeSet<&str> = instances.filter_map(|c| c.get(axis)).map(|c| c.label.as_str()).collect();
        let declared = self.order.iter().map(String::as_str).filter(|label| present.contains(label));
        let rest = present.iter().copied().filter(|label| !self.order.iter().any(|known| known == label));
        declared.chain(rest).map(str::to_owned).collect()
    }

    /// Checks that the lines are declared in one way.
    pub(crate) fn validate(&self, path: &[&str]) -> Result<(), Invalid> {
        let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
        let refuse = |key: Option<&str>, message: String, hint: &str| {
            let path = path.iter().cloned().chain(key.map(str::to_owned)).collect();
            Err(Invalid { path, message, hint: Some(hint.to_owned()) })
        };
        match (&self.axis, self.groups.is_empty()) {
            (None, true) => return refuse(None, "neither an axis nor groups".to_owned(), "write { axis = \"method\" }"),
            (Some(_), false) => return refuse(Some("groups"), "both an axis and groups".to_owned(), "leave one of them out"),
            _ => {}
        }
        let mut labels = BTreeSet::new();
        for group in &self.groups {
            if !labels.insert(&group.label) {
                return refuse(Some("groups"), format!("two groups are called `{}`", group.label), "give each a label of its own");
            }
            if group.condition.is_empty() {
                let hint = "write where = { method = [\"adv\"] }";
                return refuse(Some("groups"), format!("group `{}` names no axis", group.label), hint);
            }
        }
        Ok(())
    }
}
