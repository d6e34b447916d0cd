//! Losses beside the network: what the reverse pass starts from.

use planish_nn::Surrogate;

use super::attribute::int;
use super::emitter::Emitter;
use super::tensor;
use crate::proto::tensor_proto::DataType;

/// What a gradient is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// The sum of the logits weighted by an input `[n, k]`: with the derivative of any loss as weights, the gradient of that loss.
    Seed,
    /// A standard loss of each image, of inputs with its label `[n]` and, where it is targeted, its target `[n]`.
    Surrogate(Surrogate),
}

/// The names that the loss brings.
pub(crate) struct Names {
    pub(crate) labels: String,
    pub(crate) targets: String,
}

/// The logits `[n, k]` in a graph.
pub(crate) struct Logits<'a> {
    pub(crate) name: &'a str,
    pub(crate) classes: usize,
}

/// Writes a standard loss; returns it, `[n]`, and its derivative with respect to the logits, `[n, k]`.
pub(crate) fn write(e: &mut Emitter, surrogate: Surrogate, logits: &Logits<'_>, names: &Names) -> (String, String) {
    let z = logits.name;
    let own = one_hot(e, &names.labels, logits);
    match surrogate {
        Surrogate::CrossEntropy => cross_entropy(e, logits, &own),
        Surrogate::LogitDifference => {
            let target = one_hot(e, &names.targets, logits);
            difference(e, z, (&target, &own))
        }
        Surrogate::Margin => {
            let target = rival(e, logits, &own);
            difference(e, z, (&target, &own))
        }
        Surrogate::Dlr => {
            let target = rival(e, logits, &own);
            ratio(e, logits, (&target, &own), &[(0, 1.0), (2, -1.0)])
        }
        Surrogate::TargetedDlr => {
            let target = one_hot(e, &names.targets, logits);
            ratio(e, logits, (&target, &own), &[(0, 1.0), (2, -0.5), (3, -0.5)])
        }
    }
}

/// `[n, k]`, one at each class of `classes` `[n]`.
fn one_hot(e: &mut Emitter, classes: &str, logits: &Logits<'_>) -> String {
    let element = e.facts.element(logits.name);
    let depth = e.constant(tensor::of_integers(&[], &[tensor::signed(logits.classes)]));
    let values = e.constant(tensor::of_floats(element, &[2], &[0.0, 1.0]));
    e.with("OneHot", &[classes, &depth, &values], vec![int("axis", 1)])
}

/// The class with the largest logit but the true one, as [`one_hot`].
fn rival(e: &mut Emitter, logits: &Logits<'_>, own: &str) -> String {
    let half = e.number(logits.name, 0.5);
    let least = e.number(logits.name, f64::from(f32::MIN));
    let is_own = e.op("Greater", &[own, &half]);
    let others = e.op("Where", &[&is_own, &least, logits.name]);
    let class = e.with("ArgMax", &[&others], vec![int("axis", 1), int("keepdims", 0)]);
    one_hot(e, &class, logits)
}

/// `Σ_k weights · z`, `[n]`.
fn weighted(e: &mut Emitter, z: &str, weights: &str) -> String {
    let product = e.op("Mul", &[z, weights]);
    let axis = e.list(&[1]);
    e.with("ReduceSum", &[&product, &axis], vec![int("keepdims", 0)])
}

fn cross_entropy(e: &mut Emitter, logits: &Logits<'_>, own: &str) -> (String, String) {
    let z = logits.name;
    let log = e.with("LogSoftmax", &[z], vec![int("axis", 1)]);
    let picked = weighted(e, &log, own);
    let loss = e.op("Neg", &[&picked]);
    // The true class gets minus the sum of the others' probabilities: one minus its own would vanish by rounding.
    let one = e.number(z, 1.0);
    let shares = e.with("Softmax", &[z], vec![int("axis", 1)]);
    let others = e.op("Sub", &[&one, own]);
    let wrong = e.op("Mul", &[&shares, &others]);
    let rest = e.row_sums(&wrong, (logits.name, logits.classes, 2));
    let pull = e.op("Mul", &[own, &rest]);
    (loss, e.op("Sub", &[&wrong, &pull]))
}

fn difference(e: &mut Emitter, z: &str, (target, own): (&str, &str)) -> (String, String) {
    let slope = e.op("Sub", &[target, own]);
    (weighted(e, z, &slope), slope)
}

/// `z_t − z_y` over the sum of the logits at the given ranks, weighted.
fn ratio(e: &mut Emitter, logits: &Logits<'_>, pair: (&str, &str), ranks: &[(i64, f64)]) -> (String, String) {
    let z = logits.name;
    let (_, upper) = difference(e, z, pair);
    let most = ranks.iter().map(|(rank, _)| rank + 1).max().unwrap_or(1);
    let count = e.list(&[most]);
    let values = e.with("TopK", &[z, &count], vec![int("axis", 1)]);
    let order = e.fresh("order");
    if let Some(node) = e.nodes.last_mut() {
        node.output.push(order.clone());
    }
    let mut lower: Option<String> = None;
    for &(rank, weight) in ranks {
        let row = e.slice(&order, (&[rank], &[rank + 1], &[1]));
        let flat = e.list(&[-1]);
        let class = e.op("Reshape", &[&row, &flat]);
        let hot = one_hot(e, &class, logits);
        let weight = e.number(z, weight);
        let scaled = e.op("Mul", &[&hot, &weight]);
        lower = Some(lower.map_or_else(|| scaled.clone(), |lower| e.op("Add", &[&lower, &scaled])));
    }
    let lower = lower.unwrap_or(values);
    let (over, under) = (e.op("Mul", &[z, &upper]), e.op("Mul", &[z, &lower]));
    let (over, under) = (e.row_sums(&over, (logits.name, logits.classes, 2)), e.row_sums(&under, (logits.name, logits.classes, 2)));
    let guard = e.number(z, 1e-12);
    let under = e.op("Add", &[&under, &guard]);
    let loss = e.op("Div", &[&over, &under]);
    let bent = e.op("Mul", &[&loss, &lower]);
    let straight = e.op("Sub", &[&upper, &bent]);
    let slope = e.op("Div", &[&straight, &under]);
    let flat = e.list(&[-1]);
    (e.op("Reshape", &[&loss, &flat]), slope)
}

/// The element type of class indices.
pub(crate) const CLASSES: DataType = DataType::Int64;
