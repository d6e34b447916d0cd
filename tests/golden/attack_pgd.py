"""Makes attack_pgd.safetensors: PGD-20 (sign, cross-entropy, from the image itself) in PyTorch on a tiny trained network.

The Rust test `golden` of planish-attack runs its own PGD on the same weights and images and compares. A sign step turns a gradient
that is zero but for rounding into a full step, so PyTorch itself ends elsewhere in single than in double precision on one image
in five. The attack here runs in double precision, and images on which a sign or a stop hangs on rounding are left out.
Needs torch, numpy and safetensors. Deterministic on one machine; the file in the repository was made with torch 2.15 on a CPU.
"""

import pathlib
import re

import torch
from safetensors.torch import save_file

EPS, STEPS, STEP_SIZE = 0.04, 20, 0.01
HEADROOM = 2e-3  # planish_attack::search::HEADROOM: a margin below minus this ends the search
SHAPE, CLASSES, IMAGES, WIDTH = (2, 8, 8), 4, 48, 3
POOL = 400  # images to choose the 48 from
CLEAR = 1e-4  # a gradient below this share of the largest, or a margin this close to a decision, hangs on rounding
MEAN, STD = [0.45, 0.55], [0.25, 0.3]


class SmallCnn(torch.nn.Module):
    """planish's `small-cnn` with `norm = false` and softplus; images in [0,1]."""

    def __init__(self):
        super().__init__()
        channels, layers = SHAPE[0], []
        for widening, stride in [(1, 2), (2, 1), (2, 2), (4, 1)]:
            layers.append(torch.nn.Conv2d(channels, widening * WIDTH, 3, stride, 1))
            channels = widening * WIDTH
        self.convs = torch.nn.ModuleList(layers)
        self.fc = torch.nn.Linear(channels, CLASSES)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, -1, 1, 1))

    def forward(self, x):
        x = (x - self.mean) / self.std
        for conv in self.convs:
            x = torch.nn.functional.softplus(conv(x))
        return self.fc(x.mean(dim=(2, 3)))


def make_images(count, generator):
    """Noise plus stripes whose direction and phase of channels tell the class; u8."""
    labels = torch.arange(count) % CLASSES
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    waves = [torch.sin(rows * 1.6), torch.sin(columns * 1.6), torch.sin((rows + columns) * 1.6), torch.sin((rows - columns) * 0.8)]
    patterns = torch.stack([torch.stack([wave, wave.flip(0)]) for wave in waves])
    strength = 0.05 + 0.12 * torch.rand(count, 1, 1, 1, generator=generator)
    pixels = 0.5 + strength * patterns[labels] + 0.12 * torch.randn(count, *SHAPE, generator=generator)
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8), labels


def train(network, generator):
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(400):
        images, labels = make_images(64, generator)
        loss = torch.nn.functional.cross_entropy(network(images / 255.0), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def margins(logits, labels):
    """True logit minus the largest other."""
    truth = logits.gather(1, labels[:, None])[:, 0]
    return truth - logits.scatter(1, labels[:, None], -torch.inf).max(1).values


def attack(network, images, labels):
    """One image at a time; keeps the iterate with the lowest margin, and says whether every decision was clear."""
    kept, steps, clear = [], [], []
    for original, label in zip(images, labels):
        label, x = label[None], original[None].clone()
        best, best_margin, best_step, decided = x, torch.inf, 0, True
        for step in range(STEPS + 1):
            x = x.detach().requires_grad_()
            logits = network(x)
            margin = margins(logits, label).item()
            decided &= min(abs(margin), abs(margin + HEADROOM), abs(margin - best_margin)) > CLEAR
            if margin < best_margin:
                best, best_margin, best_step = x.detach(), margin, step
            if margin < -HEADROOM or step == STEPS:
                break
            (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, label), x)
            decided &= (gradient.abs().min() > CLEAR * gradient.abs().max()).item()
            moved = x.detach() + STEP_SIZE * gradient.sign()
            x = torch.minimum(torch.maximum(moved, original - EPS), original + EPS).clamp(0, 1)
        kept.append(best[0])
        steps.append(best_step)
        clear.append(decided)
    return torch.stack(kept), torch.tensor(steps), torch.tensor(clear)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    network = SmallCnn()
    train(network, generator)
    network.eval().requires_grad_(False)
    weights = {name: tensor.clone() for name, tensor in network.named_parameters()}
    network.double()
    images, labels = make_images(POOL, generator)
    kept, steps, clear = attack(network, images.double() / 255.0, labels)
    chosen = clear.nonzero()[:IMAGES, 0]
    assert len(chosen) == IMAGES, f"only {len(chosen)} of {POOL} images are clear"
    images, labels, kept, steps = images[chosen], labels[chosen], kept[chosen], steps[chosen]
    clean, logits = network(images.double() / 255.0), network(kept)
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    tensors = {"images": images, "labels": labels, "steps": steps}
    tensors |= {"clean_logits": clean.float(), "attacked_logits": logits.float(), "attacked_loss": loss.float()}
    # `convs.0.weight` is `conv1.weight` in planish.
    tensors |= {re.sub(r"convs\.(\d)", lambda found: f"conv{int(found[1]) + 1}", name): tensor for name, tensor in weights.items()}
    path = pathlib.Path(__file__).with_suffix(".safetensors")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
    right, robust = (margins(clean, labels) > 0), (margins(logits, labels) > 0)
    print(f"{path.name}: {path.stat().st_size} bytes; {int(right.sum())} of {IMAGES} right, {int(robust.sum())} robust")


if __name__ == "__main__":
    main()
