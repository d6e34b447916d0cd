"""Whole training steps of planish beside eager PyTorch, in turns.

    cargo build --release --workspace --example steps
    OMP_WAIT_POLICY=PASSIVE python stages/train/examples/steps.py target/release/examples/steps [--rounds 5] [--threads 2]

On a graphics card, once the program is built for it (docs/gpu.md), in f32 (TF32 where PyTorch may) or bf16 (autocast), PyTorch in channels-last order and
compiled but for LLR, whose double backprop `torch.compile` does not do:

    python stages/train/examples/steps.py PROGRAM --device cuda --images 256 --networks wrn-28-8 --steps nominal llr-2 [--precision bf16]

64 images unless said, of 3 × 32 × 32, 10 classes, L∞ 8/255. Steps: `nominal`, `input-gradient` (images only, weights frozen, running
statistics), `llr-2` (2 inner steps; the weight gradient goes through the directional derivative: double backprop in PyTorch, dual numbers in
planish), `llr-outer` (LLR's outer pass alone), `trades-10` (10 inner steps); all but two with the descent of SGD with momentum. Each round times planish and
PyTorch, each in a process of its own, the first of them in turns. Prints medians, the median ratio of a round, and the ratio of peak
memories of the processes (PyTorch's: what it had more than after importing it), which tells nothing on a card. Needs torch.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

EPS = 8 / 255


def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def pytorch(network, activation, step, threads, repeats, device="cpu", count=64, precision="f32"):
    """Prints the median milliseconds of a step, and the peak of memory above that of the import."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    before = peak()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.set_default_device(device)
    on_card = device != "cpu"
    if on_card:
        torch.set_float32_matmul_precision("high")
    act = {"softplus": F.softplus, "relu": F.relu}[activation]

    class Block(nn.Module):
        def __init__(self, channels, filters, stride, project):
            super().__init__()
            self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(filters)
            self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
            self.shortcut = nn.Conv2d(channels, filters, 1, stride, bias=False) if project else None

        def forward(self, x):
            h = act(self.bn1(x))
            y = self.conv2(act(self.bn2(self.conv1(h))))
            return y + (self.shortcut(h) if self.shortcut else x)

    class WideResnet(nn.Module):
        def __init__(self, depth, width):
            super().__init__()
            layers, channels = [nn.Conv2d(3, 16 * width, 3, 1, 1, bias=False)], 16 * width
            for group in (1, 2, 3):
                filters = 8 * 2**group * width
                for index in range((depth - 4) // 6):
                    layers.append(Block(channels, filters, 2 if group > 1 and index == 0 else 1, index == 0))
                    channels = filters
            self.layers, self.bn, self.fc = nn.Sequential(*layers), nn.BatchNorm2d(channels), nn.Linear(channels, 10)

        def forward(self, x):
            return self.fc(act(self.bn(self.layers(x))).mean([2, 3]))

    net = WideResnet(*map(int, network.split("-")[1:]))
    x, y = torch.rand(count, 3, 32, 32), torch.arange(count) % 10
    if on_card:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    call = torch.compile(net) if on_card and not step.startswith("llr") else net

    def logits(images):
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16"):
            return call(images).float()

    weights = list(net.parameters())
    descent = torch.optim.SGD(weights, lr=1e-3, momentum=0.9, weight_decay=2e-4)

    def losses(images):
        return F.cross_entropy(logits(images), y, reduction="none")

    def clip(images):
        return torch.minimum(torch.maximum(images, x - EPS), x + EPS).clamp(0, 1)

    def slopes(images, value=None):
        images = images.detach().requires_grad_()
        values = losses(images) if value is None else value(images)
        return values.detach(), torch.autograd.grad(values.sum(), images)[0]

    def descend(loss):
        descent.zero_grad()
        loss.backward()
        descent.step()

    def frozen(search):
        net.requires_grad_(False)
        found = search()
        net.requires_grad_(True)
        return found

    def input_gradient():
        net.eval()
        frozen(lambda: slopes(x))

    def nominal():
        net.train()
        descend(losses(x).mean())

    def llr_search():
        clean, slope = slopes(x)
        a = clip(x + torch.empty_like(x).uniform_(-EPS, EPS))
        m, v = torch.zeros_like(x), torch.zeros_like(x)
        for k in (1, 2):
            there, gradient = slopes(a)
            residual = there - clean - ((a - x) * slope).flatten(1).sum(1)
            gradient = residual.sign().view(-1, 1, 1, 1) * (gradient - slope) / count
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            a = clip(a + 0.1 * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8))
        return a

    def llr_outer(a):
        images = x.clone().requires_grad_()
        clean = losses(images)
        (slope,) = torch.autograd.grad(clean.sum(), images, create_graph=True)
        derivative = ((a - x) * slope).flatten(1).sum(1)
        gap = (losses(a) - clean - derivative).abs()
        return (clean + 4 * gap + 3 * derivative.abs()).mean()

    def llr_2():
        net.train()
        descend(llr_outer(frozen(llr_search)))

    def llr_outer_alone():
        net.train()
        torch.autograd.grad(llr_outer((x + 0.03).clamp(max=1)), weights)

    def divergence(p, q):
        return F.kl_div(F.log_softmax(q, 1), F.softmax(p, 1), reduction="none").sum(1)

    def trades_search():
        with torch.no_grad():
            clean = logits(x)
        a = clip(x + 0.001 * torch.randn_like(x))
        for _ in range(10):
            a = clip(a + EPS / 4 * slopes(a, lambda images: divergence(clean, logits(images)))[1].sign())
        return a

    def trades_10():
        net.eval()
        a = frozen(trades_search)
        net.train()
        clean = logits(x)
        descend(F.cross_entropy(clean, y) + 6 * divergence(clean, logits(a)).mean())

    steps = {"nominal": nominal, "input-gradient": input_gradient, "llr-2": llr_2, "llr-outer": llr_outer_alone, "trades-10": trades_10}
    times, uncounted = [], 5 if on_card else 1
    for _ in range(repeats + uncounted):
        start = time.perf_counter()
        steps[step]()
        if on_card:
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    print(sorted(times[uncounted:])[repeats // 2], peak() - before)


def measured(command, cost):
    out = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}).stdout.split()
    cost.append((float(out[0]), int(out[1])))


def main():
    if sys.argv[1] == "pytorch":
        threads, repeats, device, count, precision = sys.argv[5:10]
        return pytorch(*sys.argv[2:5], int(threads), int(repeats), device, int(count), precision)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--networks", nargs="+", default=["wrn-10-2", "wrn-16-2"])
    parser.add_argument("--activations", nargs="+", default=["softplus", "relu"])
    parser.add_argument("--steps", nargs="+", default=["nominal", "input-gradient", "llr-2", "llr-outer", "trades-10"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", default="64")
    parser.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    arguments = parser.parse_args()
    print(f"{arguments.rounds} rounds, {arguments.threads} threads, load {os.getloadavg()[0]:.1f}\n")
    print("| network | activation | step | planish, ms | PyTorch, ms | ratio | peak memory, ratio |\n|---|---|---|---:|---:|---:|---:|")
    for network in arguments.networks:
        for activation in arguments.activations:
            for step in arguments.steps:
                repeats = "3" if step in ("llr-2", "trades-10") else "7"
                rest = [network, activation, step, str(arguments.threads), repeats, arguments.device, arguments.images, arguments.precision]
                ours, theirs = [], []
                for index in range(arguments.rounds):
                    turns = [([arguments.program, *rest], ours), ([sys.executable, __file__, "pytorch", *rest], theirs)]
                    for command, cost in turns[:: -1 if index % 2 else 1]:
                        measured(command, cost)
                ratio = statistics.median(own[0] / other[0] for own, other in zip(ours, theirs))
                memory = statistics.median(own[1] / other[1] for own, other in zip(ours, theirs))
                own, other = (statistics.median(cost[0] for cost in costs) for costs in (ours, theirs))
                print(f"| {network} | {activation} | {step} | {own:.0f} | {other:.0f} | {ratio:.2f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
