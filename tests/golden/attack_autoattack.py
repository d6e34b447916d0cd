"""Makes attack_autoattack.safetensors: what the official AutoAttack finds where it draws no random numbers.

The Rust test `golden` of planish-attack runs its own APGD and FAB on the same weights and images (of attack_pgd.safetensors) and compares:
- apgd_NORM: the lowest margin that APGD-CE meets in 30 iterations from the image itself, for images that it does not break;
- fab_NORM, fab_t_NORM: the distance of the nearest adversarial image of FAB and of FAB towards the three other classes, 20 iterations.

Needs torch, numpy, safetensors and the official code, which is not part of this repository:
python3 tests/golden/attack_autoattack.py DIRECTORY_OF_AUTO_ATTACK
"""

import math
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, sys.argv[1])
here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here))

from attack_pgd import CLASSES, SmallCnn, margins  # noqa: E402
from autoattack.autopgd_base import APGDAttack, L1_projection  # noqa: E402
from autoattack.fab_pt import FABAttack_PT  # noqa: E402

STEPS, FAB_STEPS = 30, 20
RADII = {"Linf": 0.02, "L2": 0.1, "L1": 0.5}
golden = load_file(here / "attack_pgd.safetensors")
network = SmallCnn()
weights = {name.replace("conv1.", "convs.0.").replace("conv2.", "convs.1.").replace("conv3.", "convs.2.").replace("conv4.", "convs.3."): value
           for name, value in golden.items() if "." in name}
network.load_state_dict(weights, strict=False)
network.double().eval().requires_grad_(False)
images, labels = golden["images"].double() / 255, golden["labels"]


class Recorder:
    """Passes images on and remembers the lowest margin of each."""

    def __init__(self):
        self.lowest = torch.full((len(images),), torch.inf, dtype=torch.float64)

    def __call__(self, x):
        logits = network(x)
        self.lowest = torch.minimum(self.lowest, margins(logits.detach(), labels))
        return logits


def apgd(norm):
    recorder, eps = Recorder(), RADII[norm]
    attack = APGDAttack(recorder, n_iter=STEPS, norm=norm, eps=eps, seed=0, device="cpu")
    attack.init_hyperparam(images)
    stages = [(eps, STEPS)]
    if norm == "L1":  # as decr_eps_pgd, from the image itself
        early = math.ceil(0.3 * STEPS)
        stages = [(3 * eps, early), (2 * eps, early), (eps, STEPS - 2 * early)]
    point = images.clone()
    for radius, steps in stages:
        recorder.lowest.fill_(torch.inf)
        attack.eps, attack.n_iter = radius, steps
        if norm == "L1":
            point = point + L1_projection(images, point - images, radius).double()
        point = attack.attack_single_run(images, labels, x_init=point)[0]
    return recorder.lowest


def distance(norm, change):
    flat = change.flatten(1)
    return {"Linf": flat.abs().max(1).values, "L2": flat.pow(2).sum(1).sqrt(), "L1": flat.abs().sum(1)}[norm]


def fab(norm, targeted):
    attack = FABAttack_PT(network, norm=norm, n_iter=FAB_STEPS, eps=RADII[norm], targeted=targeted, device="cpu", n_target_classes=CLASSES - 1)
    nearest = torch.full((len(images),), torch.inf, dtype=torch.float64)
    for rank in range(2, CLASSES + 1) if targeted else [None]:
        attack.target_class = rank
        found = attack.attack_single_run(images.float(), labels, is_targeted=targeted)
        broken = margins(network(found.double()), labels) <= 0
        nearest = torch.where(broken, torch.minimum(nearest, distance(norm, found.double() - images)), nearest)
    return nearest


def main():
    result = {}
    for norm in RADII:
        name = norm.lower()
        result[f"apgd_{name}"] = apgd(norm).float()
        network.float()
        result[f"fab_{name}"], result[f"fab_t_{name}"] = fab_in_single(norm, False), fab_in_single(norm, True)
        network.double()
    for name, values in result.items():
        print(name, values[:6].tolist(), (values <= 0).sum().item())
    save_file({name: values.contiguous() for name, values in result.items()}, here / "attack_autoattack.safetensors")


def fab_in_single(norm, targeted):
    """FAB converts images to single precision by itself."""
    double = network.forward
    network.forward = lambda x: double(x.float()).to(x.dtype)
    try:
        return fab(norm, targeted).float()
    finally:
        network.forward = double


main()
