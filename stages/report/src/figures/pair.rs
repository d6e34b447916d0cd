//! Two attacks side by side, image by image.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::{Bar, Scale, bars};
use super::{Drawn, Obstacle, Scene};
use crate::csv::quote;
use crate::lines::Lines;

/// Two attacks side by side, such as the same one with two losses: which images only one of them breaks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The two attacks.
    pub columns: Lines,
}

impl Pair {
    pub(super) fn draw(&self, scene: &Scene<'_>) -> Result<Drawn, Obstacle> {
        let evidence = scene.evidence(&self.columns)?;
        let labels = self.columns.labels(evidence.iter().map(|(_, piece)| &piece.coordinates));
        let [one, other] = labels.as_slice() else {
            return Err(Obstacle::Nothing(format!("a pair needs two attacks, and `columns` has {} ({})", labels.len(), labels.join(", "))));
        };
        let (one_name, other_name) = (self.columns.name(one), self.columns.name(other));
        let mut data = "method,images,stand,broken_by_both,only_first,only_second,wrong\n".to_owned();
        let mut shown = Vec::new();
        for (label, name) in scene.rows(evidence.iter().map(|(_, piece)| &piece.coordinates)) {
            let mut counts = [0_usize; 5];
            let mut outcomes: BTreeMap<(String, u32), [Option<bool>; 2]> = BTreeMap::new();
            let mut wrong: BTreeMap<(String, u32), bool> = BTreeMap::new();
            for (_, piece) in scene.of_row(&evidence, &label) {
                let Some(attacked) = piece.get() else { continue };
                let model = crate::models::model(&piece.coordinates, &self.columns.axes());
                for image in &attacked.evidence.images {
                    let key = (model.clone(), image.id);
                    wrong.insert(key.clone(), image.clean_prediction != image.label);
                    let outcome = outcomes.entry(key).or_default();
                    for (index, attack) in [one, other].into_iter().enumerate() {
                        if let Some(slot) = outcome.get_mut(index).filter(|_| self.columns.holds(&piece.coordinates, attack)) {
                            *slot = Some(slot.unwrap_or(true) && image.robust);
                        }
                    }
                }
            }
            for (key, outcome) in &outcomes {
                let kind = match outcome {
                    _ if wrong.get(key) == Some(&true) => 4,
                    [Some(true), Some(true)] => 0,
                    [Some(false), Some(false)] => 1,
                    [Some(false), Some(true)] => 2,
                    [Some(true), Some(false)] => 3,
                    _ => continue,
                };
                counts.iter_mut().skip(kind).take(1).for_each(|count| *count += 1);
            }
            let total: usize = counts.iter().sum();
            let numbers = counts.map(|count| count.to_string()).join(",");
            let _ = writeln!(data, "{},{total},{numbers}", quote(&name));
            let parts = counts.iter().map(|count| 100.0 * *count as f64 / total.max(1) as f64).collect();
            shown.push(Bar { name, parts, label: String::new() });
        }
        let parts = [
            "stand".to_owned(),
            "broken by both".to_owned(),
            format!("only {one_name}"),
            format!("only {other_name}"),
            "wrong without".to_owned(),
        ];
        let x = Scale::plain("images, %", 0.0..100.0);
        let caption = format!(
            "What {one_name} and {other_name} do to the same images: those that only one of them breaks show what the other misses."
        );
        Ok(Drawn { svg: bars(&x, &shown, &parts)?, data, caption })
    }
}
