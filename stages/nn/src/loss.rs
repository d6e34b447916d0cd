//! Losses of logits `[n, k]`, one number an image. Labels are class indices `[n]`.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor};

fn pick(rows: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let n = rows.dims()[0];
    rows.gather(1, labels.clone().reshape([n, 1])).reshape([n])
}

/// The cross-entropy −log p(label), in nats: `[n]`.
#[must_use]
pub fn cross_entropy(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    pick(log_softmax(logits, 1), labels).neg()
}

/// The derivative of [`cross_entropy`] along `tangents` `[n, k]`: `Σⱼ pⱼ·tⱼ − t_label`, `[n]`.
#[must_use]
pub fn cross_entropy_tangent(logits: Tensor<2>, tangents: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let n = logits.dims()[0];
    let expected = (softmax(logits, 1) * tangents.clone()).sum_dim(1).reshape([n]);
    expected - pick(tangents, labels)
}

/// The largest wrong logit minus the true one: positive when the image is misclassified; `[n]`.
#[must_use]
pub fn margin(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let [n, classes] = logits.dims();
    let one_hot: Tensor<2> = labels.clone().one_hot::<2>(classes).float();
    let truth = pick(logits.clone(), labels);
    let wrong = logits.mask_fill(one_hot.greater_scalar(0.5), f32::NEG_INFINITY).max_dim(1).reshape([n]);
    wrong - truth
}

/// The Kullback–Leibler divergence KL(p ‖ q) of the distributions that two sets of logits `[n, k]` give, in nats: `[n]`.
/// TRADES uses it with p from the clean and q from the perturbed image.
#[must_use]
pub fn kl_divergence(p_logits: Tensor<2>, q_logits: Tensor<2>) -> Tensor<1> {
    let n = p_logits.dims()[0];
    let log_p = log_softmax(p_logits, 1);
    let log_q = log_softmax(q_logits, 1);
    (log_p.clone().exp() * (log_p - log_q)).sum_dim(1).reshape([n])
}
