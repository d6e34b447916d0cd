"""Golden values for the objectives of `stages/train`: losses and weight gradients by PyTorch.

    python tests/golden/train_llr.py            # writes train_llr.safetensors beside this file

Everything is computed in 64-bit floating point with batch normalisation written out, so that statistics can be those of the
clean batch, of the perturbed one, or fixed. LLR's directional derivative comes from double backprop: the clean statistics it
sees are computed from the same weights but from detached images, layer by layer, so that they are constants with respect to the
images and not with respect to the weights. Searches (adv, trades: sign steps under running statistics; llr: Adam under
the clean batch's statistics, both directions) are done here too. Needs torch, numpy and safetensors.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

EPS, STEP, NORM_EPSILON = 0.1, 0.03, 1e-5
MEAN, STD = 0.3, 0.4
BATCH, SIDE, CLASSES = 6, 8, 4
torch.manual_seed(20260101)


def draw_weights():
    def conv(filters, channels):
        return torch.randn(filters, channels, 3, 3) * (2 / (channels * 9)) ** 0.5

    weights = {
        "conv1.weight": conv(4, 2),
        "bn1.weight": 1 + 0.3 * torch.randn(4),
        "bn1.bias": 0.3 * torch.randn(4),
        "conv2.weight": conv(6, 4),
        "bn2.weight": 1 + 0.3 * torch.randn(6),
        "bn2.bias": 0.3 * torch.randn(6),
        "fc.weight": 1.5 * torch.randn(CLASSES, 6),
        "fc.bias": 0.3 * torch.randn(CLASSES),
    }
    running = {
        "bn1.running_mean": 0.2 * torch.randn(4),
        "bn1.running_var": 0.5 + torch.rand(4),
        "bn2.running_mean": 0.2 * torch.randn(6),
        "bn2.running_var": 0.5 + torch.rand(6),
    }
    return weights, running


def moments(h):
    mean = h.mean((0, 2, 3))
    return mean, ((h - mean.view(1, -1, 1, 1)) ** 2).mean((0, 2, 3))


def forward(weights, x, activation, statistics=None):
    """Logits and the statistics used; `statistics` = None takes those of the batch."""
    used = []

    def norm(h, name):
        mean, variance = moments(h) if statistics is None else statistics[len(used)]
        used.append((mean, variance))
        scale = weights[name + ".weight"] / torch.sqrt(variance + NORM_EPSILON)
        return activation((h - mean.view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1) + weights[name + ".bias"].view(1, -1, 1, 1))

    h = (x - MEAN) / STD
    h = norm(F.conv2d(h, weights["conv1.weight"], padding=1), "bn1")
    h = norm(F.conv2d(h, weights["conv2.weight"], stride=2, padding=1), "bn2")
    return h.mean((2, 3)) @ weights["fc.weight"].T + weights["fc.bias"], used


def losses(logits, y):
    return F.cross_entropy(logits, y, reduction="none")


def divergence(p, q):
    log_p, log_q = F.log_softmax(p, 1), F.log_softmax(q, 1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def clip(a, x):
    return torch.clamp(torch.minimum(torch.maximum(a, x - EPS), x + EPS), 0, 1)


def input_gradient(function, a):
    a = a.detach().requires_grad_()
    values = function(a)
    return values.detach(), torch.autograd.grad(values.sum(), a)[0]


def sign_search(function, x, start, steps):
    a = start
    for _ in range(steps):
        a = clip(a + STEP * input_gradient(function, a)[1].sign(), x)
    return a


def adam_search(direction, x, start, steps, rate=0.1, scale=1 / 64):
    a, mean, square = start, torch.zeros_like(x), torch.zeros_like(x)
    for t in range(1, steps + 1):
        g = scale * direction(a)
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
        a = clip(a + rate * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-9), x)
    return a


def llr_direction(released, weights, x, y, activation):
    _, statistics = forward(weights, x, activation)
    statistics = [(m.detach(), v.detach()) for m, v in statistics]
    function = lambda a: losses(forward(weights, a, activation, statistics)[0], y)
    here, slope = input_gradient(function, x)

    def direction(a):
        there, gradient = input_gradient(function, a)
        residual = there - here - ((a - x) * slope).flatten(1).sum(1)
        return residual.sign().view(-1, 1, 1, 1) * (gradient if released else gradient - slope)

    return direction


def llr(weights, x, y, a, activation, coefficients):
    weight, lam, mu = coefficients
    # The statistics depend on the weights, not on `probe`, with respect to which the inner derivative is taken.
    _, statistics = forward(weights, x, activation)
    probe = x.clone().requires_grad_()
    here = losses(forward(weights, probe, activation, statistics)[0], y)
    slope = torch.autograd.grad(here.sum(), probe, create_graph=True)[0]
    linear = ((a - x) * slope).flatten(1).sum(1)
    there = losses(forward(weights, a, activation, statistics)[0], y)
    error = (there - here - linear).abs()
    return weight * here.mean() + lam * error.mean() + mu * linear.abs().mean()


def adv(weights, x, y, a, activation):
    return losses(forward(weights, a, activation)[0], y).mean()


def trades(weights, x, y, a, activation, beta):
    clean, perturbed = forward(weights, x, activation)[0], forward(weights, a, activation)[0]
    return losses(clean, y).mean() + beta * divergence(clean, perturbed).mean()


def sgd_steps(weights, gradient, rate, momentum, decay, steps):
    """The same gradient function applied `steps` times with PyTorch's own SGD."""
    leaves = {name: torch.nn.Parameter(value.detach().clone()) for name, value in weights.items()}
    decayed = [leaf for name, leaf in leaves.items() if name.endswith("weight") and not name.startswith("bn")]
    others = [leaf for name, leaf in leaves.items() if name.startswith("bn") or name.endswith("bias")]
    groups = [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=rate, momentum=momentum, dampening=0, nesterov=False)
    for _ in range(steps):
        optimiser.zero_grad()
        gradient(leaves).backward()
        optimiser.step()
    return {name: leaf.detach() for name, leaf in leaves.items()}


def main():
    out = {}
    raw, running = draw_weights()
    x32 = torch.rand(BATCH, 2, SIDE, SIDE)
    x32[0, 0, :2] = 0.0
    start32 = clip(x32 + (2 * torch.rand_like(x32) - 1) * EPS, x32)
    y = torch.arange(BATCH) % CLASSES
    out.update({f"weights/{k}": v for k, v in raw.items()} | {f"weights/{k}": v for k, v in running.items()})
    out.update({"images": x32, "start": start32, "labels": y})
    x, start = x32.double(), start32.double()
    fixed = [tuple(running[f"{n}.running_{k}"].double() for k in ("mean", "var")) for n in ("bn1", "bn2")]
    activations = {"softplus": F.softplus, "relu": F.relu, "silu": F.silu}
    for name, activation in activations.items():
        weights = {k: v.double().requires_grad_() for k, v in raw.items()}
        frozen = {k: v.double() for k, v in raw.items()}
        cross_entropy = lambda a: losses(forward(frozen, a, activation, fixed)[0], y)
        margins = lambda a: margin(forward(frozen, a, activation, fixed)[0], y)
        clean = forward(frozen, x, activation, fixed)[0]
        kl = lambda a: divergence(clean, forward(frozen, a, activation, fixed)[0])
        found = {
            "adv": sign_search(cross_entropy, x, x, 3),
            "adv-margin": sign_search(margins, x, x, 3),
            "trades": sign_search(kl, x, start, 3),
            "llr": adam_search(llr_direction(False, frozen, x, y, activation), x, start, 3),
            "llr-released": adam_search(llr_direction(True, frozen, x, y, activation), x, start, 3),
        }
        for objective, a in found.items():
            a = a.float().double()  # what the other side reads
            values = {
                "adv": lambda w: adv(w, x, y, a, activation),
                "adv-margin": lambda w: adv(w, x, y, a, activation),
                "trades": lambda w: trades(w, x, y, a, activation, 6.0),
                "llr": lambda w: llr(w, x, y, a, activation, (1.0, 4.0, 3.0)),
                "llr-released": lambda w: llr(w, x, y, a, activation, (2.0, 4.0, 1.2)),
            }[objective]
            loss = values(weights)
            prefix = f"{name}/{objective}"
            out[f"{prefix}/adversarial"] = a
            out[f"{prefix}/loss"] = loss.detach().reshape(1)
            for key, gradient in zip(weights, torch.autograd.grad(loss, list(weights.values()))):
                out[f"{prefix}/gradient/{key}"] = gradient
            if objective in ("llr", "trades") and name == "softplus":
                for key, value in sgd_steps(weights, values, 0.1, 0.9, 2e-2, 2).items():
                    out[f"{prefix}/sgd/{key}"] = value
    path = pathlib.Path(__file__).with_name("train_llr.safetensors")
    as_numpy = {k: v.detach().numpy().astype(np.int64 if v.dtype == torch.int64 else np.float32) for k, v in out.items()}
    save_file({k: np.ascontiguousarray(v) for k, v in sorted(as_numpy.items())}, path)
    print(path.name, path.stat().st_size, "bytes")


def margin(logits, y):
    truth = logits.gather(1, y[:, None])[:, 0]
    return logits.scatter(1, y[:, None], -torch.inf).max(1).values - truth


if __name__ == "__main__":
    main()
