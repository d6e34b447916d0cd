"""Trains a small CNN on CIFAR-10 with fast adversarial training (Wong, Rice and Kolter 2020, arXiv 2001.03994) in PyTorch.

    python docs/results/scripts/train_foreign.py CIFAR_10_BATCHES_BIN OUT_DIR

writes OUT_DIR/foreign.onnx (images [n,3,32,32] in [0,1] → logits), a model that planish knows nothing of. Needs torch, onnx and
onnxscript. Minutes on two cores.
"""

import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

EPS, STEP, EPOCHS, BATCH = 8 / 255, 10 / 255, 3, 128


def network():
    def block(inputs, outputs, stride):
        return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    layers = block(3, 24, 2) + block(24, 48, 1) + [nn.MaxPool2d(2)] + block(48, 96, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network()
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2471, 0.2435, 0.2616]).view(1, 3, 1, 1))

    def forward(self, x):
        return self.network((x - self.mean) / self.std)


def read(paths):
    records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, 3073) for path in paths])
    return torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy()), torch.from_numpy(records[:, 0].astype(np.int64))


def perturb(model, x, y, steps, size, start):
    delta = torch.empty_like(x).uniform_(-start, start)
    for _ in range(steps):
        delta.requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(model((x + delta).clamp(0, 1)), y), delta)
        delta = (delta.detach() + size * gradient.sign()).clamp(-EPS, EPS)
    return (x + delta).clamp(0, 1).detach()


def accuracy(model, images, labels, steps):
    model.eval()
    right = 0
    for x, y in zip(images.split(250), labels.split(250)):
        x = x.float() / 255
        x = perturb(model, x, y, steps, EPS / 4, EPS) if steps else x
        with torch.no_grad():
            right += (model(x).argmax(1) == y).sum().item()
    model.train()
    return right / len(labels)


def main():
    source, out = map(pathlib.Path, sys.argv[1:])
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = read([source / f"data_batch_{i}.bin" for i in range(1, 6)])
    tests, test_labels = read([source / "test_batch.bin"])
    model, steps = Normalised(), EPOCHS * (len(labels) // BATCH)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.2, steps)
    for epoch in range(EPOCHS):
        started = time.time()
        order = torch.randperm(len(labels))
        for chosen in order.split(BATCH)[: len(labels) // BATCH]:
            x, y = images[chosen].float() / 255, labels[chosen]
            flip = torch.rand(len(y)) < 0.5
            x[flip] = x[flip].flip(3)
            x = perturb(model, x, y, 1, STEP, EPS)
            loss = F.cross_entropy(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        clean, robust = (accuracy(model, tests[:500], test_labels[:500], steps) for steps in (0, 10))
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, clean {clean:.3f}, PGD-10 {robust:.3f}, {time.time() - started:.0f} s", flush=True)
    model.eval().requires_grad_(False)
    out.mkdir(parents=True, exist_ok=True)
    batch = torch.export.Dim("batch", min=1, max=4096)
    example = tests[:4].float() / 255
    names = {"input_names": ["images"], "output_names": ["logits"], "external_data": False}
    torch.onnx.export(model, (example,), str(out / "foreign.onnx"), dynamo=True, dynamic_shapes=({0: batch},), verbose=False, **names)


if __name__ == "__main__":
    main()
