//! Projected gradient descent on an ONNX model, timed; `pgd_speed.py` runs it beside `PyTorch`.
//!
//!     pgd_speed MODEL.onnx IMAGES.safetensors STEPS THREADS
//!
//! `IMAGES.safetensors` holds `images` `[n, c, h, w]` and `labels` `[n]`. For every line on its standard input it makes STEPS sign steps
//! of 2/255 on the cross-entropy of all images within L∞ 8/255, from the images themselves, and prints the seconds and the mean loss
//! at the end.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for measurements")]

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use planish_nn::{Aim, Surrogate, Victim};
use planish_onnx::OnnxVictim;
use safetensors::SafeTensors;

const EPS: f32 = 8.0 / 255.0;
const STEP: f32 = 2.0 / 255.0;

fn attack(victim: &mut OnnxVictim, images: &[f32], aims: &[Aim], steps: usize) -> f32 {
    let mut x = images.to_vec();
    for _ in 0..steps {
        let pass = victim.surrogate_gradient(&x, Surrogate::CrossEntropy, aims).unwrap();
        for ((x, gradient), clean) in x.iter_mut().zip(&pass.gradient).zip(images) {
            let sign = if *gradient == 0.0 { 0.0 } else { gradient.signum() };
            *x = (*x + STEP * sign).clamp((clean - EPS).max(0.0), (clean + EPS).min(1.0));
        }
    }
    let logits = victim.logits(&x).unwrap();
    let classes = victim.classes();
    let mut slope = vec![0.0; classes];
    let losses = logits.chunks(classes).zip(aims).map(|(row, &aim)| Surrogate::CrossEntropy.value(row, aim, &mut slope));
    losses.sum::<f32>() / aims.len() as f32
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, images, steps, threads] = arguments.as_slice() else { panic!("four arguments: model, images, steps, threads") };
    let bytes = std::fs::read(images).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let images =
        tensors.tensor("images").unwrap().data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<_>>();
    let labels = tensors.tensor("labels").unwrap();
    let aims: Vec<Aim> = labels.data().as_chunks::<8>().0.iter().map(|bytes| Aim::away_from(i64::from_le_bytes(*bytes) as u32)).collect();
    let mut victim = OnnxVictim::open(Path::new(model), threads.parse::<usize>().unwrap(), aims.len()).unwrap();
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        let started = Instant::now();
        let loss = attack(&mut victim, &images, &aims, steps.parse().unwrap());
        println!("{} {loss}", started.elapsed().as_secs_f64());
        std::io::stdout().flush().unwrap();
    }
}
