//! Reverse-mode differentiation of ONNX graphs.
//!
//! [`differentiate`] makes, from an image classifier, a second graph that gives logits, a loss of each image and the gradient of
//! each image's loss with respect to that image. It holds the first graph and, behind it, one or a few nodes for the derivative of
//! each of its nodes, for any number of images.
//!
//! A graph is first brought into one form (`graph`: older operator sets, constants, conditions that are known, folding), while the
//! shapes of all values are worked out as functions of the number of images (`facts`, `dim`). The rules of the operators are in
//! `rules`, one file a group.

mod activity;
mod attribute;
mod dim;
mod emitter;
mod entries;
mod facts;
mod fold;
mod graph;
mod masking;
mod node;
mod objective;
mod prune;
mod refusal;
mod rules;
mod softplus;
mod sweep;
mod tensor;
#[cfg(test)]
mod tests;
mod upgrade;
mod window;

pub use masking::Masking;
pub use objective::Objective;
pub use refusal::{Place, Refusal};

use crate::inspect::Signature;
use crate::proto::tensor_proto::DataType;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::type_proto::{Tensor, Value};
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorShapeProto, TypeProto, ValueInfoProto};
use emitter::Emitter;
use graph::Forward;
use objective::{CLASSES, Logits, Names};
use tensor::signed;

/// A graph that gives gradients.
#[derive(Clone, Debug)]
pub struct Differentiated {
    /// The graph. Its inputs are the images of the model it was made of and what [`Differentiated::labels`] and its neighbours say.
    pub model: ModelProto,
    /// The input with each image's label, int64 `[n]`.
    pub labels: Option<String>,
    /// The input with each image's target, int64 `[n]`.
    pub targets: Option<String>,
    /// The input with the weights of the logits, float `[n, k]`.
    pub seed: Option<String>,
    /// The output with each image's loss, float `[n]`.
    pub loss: Option<String>,
    /// The output with the gradient, float `[n, c, h, w]`. The logits keep their name.
    pub gradient: String,
    /// Where gradients end before they reach the images.
    pub masking: Masking,
}

/// Makes the graph that gives the gradient of `objective` for the classifier `model`, whose inputs and outputs are `signature`'s.
///
/// # Errors
/// [`Refusal::Operators`] names what there is no rule for, [`Refusal::Form`] what a rule does not cover; nothing has run then.
pub fn differentiate(mut model: ModelProto, signature: &Signature, objective: Objective) -> Result<Differentiated, Refusal> {
    if let Objective::Surrogate(surrogate) = objective
        && signature.classes < surrogate.least_classes()
    {
        return Err(Refusal::Classes { surrogate, classes: signature.classes });
    }
    let mut forward = Forward::of(&mut model, signature)?;
    let (images, logits) = (signature.input.as_str(), signature.output.as_str());
    if forward.facts.get(logits).is_none() {
        return Err(Refusal::Graph(format!("nothing computes its output `{logits}`")));
    }
    let (active, masking) = activity::analyse(&forward, (images, logits))?;
    let names = forward.names();
    let steep = forward.nodes.iter().any(emitter::is_steep);
    let mut e = Emitter::new(std::mem::take(&mut forward.facts), forward.opset, names, steep);
    let mut made = Made { inputs: vec![], loss: None };
    let seed = made.start(&mut e, signature, objective);
    let passes = (forward.nodes.as_slice(), &forward.softplus);
    let gradient = match sweep::sweep(&mut e, passes, &active, (images, logits, &seed))? {
        Some(gradient) => gradient,
        None => e.zeros(images),
    };
    let gradient_name = e.plain("gradient");
    e.rename(&gradient, &gradient_name);
    sweep::add_requested(&mut forward, &e);
    let input = |role: Role| made.inputs.iter().find(|(of, _, _)| *of == role).map(|(_, name, _)| name.clone());
    let (labels, targets, seed) = (input(Role::Labels), input(Role::Targets), input(Role::Seed));
    let loss = made.loss.clone();
    assemble(&mut model, e, forward.nodes, (made, &gradient_name, signature));
    Ok(Differentiated { model, labels, targets, seed, loss, gradient: gradient_name, masking })
}

/// Where gradients end in the classifier `model`, without making the graph that gives them.
///
/// # Errors
/// [`Refusal`] as from [`differentiate`], but for forms that a rule does not cover.
pub fn masking(mut model: ModelProto, signature: &Signature) -> Result<Masking, Refusal> {
    let forward = Forward::of(&mut model, signature)?;
    activity::analyse(&forward, (&signature.input, &signature.output)).map(|(_, masking)| masking)
}

/// What an input of the new graph is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Labels,
    Targets,
    Seed,
}

/// Inputs and outputs that the objective brings.
struct Made {
    inputs: Vec<(Role, String, Vec<Option<i64>>)>,
    loss: Option<String>,
}

impl Made {
    /// Writes the objective; returns the gradient of the logits.
    fn start(&mut self, e: &mut Emitter, signature: &Signature, objective: Objective) -> String {
        let batch = signature.single.then_some(1);
        let surrogate = match objective {
            Objective::Seed => {
                let seed = e.plain("seed");
                self.inputs.push((Role::Seed, seed.clone(), vec![batch, Some(signed(signature.classes))]));
                return seed;
            }
            Objective::Surrogate(surrogate) => surrogate,
        };
        let names = Names { labels: e.plain("labels"), targets: e.plain("targets") };
        self.inputs.push((Role::Labels, names.labels.clone(), vec![batch]));
        if surrogate.is_targeted() {
            self.inputs.push((Role::Targets, names.targets.clone(), vec![batch]));
        }
        let logits = Logits { name: &signature.output, classes: signature.classes };
        let (loss, slope) = objective::write(e, surrogate, &logits, &names);
        let name = e.plain("loss");
        e.rename(&loss, &name);
        self.loss = Some(name);
        slope
    }
}

fn assemble(model: &mut ModelProto, mut e: Emitter, forward: Vec<NodeProto>, (made, gradient, signature): (Made, &str, &Signature)) {
    let GraphProto { name, input, output, .. } = model.graph.take().unwrap_or_default();
    let batch = signature.single.then_some(1);
    let mut inputs: Vec<ValueInfoProto> = input.into_iter().filter(|value| value.name() == signature.input).collect();
    inputs.extend(made.inputs.iter().map(|(role, name, sizes)| {
        let element = if *role == Role::Seed { DataType::Float } else { CLASSES };
        value(name, element, sizes)
    }));
    let mut outputs: Vec<ValueInfoProto> = output.into_iter().filter(|value| value.name() == signature.output).collect();
    outputs.extend(made.loss.iter().map(|loss| value(loss, DataType::Float, &[batch])));
    let sizes: Vec<Option<i64>> = std::iter::once(batch).chain(signature.shape.iter().map(|&size| Some(signed(size)))).collect();
    outputs.push(value(gradient, DataType::Float, &sizes));
    let initializer = [e.facts.take_constants(), std::mem::take(&mut e.initializers)].concat();
    model.graph = Some(GraphProto {
        name,
        node: [forward, std::mem::take(&mut e.nodes)].concat(),
        initializer,
        input: inputs,
        output: outputs,
        ..Default::default()
    });
    model.metadata_props.clear();
}

/// A value of the graph's boundary; a size that is not given is the number of images.
fn value(name: &str, element: DataType, sizes: &[Option<i64>]) -> ValueInfoProto {
    let size = |size: &Option<i64>| size.map_or_else(|| dimension::Value::DimParam("batch".to_owned()), dimension::Value::DimValue);
    let dim = sizes.iter().map(|sizes| Dimension { value: Some(size(sizes)), denotation: None }).collect();
    let tensor = Tensor { elem_type: Some(element as i32), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { denotation: None, value: Some(Value::TensorType(tensor)) }),
        ..Default::default()
    }
}
