//! Gradients of networks that both of `PyTorch`'s exporters wrote, against `PyTorch`'s in double precision (`tests/golden/onnx_zoo.py`).
#![allow(clippy::unwrap_used, reason = "a test stops at what it can't read")]

use std::path::{Path, PathBuf};

use planish_nn::{Aim, Surrogate, Victim};
use planish_onnx::OnnxVictim;
use safetensors::SafeTensors;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/onnx_zoo")
}

/// The networks of the folder: each `.safetensors` file with the models of its name.
fn networks(folder: &Path) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let references = found.iter().filter(|path| path.extension().is_some_and(|kind| kind == "safetensors"));
    let models = |reference: &PathBuf| {
        let stem = reference.file_stem().unwrap().to_str().unwrap();
        ["script", "dynamo"]
            .map(|exporter| folder.join(format!("{stem}-{exporter}.onnx")))
            .into_iter()
            .filter(|path| path.is_file())
            .collect()
    };
    references.map(|reference| (reference.clone(), models(reference))).collect()
}

struct Reference(Vec<u8>);

impl Reference {
    fn floats(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(name).unwrap();
        tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn aims(&self) -> Vec<Aim> {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor("labels").unwrap();
        tensor.data().as_chunks::<8>().0.iter().map(|bytes| Aim::away_from(i64::from_le_bytes(*bytes) as u32)).collect()
    }
}

/// ‖a − b‖ / ‖b‖.
fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = || a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    norm(&mut pairs()) / norm(&mut b.iter().map(|b| f64::from(*b)))
}

#[test]
fn gradients_are_those_of_pytorch() {
    let mut models_seen = 0;
    let mut wrong = Vec::new();
    for (reference, models) in networks(&folder()) {
        let reference = Reference(std::fs::read(reference).unwrap());
        let (images, aims) = (reference.floats("images"), reference.aims());
        for model in models {
            models_seen += 1;
            let name = model.file_name().unwrap().to_string_lossy().into_owned();
            let mut victim = match OnnxVictim::open(&model, 2, 64) {
                Ok(victim) => victim,
                Err(failure) => {
                    wrong.push(format!("{name}: {failure}"));
                    continue;
                }
            };
            assert!(victim.gradients().unwrap().is_none(), "{name}: {}", victim.gradients().unwrap());
            let pass = match victim.surrogate_gradient(&images, Surrogate::CrossEntropy, &aims) {
                Ok(pass) => pass,
                Err(failure) => {
                    wrong.push(format!("{name}: {failure}"));
                    continue;
                }
            };
            let errors = [("logits", &pass.logits), ("loss", &pass.losses), ("gradient", &pass.gradient)];
            for (what, values) in errors {
                let error = relative(values, &reference.floats(what));
                if error.is_nan() || error > 1e-5 {
                    wrong.push(format!("{name}: {what} {error:.1e}"));
                }
            }
        }
    }
    assert!(models_seen >= 20, "{models_seen} models");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever the batch and the threads: the same bits.
#[test]
fn an_image_has_the_same_gradient_alone() {
    let mut different = Vec::new();
    for (reference, models) in networks(&folder()) {
        let reference = Reference(std::fs::read(reference).unwrap());
        let (images, aims) = (reference.floats("images"), reference.aims());
        for model in models {
            let run = |threads: usize, batch: usize| {
                let mut victim = OnnxVictim::open(&model, threads, batch).unwrap();
                victim.surrogate_gradient(&images, Surrogate::CrossEntropy, &aims).unwrap()
            };
            let together = run(1, 64);
            for (threads, batch) in [(2, 64), (1, 1), (2, 1), (2, 2)] {
                let apart = run(threads, batch);
                if apart != together {
                    let logits = relative(&apart.logits, &together.logits);
                    let gradient = relative(&apart.gradient, &together.gradient);
                    let name = model.file_name().unwrap().to_string_lossy();
                    different
                        .push(format!("{name} with {threads} threads, batches of {batch}: logits {logits:.0e}, gradient {gradient:.0e}"));
                }
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
