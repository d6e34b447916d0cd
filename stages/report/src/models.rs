//! From per-image evidence to one number for each model.

use std::collections::{BTreeMap, BTreeSet};

use planish_contract::Coordinates;
use planish_formats::median;

use crate::gather::{Attacked, Content, Piece};
use crate::lines::Lines;
use crate::quantity::Quantity;
use crate::statistics::Scores;

/// A gathered instance with its position in its input.
pub(crate) type Placed<'a, T> = (usize, &'a Piece<T>);

/// What is known of a cell before it is printed.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    /// One number a model, in the unit of the quantity.
    pub(crate) values: Vec<f64>,
    /// Each model's images.
    pub(crate) scores: Vec<Scores>,
    /// The instances behind it, by their positions.
    pub(crate) indices: Vec<usize>,
    /// What is missing, in words.
    pub(crate) gaps: Vec<String>,
}

/// Where a model stands on the axes that do not tell attacks apart.
fn model(coordinates: &Coordinates, attack_axes: &BTreeSet<&str>) -> String {
    let own = coordinates.iter().filter(|(axis, _)| !attack_axes.contains(axis.as_str()));
    own.map(|(axis, c)| format!("{axis}={}", c.label)).collect::<Vec<_>>().join("\u{1f}")
}

/// Instances by the model that they belong to.
pub(crate) fn by_model<'a, T>(pieces: &[Placed<'a, T>], attack_axes: &BTreeSet<&str>) -> BTreeMap<String, Vec<Placed<'a, T>>> {
    let mut models: BTreeMap<String, Vec<Placed<'a, T>>> = BTreeMap::new();
    for (index, piece) in pieces {
        models.entry(model(&piece.coordinates, attack_axes)).or_default().push((*index, piece));
    }
    models
}

/// How many instances have no result, or one that can't be read.
pub(crate) fn gaps<T>(pieces: &[Placed<'_, T>]) -> Vec<String> {
    let absent = pieces.iter().filter(|(_, piece)| matches!(piece.content, Content::Absent)).count();
    let mut gaps = Vec::new();
    if absent > 0 {
        gaps.push(format!("missing: {absent} of {} instances have no result", pieces.len()));
    }
    gaps.extend(pieces.iter().filter_map(|(_, piece)| match &piece.content {
        Content::Damaged(reason) => Some(format!("missing: a result can't be read: {reason}")),
        _ => None,
    }));
    gaps
}

/// What a model must have been under for its worst case to count.
#[derive(Clone, Copy)]
pub(crate) struct Complete<'a> {
    /// The columns that count.
    pub(crate) columns: &'a Lines,
    /// Their labels; a model needs an attack of each.
    pub(crate) labels: &'a [&'a str],
}

impl<'a> Complete<'a> {
    /// The labels of which a model lacks every attack.
    fn lacking(self, of_model: &[Placed<'_, Attacked>]) -> Vec<&'a str> {
        let there = |label: &str| of_model.iter().any(|(_, piece)| self.columns.holds(&piece.coordinates, label));
        self.labels.iter().copied().filter(|label| !there(label)).collect()
    }
}

/// The cell of a column of attacks: of each model the worst case over the attacks of the column, image by image. A model that lacks an attack
/// that `complete` asks for is a gap.
pub(crate) fn attacked(
    pieces: &[Placed<'_, Attacked>],
    quantity: Quantity,
    complete: Option<Complete<'_>>,
    attack_axes: &BTreeSet<&str>,
) -> Filling {
    let mut filling = Filling { gaps: gaps(pieces), indices: pieces.iter().map(|(index, _)| *index).collect(), ..Filling::default() };
    let mut lacking: BTreeSet<String> = BTreeSet::new();
    for of_model in by_model(pieces, attack_axes).into_values() {
        let lacks = complete.map(|complete| complete.lacking(&of_model)).unwrap_or_default();
        lacking.extend(lacks.iter().map(|label| (*label).to_owned()));
        let there: Vec<&Attacked> = of_model.iter().filter_map(|(_, piece)| piece.get()).collect();
        // The worst case over a part of the attacks would flatter the model.
        if !lacks.is_empty() || there.len() < of_model.len() {
            continue;
        }
        let scores = merged(&there, quantity);
        match summary(&scores, quantity) {
            Some(value) => {
                filling.values.push(value);
                filling.scores.push(scores);
            }
            None => filling.gaps.push(unmeasured(quantity).to_owned()),
        }
    }
    if !lacking.is_empty() {
        let labels: Vec<String> = lacking.into_iter().collect();
        filling.gaps.push(format!("missing: not every model was under {}; one that was not does not count", labels.join(" and ")));
    }
    filling
}

fn unmeasured(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::MedianDistance => "no median: fewer than half of the images have a smallest perturbation",
        Quantity::SuccessRate => "no rate of success: the attack has no targets",
        _ => "no image",
    }
}

/// The nominal cell: every attack on one model saw the same clean predictions, so each model counts once.
pub(crate) fn nominal(pieces: &[Placed<'_, Attacked>], attack_axes: &BTreeSet<&str>) -> Filling {
    let mut filling = Filling::default();
    for of_model in by_model(pieces, attack_axes).into_values() {
        let widest = of_model.iter().filter_map(|(index, piece)| Some((*index, piece.get()?)));
        // The largest number of images; the first instance of equals.
        let Some((index, attacked)) = widest.min_by_key(|(index, a)| (std::cmp::Reverse(a.evidence.images.len()), *index)) else {
            filling.gaps.extend(gaps(&of_model));
            continue;
        };
        let correct = |clean: bool| if clean { 1.0 } else { 0.0 };
        let scores: Scores = attacked.evidence.images.iter().map(|i| (i.id, correct(i.clean_prediction == i.label))).collect();
        filling.values.push(100.0 * attacked.evidence.header.clean_accuracy);
        filling.scores.push(scores);
        filling.indices.push(index);
    }
    filling
}

/// One number an image over several attacks on one model: the images that all of them saw.
pub(crate) fn merged(attacks: &[&Attacked], quantity: Quantity) -> Scores {
    let mut seen: BTreeMap<u32, (usize, f64)> = BTreeMap::new();
    for attacked in attacks {
        for image in &attacked.evidence.images {
            let (worse, score): (fn(f64, f64) -> f64, f64) = match quantity {
                Quantity::SuccessRate => match &image.targeted {
                    None => continue,
                    Some(targeted) => (f64::max, if targeted.reached { 1.0 } else { 0.0 }),
                },
                Quantity::MedianDistance if image.clean_prediction != image.label => continue,
                Quantity::MedianDistance => (f64::min, image.smallest_distance()),
                _ => (f64::min, if image.robust { 1.0 } else { 0.0 }),
            };
            let entry = seen.entry(image.id).or_insert((0, score));
            *entry = (entry.0 + 1, worse(entry.1, score));
        }
    }
    seen.into_iter().filter(|(_, (count, _))| *count == attacks.len()).map(|(id, (_, score))| (id, score)).collect()
}

/// What the images come to.
fn summary(scores: &Scores, quantity: Quantity) -> Option<f64> {
    match quantity {
        Quantity::MedianDistance | Quantity::Linearity => median(scores.values().copied()).filter(|median| median.is_finite()),
        _ if scores.is_empty() => None,
        _ => Some(100.0 * scores.values().sum::<f64>() / scores.len() as f64),
    }
}

/// Image by image the mean over models, for the images that all of them have.
pub(crate) fn mean_scores(models: &[Scores]) -> Scores {
    let Some((first, others)) = models.split_first() else { return Scores::new() };
    let mean = |(id, value): (&u32, &f64)| {
        let sum = others.iter().try_fold(*value, |sum, scores| scores.get(id).map(|value| sum + value))?;
        Some((*id, sum / models.len() as f64))
    };
    first.iter().filter_map(mean).collect()
}
