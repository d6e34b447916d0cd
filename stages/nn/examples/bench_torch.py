"""Times of the steps of bench.rs in PyTorch: python bench_torch.py [THREADS] [ROUNDS]"""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 1
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 15
BATCH = 64
torch.set_num_threads(THREADS)


class Block(nn.Module):
    def __init__(self, channels, filters, stride, project):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(filters)
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(channels, filters, 1, stride, bias=False) if project else None

    def forward(self, x):
        h = F.softplus(self.bn1(x))
        y = self.conv2(F.softplus(self.bn2(self.conv1(h))))
        return y + (self.shortcut(h) if self.shortcut else x)


class WideResnet(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers, channels = [nn.Conv2d(3, 16 * width, 3, 1, 1, bias=False)], 16 * width
        for group in (1, 2, 3):
            filters = 8 * 2**group * width
            layers.append(Block(channels, filters, 1 if group == 1 else 2, True))
            channels = filters
        self.layers, self.bn, self.fc = nn.Sequential(*layers), nn.BatchNorm2d(channels), nn.Linear(channels, 10)

    def forward(self, x):
        return self.fc(F.softplus(self.bn(self.layers(x))).mean([2, 3]))


class SmallCnn(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        layers, channels = [], 1
        for widening, stride in [(1, 2), (2, 1), (2, 2), (4, 1)]:
            layers += [nn.Conv2d(channels, widening * width, 3, stride, 1, bias=False), nn.BatchNorm2d(widening * width), nn.Softplus()]
            channels = widening * width
        self.layers, self.fc = nn.Sequential(*layers), nn.Linear(channels, 10)

    def forward(self, x):
        return self.fc(self.layers(x).mean([2, 3]))


def best(step):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def bench(name, net, shape):
    x, y = torch.rand(BATCH, *shape), torch.arange(BATCH) % 10
    weights = list(net.parameters())

    def evaluate():
        net.eval()
        with torch.no_grad():
            net(x)

    def nominal():
        net.train()
        torch.autograd.grad(F.cross_entropy(net(x), y), weights)

    def attack():
        net.eval().requires_grad_(False)
        images = x.clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(net(images), y, reduction="sum"), images)
        net.requires_grad_(True)

    def dual():
        net.train()
        images = x.clone().requires_grad_()
        losses = F.cross_entropy(net(images), y, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), images, create_graph=True)
        derivatives = (gradient * 0.1 * x).flatten(1).sum(1).abs()
        torch.autograd.grad((losses + derivatives).mean(), weights)

    for step in (evaluate, nominal, attack, dual):
        print(f"{name:10} {step.__name__:10} {best(step):8.2f}")


print(f"milliseconds for {BATCH} images, best of {ROUNDS}, threads: {THREADS}")
bench("wrn-10-2", WideResnet(2), (3, 32, 32))
bench("small-cnn", SmallCnn(), (1, 28, 28))
