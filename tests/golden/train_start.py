"""What PyTorch code for wide residual networks calls its tensors, and its logits in double precision.

    python tests/golden/train_start.py

writes train_start.json beside this file: for a WRN-10-1 of the usual code (TRADES, MART, RobustBench: names `block1.layer.0.bn1`,
a block `sub_block1` that no forward pass reads) and for a pre-activation ResNet-18 of the usual code (Rice et al., AWP), each
wrapped in DataParallel, the names and shapes of its state dict, and the logits of four images. Weights and images are not stored: both
sides make them from `uniform` of nn_network.py, under the names in the state dict.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from nn_network import uniform

CHANNELS, SIDE, CLASSES, IMAGES = 1, 8, 3, 4
MEAN, STD = 0.45, 0.25  # of the second network; the first one takes images in [0, 1]


class BasicBlock(nn.Module):
    def __init__(self, in_planes, out_planes, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_planes)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_planes, out_planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_planes)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_planes, out_planes, 3, padding=1, bias=False)
        self.equalInOut = in_planes == out_planes
        self.convShortcut = None if self.equalInOut else nn.Conv2d(in_planes, out_planes, 1, stride=stride, bias=False)

    def forward(self, x):
        if not self.equalInOut:
            x = self.relu1(self.bn1(x))
            out = self.relu2(self.bn2(self.conv1(x)))
        else:
            out = self.relu2(self.bn2(self.conv1(self.relu1(self.bn1(x)))))
        return torch.add(x if self.equalInOut else self.convShortcut(x), self.conv2(out))


class NetworkBlock(nn.Module):
    def __init__(self, layers, in_planes, out_planes, stride):
        super().__init__()
        self.layer = nn.Sequential(
            *(BasicBlock(in_planes if i == 0 else out_planes, out_planes, stride if i == 0 else 1) for i in range(layers))
        )

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth=10, widen_factor=1):
        super().__init__()
        planes = [16, 16 * widen_factor, 32 * widen_factor, 64 * widen_factor]
        n = (depth - 4) // 6
        self.conv1 = nn.Conv2d(CHANNELS, planes[0], 3, padding=1, bias=False)
        self.block1 = NetworkBlock(n, planes[0], planes[1], 1)
        self.sub_block1 = NetworkBlock(n, planes[0], planes[1], 1)
        self.block2 = NetworkBlock(n, planes[1], planes[2], 2)
        self.block3 = NetworkBlock(n, planes[2], planes[3], 2)
        self.bn1 = nn.BatchNorm2d(planes[3])
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(planes[3], CLASSES)

    def forward(self, x):
        out = self.relu(self.bn1(self.block3(self.block2(self.block1(self.conv1(x))))))
        return self.fc(F.avg_pool2d(out, out.shape[-1]).flatten(1))


class PreActBlock(nn.Module):
    def __init__(self, in_planes, planes, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_planes)
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False))

    def forward(self, x):
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(out)))) + shortcut


class PreActResNet(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.in_planes = width
        self.conv1 = nn.Conv2d(CHANNELS, width, 3, padding=1, bias=False)
        for group in range(4):
            setattr(self, f"layer{group + 1}", self.group(width << group, 1 if group == 0 else 2))
        self.bn = nn.BatchNorm2d(8 * width)
        self.linear = nn.Linear(8 * width, CLASSES)

    def group(self, planes, stride):
        blocks = [PreActBlock(self.in_planes, planes, stride), PreActBlock(planes, planes, 1)]
        self.in_planes = planes
        return nn.Sequential(*blocks)

    def forward(self, x):
        out = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1((x - MEAN) / STD)))))
        out = F.relu(self.bn(out))
        return self.linear(F.avg_pool2d(out, out.shape[-1]).flatten(1))


def fill(model):
    """Weights of the usual size, scales and variances around 1, shifts and means around 0."""
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(7)
            continue
        if tensor.dim() > 1:
            centre, spread = 0, (3 / tensor[0].numel()) ** 0.5
        else:
            centre, spread = (1, 0.5) if name.endswith("running_var") else (1, 0.2) if name.endswith("weight") else (0, 0.3)
        values = (centre + spread * uniform(name, tensor.numel())).astype(np.float32)
        tensor.copy_(torch.from_numpy(values.astype(np.float64)).reshape(tensor.shape))


def main():
    count = IMAGES * CHANNELS * SIDE * SIDE
    images = (0.5 + 0.5 * uniform("images", count)).astype(np.float32).astype(np.float64)
    images = torch.from_numpy(images).reshape(IMAGES, CHANNELS, SIDE, SIDE)
    golden = {}
    for name, model in [("wide-resnet", WideResNet()), ("preact-resnet", PreActResNet())]:
        model = nn.DataParallel(model.double()).eval()
        fill(model)
        with torch.no_grad():
            logits = model.module(images)
        shapes = [[name, list(tensor.shape)] for name, tensor in model.state_dict().items()]
        golden[name] = {"state_dict": shapes, "logits": logits.flatten().tolist()}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
