//! Activation functions. At a kink the gradient is the one that `PyTorch` takes.

use super::pointwise::{bell, one_minus_square, times};
use super::{Operator, Reverse, operator, same};
use crate::differentiate::emitter::{Emitter, Reason};
use crate::differentiate::node::Reading;

type Gradients = Result<Vec<(usize, String)>, Reason>;

pub(super) const OPERATORS: &[Operator] = &[
    operator("Relu", same, relu),
    operator("Clip", same, clip),
    operator("LeakyRelu", same, |e, r| {
        let alpha = r.node.float("alpha", 0.01);
        let slope = e.number(r.input(0)?, alpha);
        let below = e.op("Mul", &[r.dy()?, &slope]);
        piecewise(e, r, &below)
    }),
    operator("PRelu", same, |e, r| {
        r.only_first()?;
        let below = e.op("Mul", &[r.dy()?, r.input(1)?]);
        piecewise(e, r, &below)
    }),
    operator("Elu", same, |e, r| exponential(e, r, (r.node.float("alpha", 1.0), 1.0, 1.0))),
    operator("Selu", same, |e, r| exponential(e, r, (r.node.float("alpha", 1.673_263_2), r.node.float("gamma", 1.050_701), 1.0))),
    operator("Celu", same, |e, r| exponential(e, r, (1.0, 1.0, r.node.float("alpha", 1.0)))),
    operator("ThresholdedRelu", same, |e, r| {
        let threshold = e.number(r.input(0)?, r.node.float("alpha", 1.0));
        let above = e.op("Greater", &[r.input(0)?, &threshold]);
        Ok(vec![(0, e.keep_where(&above, r.dy()?, r.input(0)?))])
    }),
    operator("Softplus", same, |e, r| {
        let slope = e.op("Sigmoid", &[r.input(0)?]);
        times(e, r, &slope)
    }),
    operator("Softsign", same, |e, r| {
        let x = r.input(0)?;
        let (size, one) = (e.op("Abs", &[x]), e.number(x, 1.0));
        let under = e.op("Add", &[&one, &size]);
        let square = e.op("Mul", &[&under, &under]);
        Ok(vec![(0, e.op("Div", &[r.dy()?, &square]))])
    }),
    operator("HardSigmoid", same, hard_sigmoid),
    operator("HardSwish", same, hard_swish),
    operator("Gelu", same, gelu),
    operator("Mish", same, mish),
    operator("Swish", same, |e, r| {
        let alpha = e.number(r.input(0)?, r.node.float("alpha", 1.0));
        let scaled = e.op("Mul", &[&alpha, r.input(0)?]);
        let gate = e.op("Sigmoid", &[&scaled]);
        // σ + α y (1 − σ).
        let one = e.number(r.input(0)?, 1.0);
        let rest = e.op("Sub", &[&one, &gate]);
        let value = e.op("Mul", &[&alpha, r.output()?]);
        let tail = e.op("Mul", &[&value, &rest]);
        let slope = e.op("Add", &[&gate, &tail]);
        times(e, r, &slope)
    }),
];

fn relu(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let y = r.output()?;
    let zero = e.number(y, 0.0);
    let above = e.op("Greater", &[y, &zero]);
    Ok(vec![(0, e.keep_where(&above, r.dy()?, y))])
}

/// `dy` above zero, `below` elsewhere.
fn piecewise(e: &mut Emitter, r: &Reverse<'_>, below: &str) -> Gradients {
    let zero = e.number(r.input(0)?, 0.0);
    let above = e.op("Greater", &[r.input(0)?, &zero]);
    Ok(vec![(0, e.op("Where", &[&above, r.dy()?, below]))])
}

/// γ x above zero, γ α (exp(x / c) − 1) below with the slope γ α / c · exp(x / c).
fn exponential(e: &mut Emitter, r: &Reverse<'_>, (alpha, gamma, c): (f64, f64, f64)) -> Gradients {
    let x = r.input(0)?;
    // The branch above zero must not overflow.
    let (zero, one) = (e.number(x, 0.0), e.number(x, 1.0));
    let low = e.op("Min", &[x, &zero]);
    let scale = e.number(x, 1.0 / c);
    let scaled = e.op("Mul", &[&low, &scale]);
    let power = e.op("Exp", &[&scaled]);
    // Celu's height is c, so that its slope at zero is one.
    let height = e.number(x, alpha);
    let below = e.op("Mul", &[&power, &height]);
    let above = e.op("Greater", &[x, &zero]);
    let slope = e.op("Where", &[&above, &one, &below]);
    let gamma = e.number(x, gamma);
    let scaled = e.op("Mul", &[&slope, &gamma]);
    times(e, r, &scaled)
}

/// Zero outside the bounds; on them the gradient passes, so that black and white pixels of a clamped image keep theirs.
fn clip(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    r.only_first()?;
    let x = r.input(0)?;
    let low = r.node.input_name(1).map(|low| e.op("GreaterOrEqual", &[x, low]));
    let high = r.node.input_name(2).map(|high| e.op("LessOrEqual", &[x, high]));
    let inside = match (low, high) {
        (Some(low), Some(high)) => e.op("And", &[&low, &high]),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Ok(vec![(0, r.dy()?.to_owned())]),
    };
    Ok(vec![(0, e.keep_where(&inside, r.dy()?, x))])
}

fn hard_sigmoid(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let y = r.output()?;
    let (zero, one) = (e.number(y, 0.0), e.number(y, 1.0));
    let (above, below) = (e.op("Greater", &[y, &zero]), e.op("Less", &[y, &one]));
    let inside = e.op("And", &[&above, &below]);
    let alpha = e.number(y, r.node.float("alpha", 0.2));
    let scaled = e.op("Mul", &[r.dy()?, &alpha]);
    Ok(vec![(0, e.keep_where(&inside, &scaled, y))])
}

/// x · max(0, min(1, x / 6 + 1 / 2)): 0 below −3, 1 above 3, x / 3 + 1 / 2 between.
fn hard_swish(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let x = r.input(0)?;
    let (third, half) = (e.number(x, 1.0 / 3.0), e.number(x, 0.5));
    let scaled = e.op("Mul", &[x, &third]);
    let middle = e.op("Add", &[&scaled, &half]);
    let (three, minus_three, one) = (e.number(x, 3.0), e.number(x, -3.0), e.number(x, 1.0));
    let below = e.op("Greater", &[&minus_three, x]);
    let above = e.op("Greater", &[x, &three]);
    let zero = e.number(x, 0.0);
    let lower = e.op("Where", &[&below, &zero, &middle]);
    let slope = e.op("Where", &[&above, &one, &lower]);
    times(e, r, &slope)
}

fn gelu(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let x = r.input(0)?;
    match r.node.text("approximate").unwrap_or("none") {
        "none" => {}
        "tanh" => return gelu_tanh(e, r, x),
        other => return Err(format!("approximation `{other}`")),
    }
    let (half, one) = (e.number(x, 0.5), e.number(x, 1.0));
    let scale = e.number(x, std::f64::consts::FRAC_1_SQRT_2);
    let scaled = e.op("Mul", &[x, &scale]);
    let erf = e.op("Erf", &[&scaled]);
    let raised = e.op("Add", &[&erf, &one]);
    let cumulative = e.op("Mul", &[&raised, &half]);
    let bell = bell(e, x, 0.5);
    let height = e.number(x, std::f64::consts::FRAC_1_SQRT_2 / std::f64::consts::PI.sqrt());
    let density = e.op("Mul", &[&bell, &height]);
    let tail = e.op("Mul", &[x, &density]);
    let slope = e.op("Add", &[&cumulative, &tail]);
    times(e, r, &slope)
}

/// x / 2 · (1 + tanh u), u = √(2/π) (x + 0.044715 x³).
fn gelu_tanh(e: &mut Emitter, r: &Reverse<'_>, x: &str) -> Gradients {
    let root = (2.0 / std::f64::consts::PI).sqrt();
    let (half, one) = (e.number(x, 0.5), e.number(x, 1.0));
    let square = e.op("Mul", &[x, x]);
    let (cubic, linear) = (e.number(x, 0.044_715 * root), e.number(x, root));
    let bent = e.op("Mul", &[&square, &cubic]);
    let factor = e.op("Add", &[&bent, &linear]);
    let inner = e.op("Mul", &[x, &factor]);
    let tanh = e.op("Tanh", &[&inner]);
    // (1 + t) / 2 + x / 2 · (1 − t²) · u′, u′ = 3 · bent + √(2/π).
    let raised = e.op("Add", &[&tanh, &one]);
    let first = e.op("Mul", &[&raised, &half]);
    let three = e.number(x, 3.0);
    let thrice = e.op("Mul", &[&bent, &three]);
    let inner_slope = e.op("Add", &[&thrice, &linear]);
    let outer = one_minus_square(e, &tanh);
    let chained = e.op("Mul", &[&outer, &inner_slope]);
    let halved = e.op("Mul", &[x, &half]);
    let second = e.op("Mul", &[&halved, &chained]);
    let slope = e.op("Add", &[&first, &second]);
    times(e, r, &slope)
}

/// x · tanh(softplus x): t + x (1 − t²) σ.
fn mish(e: &mut Emitter, r: &Reverse<'_>) -> Gradients {
    let x = r.input(0)?;
    let softplus = e.op("Softplus", &[x]);
    let tanh = e.op("Tanh", &[&softplus]);
    let gate = e.op("Sigmoid", &[x]);
    let outer = one_minus_square(e, &tanh);
    let chained = e.op("Mul", &[&outer, &gate]);
    let tail = e.op("Mul", &[x, &chained]);
    let slope = e.op("Add", &[&tanh, &tail]);
    times(e, r, &slope)
}
