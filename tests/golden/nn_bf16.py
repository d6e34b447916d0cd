"""Reference values for a WRN-10-1 in bfloat16: PyTorch's autocast on the processor.

    python tests/golden/nn_bf16.py

writes nn_bf16.safetensors beside this file. Weights and images are those of nn_network.py, in single precision. `autocast.` is what
torch.autocast("cpu", torch.bfloat16) gives for a training step with batch statistics: convolutions and the linear layer in bfloat16, and, unlike planish, what
is between them too. `rounded.` is the same step with only the operands and results of those layers rounded, forward and back, which is what planish does.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

import nn_network
from nn_network import IMAGES, LABELS, sample, tensor, weights


def rounded(x):
    return x.to(torch.bfloat16).to(torch.float32)


class Rounded:
    """torch.nn.functional with rounding around convolutions and linear layers; a cast's gradient is rounded as well."""

    def __getattr__(self, name):
        return getattr(F, name)

    @staticmethod
    def conv2d(x, weight, **options):
        return rounded(F.conv2d(rounded(x), rounded(weight), **options))

    @staticmethod
    def linear(x, weight, bias):
        return rounded(F.linear(rounded(x), rounded(weight))) + bias


def step(functional, autocast):
    nn_network.F = functional
    leaves = {key: value.float().requires_grad_() for key, value in weights()[0].items()}
    images = tensor("images", [IMAGES, 3, 32, 32], 0.5, 0.5).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = nn_network.forward(leaves, images, F.softplus, None)[0]
    loss = F.cross_entropy(logits.float(), LABELS, reduction="sum")
    gradients = torch.autograd.grad(loss, [*leaves.values(), images])
    out = {"loss": loss.detach().reshape(1).numpy().copy()}
    for key, gradient in zip([*leaves, "images"], gradients):
        out[key] = sample(gradient.float())
    return out


def main():
    torch.set_default_dtype(torch.float32)
    out = {}
    for name, functional, autocast in [("rounded", Rounded(), False), ("autocast", F, True)]:
        out |= {f"{name}.{key}": value for key, value in step(functional, autocast).items()}
    save_file(out, pathlib.Path(__file__).with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
