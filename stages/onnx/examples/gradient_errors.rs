//! How far gradients of exported networks are from `PyTorch`'s in double precision, as rows of a Markdown table.
//!
//!     python tests/golden/onnx_zoo.py --large DIR
//!     cargo run --release --workspace --example gradient_errors -- DIR [--graphs OUT] [NAME…]
//!
//! With `--graphs` it keeps the graphs that give the gradients, for `gradient_exact.py`.
//! For every `NAME.safetensors` of the folder (images, labels, and the logits and input gradients of the cross-entropy in double
//! precision) it takes `NAME-script.onnx` and `NAME-dynamo.onnx`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the table of docs/results/gradients.md")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use planish_nn::{Aim, Surrogate, Victim};
use planish_onnx::differentiate::{Objective, differentiate};
use planish_onnx::{ModelFile, OnnxVictim};
use prost::Message;
use safetensors::SafeTensors;

/// ‖a − b‖ / ‖b‖.
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b))) / norm(&mut b.iter().map(|b| f64::from(*b)))
}

/// The share of entries that lie further than 1e-5 of the largest from where they should.
fn off(a: &[f32], b: &[f32]) -> f64 {
    let largest = b.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).filter(|(a, b)| (*a - *b).abs() > 1e-5 * largest).count() as f64 / b.len() as f64
}

/// Writes the graph of the cross-entropy's gradient.
fn keep(model: &Path, folder: &Path) {
    let ModelFile { model: graph, signature, .. } = ModelFile::read(model).unwrap();
    if let Ok(derived) = differentiate(graph, &signature, Objective::Surrogate(Surrogate::CrossEntropy)) {
        std::fs::write(folder.join(model.file_name().unwrap()), derived.model.encode_to_vec()).unwrap();
    }
}

fn row(model: &Path, reference: &SafeTensors<'_>) -> Result<String, planish_contract::Failure> {
    let floats = |name: &str| -> Vec<f32> {
        reference.tensor(name).unwrap().data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let labels = reference.tensor("labels").unwrap();
    let aims: Vec<Aim> = labels.data().as_chunks::<8>().0.iter().map(|bytes| Aim::away_from(i64::from_le_bytes(*bytes) as u32)).collect();
    let started = Instant::now();
    let mut victim = OnnxVictim::open(model, 2, 64)?;
    let pass = victim.surrogate_gradient(&floats("images"), Surrogate::CrossEntropy, &aims)?;
    let seconds = started.elapsed().as_secs_f64();
    let (logits, gradient) = (relative(&pass.logits, &floats("logits")), relative(&pass.gradient, &floats("gradient")));
    let share = 100.0 * off(&pass.gradient, &floats("gradient"));
    Ok(format!("{logits:.1e} | {gradient:.1e} | {share:.2} % | {seconds:.1} s"))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let mut only: Vec<String> = arguments.collect();
    let mut graphs = None;
    if only.first().is_some_and(|word| word == "--graphs") {
        graphs = Some(PathBuf::from(only.remove(1)));
        only.remove(0);
    }
    let mut references: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    references.retain(|path| path.extension().is_some_and(|kind| kind == "safetensors"));
    references.sort();
    println!("| network | exporter | logits | gradient | entries off | open and run |\n|---|---|---|---|---|---|");
    for reference in references {
        let name = reference.file_stem().unwrap().to_string_lossy().into_owned();
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        let bytes = std::fs::read(&reference).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        for exporter in ["script", "dynamo"] {
            let model = folder.join(format!("{name}-{exporter}.onnx"));
            if model.is_file() {
                if let Some(graphs) = &graphs {
                    keep(&model, graphs);
                }
                let cells = row(&model, &tensors).unwrap_or_else(|failure| failure.to_string());
                println!("| {name} | {exporter} | {cells} |");
            }
        }
    }
}
