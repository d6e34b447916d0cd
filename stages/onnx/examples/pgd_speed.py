"""PGD-20 on WRN-16-2, planish beside eager PyTorch with frozen weights, in turns on the same images.

    cargo build --release --workspace --example pgd_speed
    OMP_WAIT_POLICY=PASSIVE python stages/onnx/examples/pgd_speed.py target/release/examples/pgd_speed [ROUNDS [THREADS]]

Prints the median seconds of each, and the median ratio of a round. Needs torch, onnx and safetensors.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "tests" / "golden"))
import onnx_zoo  # noqa: E402

EPS, STEP, STEPS, BATCH = 8 / 255, 2 / 255, 20, 64


def attack(network, images, labels):
    low, high = (images - EPS).clamp(min=0), (images + EPS).clamp(max=1)
    x = images.clone()
    for _ in range(STEPS):
        x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(F.cross_entropy(network(x), labels, reduction="sum"), x)
        x = torch.minimum(torch.maximum(x.detach() + STEP * gradient.sign(), low), high)
    with torch.no_grad():
        return F.cross_entropy(network(x), labels).item()


def main():
    program = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    torch.set_num_threads(threads)
    for name, activation in [("relu", nn.ReLU()), ("softplus", nn.Softplus())]:
        torch.manual_seed(1)
        network = onnx_zoo.Normalised(onnx_zoo.wide_resnet(activation, 32, 10, 2, 16))
        images = torch.rand(BATCH, 3, 32, 32)
        network = onnx_zoo.settle(network, images)
        labels = torch.arange(BATCH) % 10
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            onnx_zoo.export(network, images[:2], folder / "model.onnx", False)
            save_file({"images": images, "labels": labels}, folder / "images.safetensors")
            arguments = [program, str(folder / "model.onnx"), str(folder / "images.safetensors"), str(STEPS), str(threads)]
            process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            pairs = []
            for turn in range(rounds + 1):
                process.stdin.write("go\n")
                ours, our_loss = map(float, process.stdout.readline().split())
                start = time.perf_counter()
                their_loss = attack(network, images, labels)
                theirs = time.perf_counter() - start
                if turn:  # the first one warms up
                    pairs.append((ours, theirs))
            process.stdin.close()
            process.wait()
        ours, theirs = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"WRN-16-2 {name}, batch {BATCH}, {threads} threads, {rounds} rounds: planish {ours:.2f} s (loss {our_loss:.4f}),"
              f" torch {torch.__version__} {theirs:.2f} s (loss {their_loss:.4f}), ratio {ratio:.2f}", flush=True)


main()
