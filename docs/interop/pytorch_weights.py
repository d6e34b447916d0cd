#!/usr/bin/env python3
"""planish's networks in PyTorch, and PyTorch's weights for planish.

    pytorch_weights.py load CHECKPOINT [OUT.pt]      a checkpoint that `planish show --restore` wrote, as a state dict
    pytorch_weights.py convert IN.pt OUT.safetensors  a state dict of PyTorch, for `files.start` of a train stage

From Python, `load("out/train/last")` gives the network as a module in eval mode that takes images in [0, 1]: a wide or pre-activation residual
network, planish's small network, or one of torchvision's ResNets (which needs torchvision). Only names and arithmetic of plain PyTorch.

`convert` opens files with torch.load(weights_only=True): nothing in them is run. It looks for the state dict under "state_dict", "model_state_dict"
and the like, drops the prefixes of wrappers (`module.`), the counters of batch normalisation and the block `sub_block1` that TRADES' networks
declare and never call, and writes 32-bit numbers. Means and deviations of the input that the file has are printed as the line to write
into the stage's parameters; planish keeps them in the network, not among its weights.

Needs torch and safetensors. Exit codes: 0 done, 1 the file can't be used.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

ACTIVATIONS = {"relu": F.relu, "softplus": F.softplus, "silu": F.silu, "identity": lambda x: x}


class PreActBlock(nn.Module):
    """A pre-activation block; its projection has the name `shortcut`, a dot in it being a module of its own."""

    def __init__(self, channels, filters, stride, activation, shortcut):
        super().__init__()
        self.activation = activation
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.project = None
        if shortcut is not None:
            convolution = nn.Conv2d(channels, filters, 1, stride=stride, bias=False)
            setattr(self, shortcut, convolution if shortcut == "convShortcut" else nn.Sequential(convolution))
            self.project = shortcut

    def forward(self, x):
        active = self.activation(self.bn1(x))
        out = self.conv2(self.activation(self.bn2(self.conv1(active))))
        return out + (getattr(self, self.project)(active) if self.project else x)


class WideResNet(nn.Module):
    """`stem` "standard": TRADES, MART, RobustBench; "released": LLR's code, with a wide first convolution and a projection in every group."""

    def __init__(self, channels, classes, depth, width, activation="relu", stem="released"):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        planes = 16 * width if stem == "released" else 16
        self.conv1 = nn.Conv2d(channels, planes, 3, padding=1, bias=False)
        for group in (1, 2, 3):
            filters, blocks = (8 << group) * width, []
            for layer in range((depth - 4) // 6):
                stride = 2 if layer == 0 and group > 1 else 1
                project = layer == 0 if stem == "released" else stride != 1 or planes != filters
                blocks.append(PreActBlock(planes, filters, stride, self.activation, "convShortcut" if project else None))
                planes = filters
            block = nn.Module()
            block.layer = nn.Sequential(*blocks)
            setattr(self, f"block{group}", block)
        self.bn1 = nn.BatchNorm2d(planes)
        self.fc = nn.Linear(planes, classes)

    def forward(self, x):
        x = self.conv1(x)
        for block in (self.block1, self.block2, self.block3):
            x = block.layer(x)
        return self.fc(self.activation(self.bn1(x)).mean((2, 3)))


class PreActResNet(nn.Module):
    """A pre-activation ResNet-18 or 34 with a 3x3 stem."""

    def __init__(self, channels, classes, depth, width=64, activation="relu"):
        super().__init__()
        self.activation, planes = ACTIVATIONS[activation], width
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        for group, layers in enumerate({18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}[depth]):
            filters, blocks = width << group, []
            for layer in range(layers):
                stride = 2 if layer == 0 and group > 0 else 1
                project = "shortcut" if stride != 1 or planes != filters else None
                blocks.append(PreActBlock(planes, filters, stride, self.activation, project))
                planes = filters
            setattr(self, f"layer{group + 1}", nn.Sequential(*blocks))
        self.bn = nn.BatchNorm2d(planes)
        self.linear = nn.Linear(planes, classes)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        return self.linear(self.activation(self.bn(x)).mean((2, 3)))


class SmallCnn(nn.Module):
    """planish's own small network."""

    def __init__(self, channels, classes, width=16, activation="relu", norm=True):
        super().__init__()
        self.activation, self.norm = ACTIVATIONS[activation], norm
        for number, (widening, stride) in enumerate([(1, 2), (2, 1), (2, 2), (4, 1)], 1):
            setattr(self, f"conv{number}", nn.Conv2d(channels, widening * width, 3, stride=stride, padding=1, bias=not norm))
            channels = widening * width
            if norm:
                setattr(self, f"bn{number}", nn.BatchNorm2d(channels))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        for number in (1, 2, 3, 4):
            x = getattr(self, f"conv{number}")(x)
            x = self.activation(getattr(self, f"bn{number}")(x) if self.norm else x)
        return self.fc(x.mean((2, 3)))


def torchvision_resnet(channels, classes, depth, width=64, activation="relu"):
    """torchvision's ResNet with its activations exchanged."""
    import torchvision

    if channels != 3 or width != 64:
        raise ValueError("torchvision's ResNets take 3 channels and have 64 filters in their first group")
    network = getattr(torchvision.models, f"resnet{depth}")(num_classes=classes)
    if activation != "relu":
        other = {"softplus": nn.Softplus, "silu": nn.SiLU}[activation]
        for module in list(network.modules()):
            if hasattr(module, "relu"):
                module.relu = other()
    return network


NETWORKS = {"wide-resnet": WideResNet, "preact-resnet": PreActResNet, "small-cnn": SmallCnn, "resnet": torchvision_resnet}


class Normalised(nn.Module):
    """The network behind (x - mean) / std of images in [0, 1]; without numbers, the network itself."""

    def __init__(self, network, mean, std):
        super().__init__()
        self.network = network
        for name, numbers in [("mean", mean), ("std", std)]:
            self.register_buffer(name, torch.tensor(numbers).reshape(-1, 1, 1), persistent=False)

    def forward(self, x):
        return self.network((x - self.mean) / self.std if self.mean.numel() else x)


def load(folder):
    """The network of a checkpoint folder (`weights.safetensors`, `network.json`), in eval mode."""
    config = json.loads((Path(folder) / "network.json").read_text())
    ((name, parameters),) = config["network"].items()
    network = NETWORKS[name](config["input"][0], len(config["classes"]), **parameters)
    result = network.load_state_dict(load_file(Path(folder) / "weights.safetensors"), strict=False)
    missing = [name for name in result.missing_keys if not name.endswith(".num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise ValueError(f"missing {missing}, unexpected {result.unexpected_keys}")
    return Normalised(network, config["mean"], config["std"]).eval()


CONTAINERS = ["state_dict", "model_state_dict", "model", "net", "last_state_dict", "unaveraged_state_dict"]
WRAPPERS = ["module.", "_orig_mod.", "model."]
# Where a normalisation before the network keeps its numbers, and what the network's own names then begin with.
MEANS, DEVIATIONS = ["mu", "mean", "normalize.mean", "0.mean"], ["sigma", "std", "normalize.std", "0.std"]
INNER = ["model.", "1."]


def converted(state):
    """(The tensors of a state dict under planish's names, what was left out, mean, std)."""
    for name in CONTAINERS:
        if isinstance(state.get(name), dict):
            state = state[name]
            break
    while state and (wrapper := next((w for w in WRAPPERS if all(name.startswith(w) for name in state)), None)):
        state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    input_numbers = {name: state[name] for name in MEANS + DEVIATIONS if name in state}
    kept, left_out = {}, []
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"{name!r} is a {type(tensor).__name__}, not a tensor: this is no state dict")
        if name in input_numbers or name.endswith(".num_batches_tracked") or name.startswith("sub_block1."):
            left_out.append(name)
        else:
            inner = next((prefix for prefix in INNER if name.startswith(prefix)), "")
            kept[name.removeprefix(inner)] = tensor.detach().to(torch.float32).contiguous().clone()
    if bad := [name for name, tensor in kept.items() if not torch.isfinite(tensor).all()]:
        raise ValueError(f"{bad[0]!r} holds numbers that are not finite: the network had diverged")
    mean, std = (next((input_numbers[n].flatten().tolist() for n in names if n in input_numbers), None) for names in (MEANS, DEVIATIONS))
    return kept, left_out, mean, std


def convert(source, target):
    """Writes the weights of the PyTorch file `source` as the safetensors file `target`."""
    state = torch.load(source, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}, not a state dict")
    tensors, left_out, mean, std = converted(state)
    save_file(tensors, target)
    print(f"{target}: {len(tensors)} tensors, {sum(tensor.numel() for tensor in tensors.values())} numbers")
    print(f"left out: {', '.join(left_out) or 'nothing'}")
    if mean and std:
        print(f"write into the stage: input_normalisation.given = {{ mean = {mean}, std = {std} }}")
    else:
        print('if the network takes images in [0, 1], write into the stage: input_normalisation = "none"')


def main(arguments):
    try:
        match arguments:
            case ["load", folder, *out] if len(out) <= 1:
                network = load(folder).network
                print(f"{folder}: {sum(parameter.numel() for parameter in network.parameters())} parameters")
                if out:
                    torch.save(network.state_dict(), out[0])
            case ["convert", source, target]:
                convert(source, target)
            case _:
                print(__doc__, file=sys.stderr)
                return 1
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # torch.load has errors of many kinds for files that it does not take
        print(f"error: {arguments[1]}: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
