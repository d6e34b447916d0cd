//! Every rule against finite differences, for several batch sizes; what is refused and what is reported.
#![allow(clippy::cast_possible_wrap, reason = "the sizes of tests are small")]

mod activations;
mod arithmetic;
mod layout;
mod objectives;
mod refusals;
mod upgrades;
mod windows;

use planish_contract::Failure;
use planish_nn::Victim;
use prost::Message;

use super::tensor;
use crate::OnnxVictim;
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};
use crate::testing;

/// The classes of every test graph.
const CLASSES: usize = 3;

/// Numbers in [−1, 1), the same for the same seed.
fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count + 8).map(|_| next()).skip(8).collect()
}

/// A graph under test: `images` `[n, c, h, w]` → … → a value → `logits` `[n, 3]`, random sums of it.
#[derive(Clone)]
struct Graph {
    shape: [usize; 3],
    opset: i64,
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
}

impl Graph {
    fn new(shape: [usize; 3]) -> Self {
        Graph { shape, opset: 20, nodes: vec![], tensors: vec![] }
    }

    fn opset(mut self, opset: i64) -> Self {
        self.opset = opset;
        self
    }

    /// A node; inputs and outputs are lists of words, `-` is one that is left out.
    fn node(mut self, operator: &str, inputs: &str, outputs: &str, attribute: &[AttributeProto]) -> Self {
        let names = |list: &str| list.split_whitespace().map(|name| if name == "-" { "" } else { name }.to_owned()).collect();
        self.nodes.push(NodeProto {
            op_type: Some(operator.into()),
            input: names(inputs),
            output: names(outputs),
            attribute: attribute.to_vec(),
            ..Default::default()
        });
        self
    }

    /// A tensor of random floats.
    fn random(self, name: &str, dims: &[i64]) -> Self {
        let count = dims.iter().product::<i64>() as usize;
        let values: Vec<f64> = random(count, name.len() as u64 + 77).into_iter().map(f64::from).collect();
        self.floats(name, dims, &values)
    }

    fn floats(self, name: &str, dims: &[i64], values: &[f64]) -> Self {
        self.tensor(name, tensor::of_floats(DataType::Float, dims, values))
    }

    fn ints(self, name: &str, values: &[i64]) -> Self {
        self.tensor(name, tensor::of_integers(&[values.len() as i64], values))
    }

    fn tensor(mut self, name: &str, value: TensorProto) -> Self {
        self.tensors.push(TensorProto { name: Some(name.into()), ..value });
        self
    }

    /// The model whose logits are random sums of `value`, which has `size` numbers an image.
    fn model(self, value: &str, size: i64) -> ModelProto {
        let graph = self.random("final.weights", &[size, CLASSES as i64]);
        let graph = graph.ints("final.shape", &[-1, size]).node("Reshape", &format!("{value} final.shape"), "final.flat", &[]);
        graph.node("MatMul", "final.flat final.weights", "logits", &[]).finish()
    }

    /// The model whose output is `logits`.
    fn finish(self) -> ModelProto {
        let size = |size: usize| Some(size as i64);
        let [c, h, w] = self.shape;
        let graph = GraphProto {
            name: Some("test".into()),
            node: self.nodes,
            initializer: self.tensors,
            input: vec![testing::value("images", &[None, size(c), size(h), size(w)])],
            output: vec![testing::value("logits", &[None, size(CLASSES)])],
            ..Default::default()
        };
        let operators = OperatorSetIdProto { domain: Some(String::new()), version: Some(self.opset) };
        ModelProto { ir_version: Some(8), opset_import: vec![operators], graph: Some(graph), ..Default::default() }
    }
}

fn open(model: &ModelProto, threads: usize) -> Result<OnnxVictim, Failure> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), model.encode_to_vec()).unwrap();
    OnnxVictim::open(file.path(), threads, 16)
}

/// The derivative of each loss with respect to the logits: fixed numbers.
fn weights(image: usize) -> [f32; CLASSES] {
    [0.7, -1.1, 0.4].map(|weight| weight * (1.0 + image as f32 / 8.0))
}

fn gradient(victim: &mut OnnxVictim, images: &[f32]) -> Vec<f32> {
    let mut loss = |image: usize, logits: &[f32], slope: &mut [f32]| {
        slope.copy_from_slice(&weights(image % 3));
        logits.iter().zip(&weights(image % 3)).map(|(z, weight)| z * weight).sum()
    };
    victim.gradient(images, &mut loss).unwrap().gradient
}

/// The losses of [`gradient`].
fn losses(victim: &mut OnnxVictim, images: &[f32]) -> Vec<f64> {
    let logits = victim.logits(images).unwrap();
    let loss =
        |(image, row): (usize, &[f32])| row.iter().zip(&weights(image % 3)).map(|(z, weight)| f64::from(*z) * f64::from(*weight)).sum();
    logits.chunks(CLASSES).enumerate().map(loss).collect()
}

/// Compares the gradient with central differences. A number at which the differences of two widths disagree lies at a kink and is
/// left out; at most a tenth may be.
fn check_differences(name: &str, victim: &mut OnnxVictim, images: &[f32]) {
    let pixels: usize = victim.shape().iter().product();
    let found = gradient(victim, images);
    let scale = found.iter().fold(0.05_f32, |largest, value| largest.max(value.abs()));
    let mut kinks = 0;
    for at in 0..pixels {
        let differences = [1.0 / 64.0, 1.0 / 128.0].map(|width: f32| {
            let mut moved = |by: f32| {
                let mut moved = images.to_vec();
                moved.chunks_mut(pixels).for_each(|image| image[at] += by);
                losses(victim, &moved)
            };
            let (up, down) = (moved(width), moved(-width));
            up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * f64::from(width))).collect::<Vec<f64>>()
        });
        for (image, (wide, narrow)) in differences[0].iter().zip(&differences[1]).enumerate() {
            if (wide - narrow).abs() > 4e-3 * f64::from(scale) {
                kinks += 1;
                continue;
            }
            let value = f64::from(found[image * pixels + at]);
            let off = (value - narrow).abs() / f64::from(scale);
            assert!(off < 4e-3, "{name}: image {image}, number {at}: gradient {value}, difference {narrow}");
        }
    }
    assert!(10 * kinks <= found.len(), "{name}: {kinks} of {} numbers lie at kinks", found.len());
}

/// The gradient is right and depends neither on the batch nor on the threads.
fn check(name: &str, model: &ModelProto) {
    let mut victim = open(model, 1).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    assert!(victim.gradients().unwrap().is_none(), "{name}: {}", victim.gradients().unwrap());
    let pixels: usize = victim.shape().iter().product();
    // Nine images of numbers in (−1, 1), so that both sides of the kinks at zero are met.
    let images = random(9 * pixels, 5);
    check_differences(name, &mut victim, &images[..2 * pixels]);
    let together = gradient(&mut victim, &images);
    for (threads, size) in [(1, 3), (2, 9), (2, 3)] {
        let mut victim = open(model, threads).unwrap();
        let parts: Vec<f32> = images.chunks(size * pixels).flat_map(|part| gradient(&mut victim, part)).collect();
        assert!(together == parts, "{name}: {threads} threads, batches of {size}");
    }
    // Alone, an image has the weights of the first.
    let first = gradient(&mut victim, &images[..pixels]);
    assert!(together[..pixels] == first, "{name}: an image alone");
}
