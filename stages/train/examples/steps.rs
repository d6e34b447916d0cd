//! Times whole training steps: `steps NETWORK ACTIVATION STEP THREADS REPEATS [DEVICE [IMAGES [PRECISION]]]`, on the processor, with 64 images and in
//! `f32` unless said.
//!
//! Beside whole steps there are `nominal-outer`, `llr-outer` and `dual-outer`: the loss and its weight gradients, without search and descent, of the images, of
//! LLR, and of the images with a tangent each.
//! `steps.py` beside this file runs it in turns with the same steps in PyTorch, and says what the arguments may be. Prints the median
//! milliseconds of a step, after one that is not counted (five on a graphics card), and the process's peak memory in bytes.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::time::Instant;

use planish_contract::{Failure, Invalid};
use planish_nn::loss::{cross_entropy, cross_entropy_tangent};
use planish_nn::{Layout, Normalisation, device};
use planish_train::objective::{Evaluation, Objective, Step, statistics_of};
use planish_train::objectives::AnyObjective;
use planish_train::rehearsal::Rehearsal;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The dual pass alone: values and tangents δ of the images, forward and in reverse.
struct Dual;

impl Objective for Dual {
    fn validate(&self, _: &str) -> Result<(), Invalid> {
        Ok(())
    }

    fn robust(&self) -> bool {
        true
    }

    fn search_gradients(&self) -> u64 {
        0
    }

    fn outer_gradients(&self) -> u64 {
        2
    }

    fn search(&self, step: &Step<'_>) -> Result<Vec<f32>, Failure> {
        Ok(step.batch.images.clone())
    }

    fn outer(&self, step: &Step<'_>, perturbed: &[f32]) -> Result<Evaluation, Failure> {
        let (n, original) = (step.batch.len(), &step.batch.images);
        let mut rows = original.clone();
        rows.extend(perturbed.iter().zip(original).map(|(there, here)| there - here));
        let pass = step.network.forward(step.tracked, step.tensor(rows), Layout::dual(n), Normalisation::Batch);
        let losses = cross_entropy(pass.values(), &step.labels());
        let linear = cross_entropy_tangent(pass.values(), pass.tangents(), &step.labels());
        let loss = losses.mean() + linear.abs().mean();
        let logits = pass.values();
        Ok(Evaluation { loss, terms: Vec::new(), logits, updates: vec![statistics_of(pass.statistics)?.detach()] })
    }
}

/// The mean cross-entropy: whether the steps left a network that works.
fn loss(rehearsal: &Rehearsal) -> Outcome<f32> {
    let (evaluation, _) = rehearsal.outer(&*objective("nominal")?, &rehearsal.batch.images)?;
    Ok(evaluation.loss.try_into_scalar()?)
}

/// One step of that name; `perturbed` is a perturbation that costs nothing to find.
fn step(rehearsal: &mut Rehearsal, step: &str, objective: &AnyObjective, perturbed: &[f32]) -> Outcome<()> {
    match step {
        "input-gradient" if rehearsal.input_gradient()?.iter().all(|slope| slope.is_finite()) => {}
        "input-gradient" => return Err("a gradient is not finite".into()),
        "nominal-outer" | "llr-outer" => drop(rehearsal.outer(&**objective, perturbed)?),
        "dual-outer" => drop(rehearsal.outer(&Dual, perturbed)?),
        _ => rehearsal.train(&**objective)?,
    }
    Ok(rehearsal.wait()?)
}

fn objective(step: &str) -> Outcome<AnyObjective> {
    Ok(serde_json::from_str(match step {
        "nominal" | "nominal-outer" | "input-gradient" | "dual-outer" => r#"{ "nominal": {} }"#,
        "llr-2" | "llr-outer" => r#"{ "llr": { "steps": 2 } }"#,
        "trades-10" => r#"{ "trades": { "steps": 10 } }"#,
        "adv-7" => r#"{ "adv": { "steps": 7 } }"#,
        "adv-10" => r#"{ "adv": { "steps": 10 } }"#,
        other => return Err(format!("there is no step {other}").into()),
    })?)
}

/// The most memory that the process has had, in bytes (Linux).
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| 1024 * kibibytes)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, activation, name, threads, repeats, more @ ..] = arguments.as_slice() else {
        return Err("at least five arguments: network (wrn-10-2), activation, step, threads, repeats".into());
    };
    let device = more.first().map_or("cpu", String::as_str);
    let images = more.get(1).map_or(Ok(64), |images| images.parse())?;
    let precision = serde_json::from_value(more.get(2).map_or("f32", String::as_str).into())?;
    let (depth, width) =
        network.strip_prefix("wrn-").and_then(|sizes| sizes.split_once('-')).ok_or("the network is not wrn-DEPTH-WIDTH")?;
    let text = format!(r#"{{ "wide-resnet": {{ "depth": {depth}, "width": {width}, "activation": "{activation}" }} }}"#);
    planish_nn::set_threads(threads.parse()?);
    let device = device::open(&serde_json::from_value(device.into())?)?;
    let mut rehearsal = Rehearsal::new(&serde_json::from_str(&text)?, images, &device)?.with_precision(precision);
    let objective = objective(name)?;
    let perturbed: Vec<f32> = rehearsal.batch.images.iter().map(|x| (x + 0.03).min(1.0)).collect();
    // A card tries kernels out first.
    let uncounted = if device::is_card(&device) { 5 } else { 1 };
    let mut times = Vec::new();
    for _ in 0..uncounted + repeats.parse::<usize>()? {
        let start = Instant::now();
        step(&mut rehearsal, name, &objective, &perturbed)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let peak = peak().unwrap_or_default();
    if !loss(&rehearsal)?.is_finite() {
        return Err("the training diverged".into());
    }
    let mut counted = times.split_off(uncounted);
    counted.sort_by(f64::total_cmp);
    println!("{:.3} {peak}", counted.get(counted.len() / 2).copied().unwrap_or(f64::NAN));
    Ok(())
}
