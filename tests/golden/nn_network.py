"""Reference values for a WRN-10-1, computed by PyTorch in double precision.

    python tests/golden/nn_network.py

writes nn_network.safetensors beside this file. Weights, images and directions are not stored: both sides make
them from `uniform` below. Gradients of large tensors are stored at evenly spaced places only.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

IMAGES = 4
LABELS = torch.tensor([3, 1, 4, 1])
MEAN, STD = [0.5, 0.48, 0.45], [0.25, 0.24, 0.26]
STORED = 1500  # numbers of a gradient that are stored, at most
ACTIVATIONS = {"relu": F.relu, "softplus": F.softplus, "silu": F.silu}


def uniform(name, count):
    """Numbers in [-1, 1) on a grid of 2^-23: SplitMix64 of (FNV-1a of the name) + index."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    z = np.uint64(seed) + np.arange(count, dtype=np.uint64)
    z = z * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def tensor(name, shape, centre, spread):
    values = (centre + spread * uniform(name, int(np.prod(shape)))).astype(np.float32)
    return torch.from_numpy(values.astype(np.float64).reshape(shape))


def weights():
    """All parameters of a WRN-10-1 with the released stem, and running statistics."""
    parameters, running = {}, {}

    def conv(name, filters, channels, kernel):
        shape = [filters, channels, kernel, kernel]
        parameters[f"{name}.weight"] = tensor(f"{name}.weight", shape, 0, (6 / (channels * kernel**2)) ** 0.5)

    def norm(name, channels):
        parameters[f"{name}.weight"] = tensor(f"{name}.weight", [channels], 1, 0.2)
        parameters[f"{name}.bias"] = tensor(f"{name}.bias", [channels], 0, 0.2)
        running[f"{name}.running_mean"] = tensor(f"{name}.running_mean", [channels], 0, 0.3)
        running[f"{name}.running_var"] = tensor(f"{name}.running_var", [channels], 1, 0.5)

    conv("conv1", 16, 3, 3)
    channels = 16
    for group, filters in enumerate([16, 32, 64], 1):
        block = f"block{group}.layer.0"
        norm(f"{block}.bn1", channels)
        conv(f"{block}.conv1", filters, channels, 3)
        norm(f"{block}.bn2", filters)
        conv(f"{block}.conv2", filters, filters, 3)
        conv(f"{block}.convShortcut", filters, channels, 1)
        channels = filters
    norm("bn1", 64)
    parameters["fc.weight"] = tensor("fc.weight", [10, 64], 0, 0.125)
    parameters["fc.bias"] = tensor("fc.bias", [10], 0, 0.1)
    return parameters, running


def forward(p, x, activation, statistics):
    """Logits, and the statistics in use; `statistics` None takes them from `x`."""
    used = {}

    def norm(name, x):
        if statistics is None:
            mean = x.mean([0, 2, 3])
            var = ((x - mean[:, None, None]) ** 2).mean([0, 2, 3])
        else:
            mean, var = statistics[f"{name}.running_mean"], statistics[f"{name}.running_var"]
        used[f"{name}.running_mean"], used[f"{name}.running_var"] = mean, var
        scale = p[f"{name}.weight"] / (var + 1e-5).sqrt()
        return activation((x - mean[:, None, None]) * scale[:, None, None] + p[f"{name}.bias"][:, None, None])

    mean, std = (torch.tensor(v, dtype=x.dtype)[:, None, None] for v in (MEAN, STD))
    x = F.conv2d((x - mean) / std, p["conv1.weight"], padding=1)
    for group in (1, 2, 3):
        block, stride = f"block{group}.layer.0", 1 if group == 1 else 2
        active = norm(f"{block}.bn1", x)
        y = F.conv2d(active, p[f"{block}.conv1.weight"], stride=stride, padding=1)
        y = F.conv2d(norm(f"{block}.bn2", y), p[f"{block}.conv2.weight"], padding=1)
        x = y + F.conv2d(active, p[f"{block}.convShortcut.weight"], stride=stride)
    x = norm("bn1", x).mean([2, 3])
    return F.linear(x, p["fc.weight"], p["fc.bias"]), used


def sample(values):
    values = values.detach().flatten()
    return values[:: -(-len(values) // STORED)].numpy().astype(np.float32).copy()


def main():
    out = {}
    parameters, running = weights()
    x = tensor("images", [IMAGES, 3, 32, 32], 0.5, 0.5)
    delta = tensor("direction", [IMAGES, 3, 32, 32], 0, 0.05)
    for name, activation in ACTIVATIONS.items():
        out[f"{name}.fixed.logits"] = forward(parameters, x, activation, running)[0].numpy().astype(np.float32)
        logits, used = forward(parameters, x, activation, None)
        out[f"{name}.batch.logits"] = logits.numpy().astype(np.float32)
        for key, value in used.items():
            out[f"{name}.batch.{key}"] = value.numpy().astype(np.float32)

    # A training step's gradients: through the statistics, for weights and images.
    leaves = {key: value.clone().requires_grad_() for key, value in parameters.items()}
    images = x.clone().requires_grad_()
    loss = F.cross_entropy(forward(leaves, images, F.softplus, None)[0], LABELS, reduction="sum")
    gradients = torch.autograd.grad(loss, [*leaves.values(), images])
    for key, gradient in zip([*leaves, "images"], gradients):
        out[f"train.{key}"] = sample(gradient)

    # Second order: d/dw of sum |<delta_i, grad_x l_i>|, with the statistics of the images constant with respect to
    # the images but not with respect to the weights. The batch's statistics come from a detached copy of the images.
    for name in ("softplus", "silu"):
        activation = ACTIVATIONS[name]
        leaves = {key: value.clone().requires_grad_() for key, value in parameters.items()}
        images = x.clone().requires_grad_()
        _, used = forward(leaves, x, activation, None)
        losses = F.cross_entropy(forward(leaves, images, activation, used)[0], LABELS, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), images, create_graph=True)
        derivatives = (gradient * delta).flatten(1).sum(1)
        out[f"{name}.dual.losses"] = losses.detach().numpy().astype(np.float32)
        out[f"{name}.dual.derivatives"] = derivatives.detach().numpy().astype(np.float32)
        gradients = torch.autograd.grad(derivatives.abs().sum(), list(leaves.values()), allow_unused=True)
        for key, gradient in zip(leaves, gradients):
            out[f"{name}.dual.{key}"] = sample(torch.zeros_like(leaves[key]) if gradient is None else gradient)

    save_file(out, pathlib.Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
