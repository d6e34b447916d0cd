//! Folding a batch normalisation into the convolution before it.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::graph::reads;
use super::node::Reading;
use super::tensor;
use super::tensor::signed;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;

/// Folds each batch normalisation with known statistics whose input is a convolution that nothing else reads.
pub(crate) fn batch_normalisations(nodes: Vec<NodeProto>, facts: &mut Facts, output: &str) -> Vec<NodeProto> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::from([(output.to_owned(), 1)]);
    for name in nodes.iter().flat_map(reads) {
        *uses.entry(name).or_default() += 1;
    }
    let mut folded: Vec<NodeProto> = Vec::with_capacity(nodes.len());
    let mut convolutions: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes {
        let target = node.input_name(0).filter(|x| uses.get(*x) == Some(&1)).and_then(|x| convolutions.get(x).copied());
        if let Some(convolution) = target.and_then(|index| folded.get_mut(index))
            && fold(&node, convolution, facts).is_some()
        {
            continue;
        }
        if node.operator() == "Conv"
            && let Some(name) = node.output_name(0)
        {
            convolutions.insert(name.to_owned(), folded.len());
        }
        folded.push(node);
    }
    folded
}

/// Scales the weights; the convolution then gives what the normalisation gave.
fn fold(node: &NodeProto, convolution: &mut NodeProto, facts: &mut Facts) -> Option<()> {
    if node.operator() != "BatchNormalization" || node.int("training_mode", 0) != 0 {
        return None;
    }
    let value = |node: &NodeProto, index: usize| tensor::floats(facts.constant(node.input_name(index)?)?);
    let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|index| value(node, index));
    let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
    let weights = facts.constant(convolution.input_name(1)?)?;
    let (dims, element) = (weights.dims.clone(), DataType::try_from(weights.data_type()).ok()?);
    let mut values = tensor::floats(weights)?;
    let channels = usize::try_from(*dims.first()?).ok().filter(|channels| *channels > 0)?;
    let bias = match convolution.input_name(2) {
        Some(_) => value(convolution, 2)?,
        None => vec![0.0; channels],
    };
    if [&scale, &shift, &mean, &variance, &bias].iter().any(|list| list.len() != channels) {
        return None;
    }
    let epsilon = node.float("epsilon", 1e-5);
    let factors: Vec<f64> = scale.iter().zip(&variance).map(|(scale, variance)| scale / (variance + epsilon).sqrt()).collect();
    let row = (values.len() / channels).max(1);
    for (row, factor) in values.chunks_mut(row).zip(&factors) {
        for weight in row {
            *weight *= factor;
        }
    }
    let shifted = |((bias, mean), (factor, shift)): ((&f64, &f64), (&f64, &f64))| (bias - mean) * factor + shift;
    let bias: Vec<f64> = bias.iter().zip(&mean).zip(factors.iter().zip(&shift)).map(shifted).collect();
    let (weight_name, bias_name) = (format!("{}/folded.weight", node.output_name(0)?), format!("{}/folded.bias", node.output_name(0)?));
    if facts.get(&weight_name).is_some() || facts.get(&bias_name).is_some() {
        return None;
    }
    facts.insert_constant(&weight_name, tensor::of_floats(element, &dims, &values));
    facts.insert_constant(&bias_name, tensor::of_floats(element, &[signed(channels)], &bias));
    convolution.input = vec![convolution.input.first()?.clone(), weight_name, bias_name];
    convolution.output = vec![node.output_name(0)?.to_owned()];
    Some(())
}
