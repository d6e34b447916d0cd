"""Golden values for further objectives of `stages/train`: losses and weight gradients by PyTorch.

    python tests/golden/train_objectives.py     # writes train_objectives.safetensors beside this file

Weights, images, labels and starts are those of train_llr.safetensors; network, statistics and searches come from train_llr.py.
Norms and cosines of input gradients are differentiated by double backprop in 64-bit floating point, under the clean batch's
statistics (constants with respect to images, not with respect to weights). Needs torch, numpy and safetensors.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file

from train_llr import EPS, adam_search, divergence, forward, input_gradient, losses, sign_search, trades

HERE = pathlib.Path(__file__).parent
CURE_LAMBDA, CURE_H, ALIGN_LAMBDA, GAMMA = 4.0, 0.3, 0.2, 5e-3


def clean_statistics(weights, x, activation):
    return forward(weights, x, activation)[1]


def slope(weights, a, y, activation, statistics):
    """Losses at `a` and their input gradient, differentiable again."""
    probe = a.detach().clone().requires_grad_()
    values = losses(forward(weights, probe, activation, statistics)[0], y)
    return values, torch.autograd.grad(values.sum(), probe, create_graph=True)[0]


def flat_norm(g, p=2):
    return g.flatten(1).norm(p=p, dim=1)


def cure(weights, x, y, a, activation, squared):
    statistics = clean_statistics(weights, x, activation)
    here, at_x = slope(weights, x, y, activation, statistics)
    _, at_a = slope(weights, a, y, activation, statistics)
    term = flat_norm(at_a - at_x)
    return here.mean() + CURE_LAMBDA * (term**2 if squared else term).mean()


def llr_norm(weights, x, y, a, activation, p):
    statistics = clean_statistics(weights, x, activation)
    here, at_x = slope(weights, x, y, activation, statistics)
    there = losses(forward(weights, a, activation, statistics)[0], y)
    error = (there - here - ((a - x) * at_x).flatten(1).sum(1)).abs()
    term = EPS * flat_norm(at_x, 1) if p == 1 else flat_norm(at_x, 2)
    return here.mean() + 4.0 * error.mean() + 3.0 * term.mean()


def loss_gap(weights, x, y, a, activation):
    statistics = clean_statistics(weights, x, activation)
    here = losses(forward(weights, x, activation, statistics)[0], y)
    there = losses(forward(weights, a, activation, statistics)[0], y)
    return here.mean() + 4.0 * (there - here).abs().mean()


def grad_align(weights, x, y, a, activation, elsewhere):
    statistics = clean_statistics(weights, x, activation)
    _, at_x = slope(weights, x, y, activation, statistics)
    _, at_e = slope(weights, elsewhere, y, activation, statistics)
    cosine = F.cosine_similarity(at_x.flatten(1), at_e.flatten(1), dim=1, eps=0)
    return losses(forward(weights, a, activation)[0], y).mean() + ALIGN_LAMBDA * (1 - cosine).mean()


def mart(weights, x, y, a, activation, beta):
    clean, perturbed = forward(weights, x, activation)[0], forward(weights, a, activation)[0]
    p, q = F.softmax(clean, 1), F.softmax(perturbed, 1)
    rows = torch.arange(len(y))
    wrong = q.clone()
    wrong[rows, y] = 0
    boosted = losses(perturbed, y) - torch.log(1.0001 - wrong.max(1).values + 1e-12)
    return (boosted + beta * divergence(clean, perturbed) * (1.0000001 - p[rows, y])).mean()


def perturb_weights(weights, function):
    """One ascent step of fixed relative length on every tensor of more than one dimension."""
    gradients = torch.autograd.grad(function(weights), list(weights.values()))
    moved = {}
    for (name, weight), gradient in zip(weights.items(), gradients):
        w = weight.detach()
        if w.dim() > 1:
            w = w + GAMMA * w.norm() / (gradient.norm() + 1e-20) * gradient
        moved[name] = w.clone().requires_grad_()
    return moved


def record(out, prefix, loss, weights):
    out[f"{prefix}/loss"] = loss.detach().reshape(1)
    for key, gradient in zip(weights, torch.autograd.grad(loss, list(weights.values()))):
        out[f"{prefix}/gradient/{key}"] = gradient


def main():
    base = {k: torch.from_numpy(v) for k, v in load_file(HERE / "train_llr.safetensors").items()}
    names = [k.removeprefix("weights/") for k in base if k.startswith("weights/") and "running" not in k]
    x, start, y = base["images"].double(), base["start"].double(), base["labels"]
    fixed = [tuple(base[f"weights/{n}.running_{k}"].double() for k in ("mean", "var")) for n in ("bn1", "bn2")]
    out = {}
    for name, activation in {"softplus": F.softplus, "relu": F.relu}.items():
        frozen = {k: base[f"weights/{k}"].double() for k in names}
        weights = {k: v.clone().requires_grad_() for k, v in frozen.items()}
        statistics = clean_statistics(frozen, x, activation)
        at_clean = lambda a: losses(forward(frozen, a, activation, statistics)[0], y)
        here, at_x = input_gradient(at_clean, x)
        z = at_x.sign()
        z = z / flat_norm(z).view(-1, 1, 1, 1)

        def gap_direction(a):
            there, gradient = input_gradient(at_clean, a)
            return (there - here).sign().view(-1, 1, 1, 1) * gradient

        running = lambda a: losses(forward(frozen, a, activation, fixed)[0], y)
        found = {
            "cure": x + CURE_H * z,
            "loss-gap": adam_search(gap_direction, x, start, 3),
            "mart": sign_search(running, x, start, 3),
        }
        for member, a in found.items():
            out[f"{name}/{member}/adversarial"] = a.float()
        found = {k: a.float().double() for k, a in found.items()}
        near = base[f"{name}/adv/adversarial"].double()
        llr_near = base[f"{name}/llr/adversarial"].double()
        trades_near = base[f"{name}/trades/adversarial"].double()
        record(out, f"{name}/cure", cure(weights, x, y, found["cure"], activation, False), weights)
        record(out, f"{name}/cure-squared", cure(weights, x, y, found["cure"], activation, True), weights)
        record(out, f"{name}/loss-gap", loss_gap(weights, x, y, found["loss-gap"], activation), weights)
        record(out, f"{name}/mart", mart(weights, x, y, found["mart"], activation, 6.0), weights)
        record(out, f"{name}/llr-l1", llr_norm(weights, x, y, llr_near, activation, 1), weights)
        record(out, f"{name}/llr-l2", llr_norm(weights, x, y, llr_near, activation, 2), weights)
        record(out, f"{name}/grad-align", grad_align(weights, x, y, near, activation, start), weights)
        value = lambda w: trades(w, x, y, trades_near, activation, 6.0)
        moved = perturb_weights(weights, value)
        record(out, f"{name}/trades-awp", value(moved), moved)
    path = HERE / "train_objectives.safetensors"
    save_file({k: np.ascontiguousarray(v.detach().numpy().astype(np.float32)) for k, v in sorted(out.items())}, path)
    print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
