//! Two attacks side by side, image by image.

use std::collections::BTreeSet;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chart::{Bar, Scale, bars};
use super::{Drawn, Obstacle, Scene};
use crate::csv::quote;
use crate::gather::Attacked;
use crate::lines::Lines;
use crate::models::{Placed, by_model, merged};
use crate::quantity::Quantity;

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
            for of_model in by_model(&scene.of_row(&evidence, &label), &self.columns.axes()).into_values() {
                self.count(&of_model, [one, other], &mut counts);
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

    /// Counts the images of a model that both attacks saw: standing, broken by both, by the first alone, by the second alone, wrong from the start.
    fn count(&self, of_model: &[Placed<'_, Attacked>], attacks: [&String; 2], counts: &mut [usize; 5]) {
        let under = attacks.map(|attack| {
            let of_attack = of_model.iter().filter(|(_, piece)| self.columns.holds(&piece.coordinates, attack));
            let there: Option<Vec<&Attacked>> = of_attack.map(|(_, piece)| piece.get()).collect();
            // A part of the attacks would flatter the model.
            there.filter(|there| !there.is_empty())
        });
        let [Some(first), Some(second)] = under else { return };
        let clean = first.iter().flat_map(|attacked| &attacked.evidence.images);
        let wrong: BTreeSet<u32> = clean.filter(|image| image.clean_prediction != image.label).map(|image| image.id).collect();
        let second = merged(&second, Quantity::Accuracy);
        for (id, stands) in merged(&first, Quantity::Accuracy) {
            let Some(stands_too) = second.get(&id) else { continue };
            let kind = match (wrong.contains(&id), stands > 0.5, *stands_too > 0.5) {
                (true, ..) => 4,
                (_, true, true) => 0,
                (_, false, false) => 1,
                (_, false, true) => 2,
                (_, true, false) => 3,
            };
            counts.iter_mut().skip(kind).take(1).for_each(|count| *count += 1);
        }
    }
}
