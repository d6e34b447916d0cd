//! The operations as an extension of burn's backends, with their reverse rules.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, backend_extension};
use burn_flex::FlexTensor;

use super::flex;
use crate::Activation;
use crate::kernels::geometry::Geometry;

/// What the CPU backend learns. Shapes are those of [`crate::ops`].
#[backend_extension(Flex, Autodiff)]
pub(crate) trait NetworkOps: burn::backend::Backend {
    fn convolution(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize, padding: usize) -> FloatTensor<Self>;
    fn moments(x: FloatTensor<Self>, rows: usize) -> FloatTensor<Self>;
    fn affine_activation(x: FloatTensor<Self>, coefficients: FloatTensor<Self>, values: usize, activation: Activation)
    -> FloatTensor<Self>;
}

impl NetworkOps for Flex {
    fn convolution(x: FlexTensor, weight: FlexTensor, stride: usize, padding: usize) -> FlexTensor {
        flex::convolution_forward(&x, &weight, &flex::geometry(&x, &weight, stride, padding))
    }

    fn moments(x: FlexTensor, rows: usize) -> FlexTensor {
        flex::moments_forward(&x, rows)
    }

    fn affine_activation(x: FlexTensor, coefficients: FlexTensor, values: usize, activation: Activation) -> FlexTensor {
        flex::affine_forward(&x, &coefficients, values, activation)
    }
}

impl<C: CheckpointStrategy> NetworkOps for Autodiff<Flex, C> {
    fn convolution(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize, padding: usize) -> FloatTensor<Self> {
        let geometry = flex::geometry(x.primitive(), weight.primitive(), stride, padding);
        // Each gradient needs the other operand only.
        let keep_x = weight.is_tracked().then(|| x.primitive().clone());
        let keep_weight = x.is_tracked().then(|| weight.primitive().clone());
        let prepared = Convolution.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful();
        let output = flex::convolution_forward(x.primitive(), weight.primitive(), &geometry);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(ConvolutionState { x: keep_x, weight: keep_weight, geometry }, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn moments(x: FloatTensor<Self>, rows: usize) -> FloatTensor<Self> {
        let prepared = Moments.prepare::<C>([x.node()]).compute_bound().stateful();
        let output = flex::moments_forward(x.primitive(), rows);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((x.into_primitive(), output.clone(), rows), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn affine_activation(
        x: FloatTensor<Self>,
        coefficients: FloatTensor<Self>,
        values: usize,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let prepared = AffineActivation.prepare::<C>([x.node(), coefficients.node()]).compute_bound().stateful();
        let output = flex::affine_forward(x.primitive(), coefficients.primitive(), values, activation);
        match prepared {
            OpsKind::Tracked(prepared) => {
                prepared.finish((x.into_primitive(), coefficients.into_primitive(), (values, activation)), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

#[derive(Debug)]
struct Convolution;

/// What the reverse rule of a convolution needs: the images if the weight is tracked, the weight if the images are.
#[derive(Clone, Debug)]
struct ConvolutionState {
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
    geometry: Geometry,
}

impl Backward<Flex, 2> for Convolution {
    type State = ConvolutionState;

    fn backward(self, ops: Ops<ConvolutionState, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let [x, weight] = ops.parents;
        let state = ops.state;
        if let (Some(node), Some(weight)) = (x, &state.weight) {
            gradients.register::<Flex>(node.id, flex::convolution_input_gradient(&gradient, weight, &state.geometry));
        }
        if let (Some(node), Some(x)) = (weight, &state.x) {
            gradients.register::<Flex>(node.id, flex::convolution_weight_gradient(x, &gradient, &state.geometry));
        }
    }
}

#[derive(Debug)]
struct Moments;

impl Backward<Flex, 1> for Moments {
    type State = (FlexTensor, FlexTensor, usize);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let [node] = ops.parents;
        let (x, moments, rows) = &ops.state;
        if let Some(node) = node {
            gradients.register::<Flex>(node.id, flex::moments_backward(x, moments, &gradient, *rows));
        }
    }
}

#[derive(Debug)]
struct AffineActivation;

impl Backward<Flex, 2> for AffineActivation {
    type State = (FlexTensor, FlexTensor, (usize, Activation));

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let (x, coefficients, how) = &ops.state;
        let (to_x, to_coefficients) = flex::affine_backward(x, coefficients, &gradient, *how);
        for (node, gradient) in ops.parents.into_iter().zip([to_x, to_coefficients]) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}
