"""Networks exported from PyTorch by both of its exporters, with logits, losses and input gradients in double precision.

    python tests/golden/onnx_zoo.py                     the small networks of tests/golden/onnx_zoo/, for the tests
    python tests/golden/onnx_zoo.py --large DIR [NAME…] torchvision's and timm's architectures (3 GB), for docs/results/

Writes NAME-script.onnx (TorchScript exporter) and NAME-dynamo.onnx (torch.export), with a dynamic batch, and NAME.safetensors:
`images` [n,c,h,w] in [0,1], `labels` [n], `logits` [n,k], `loss` [n] (cross-entropy of each image) and `gradient` [n,c,h,w], that of the
loss of each image. Weights are random, so the networks' outputs mean nothing. The small networks need torch, onnx, onnxscript and
safetensors; the large ones torchvision and timm as well.
"""

import argparse
import copy
import pathlib
import warnings

import onnx
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent / "onnx_zoo"


class Normalised(nn.Module):
    """A network with its normalisation inside, as RobustBench's are."""

    def __init__(self, network, channels=3):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.linspace(0.42, 0.5, channels).view(1, -1, 1, 1))
        self.register_buffer("std", torch.linspace(0.2, 0.27, channels).view(1, -1, 1, 1))

    def forward(self, x):
        return self.network((x - self.mean) / self.std)


def conv_norm(inputs, outputs, kernel=3, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """A basic residual block; `pre` puts norm and activation before the convolutions, as in Wide-ResNets."""

    def __init__(self, inputs, outputs, stride, activation, pre):
        super().__init__()
        self.act, self.pre = activation, pre
        self.norm1, self.norm2 = nn.BatchNorm2d(inputs if pre else outputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.skip = nn.Identity() if inputs == outputs and stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        if self.pre:
            y = self.act(self.norm1(x))
            return self.skip(y if isinstance(self.skip, nn.Conv2d) else x) + self.conv2(self.act(self.norm2(self.conv1(y))))
        return self.act(self.skip(x) + self.norm2(self.conv2(self.act(self.norm1(self.conv1(x))))))


def wide_resnet(activation, width=4, classes=5, depth=1, stem=4):
    layers, channels = [nn.Conv2d(3, stem, 3, 1, 1, bias=False)], stem
    for group, stride in enumerate([1, 2, 2]):
        for block in range(depth):
            layers.append(Residual(channels, width << group, stride if block == 0 else 1, activation, True))
            channels = width << group
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), activation, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def resnet():
    stem = [conv_norm(3, 4, 5, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, Residual(4, 4, 1, nn.ReLU(), False), Residual(4, 8, 2, nn.ReLU(), False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def vgg():
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 12), nn.LeakyReLU(0.1), nn.Dropout(), nn.Linear(12, 5)]
    return nn.Sequential(conv_norm(3, 6), nn.ReLU(), nn.MaxPool2d(2), conv_norm(6, 8), nn.ELU(), nn.AvgPool2d(2), *head)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, gate):
        super().__init__()
        self.fc1, self.fc2, self.gate = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1), gate

    def forward(self, x):
        return x * self.gate(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


def mobilenet():
    bottleneck = [conv_norm(4, 8, 1), nn.Hardswish(), conv_norm(8, 8, 3, 2, 8), nn.ReLU6(), SqueezeExcite(8, nn.Hardsigmoid())]
    efficient = [conv_norm(6, 8, 1), nn.SiLU(), conv_norm(8, 8, 5, 1, 8), nn.SiLU(), SqueezeExcite(8, nn.Sigmoid()), conv_norm(8, 8, 1)]
    return nn.Sequential(conv_norm(3, 4, 3, 2), nn.Hardswish(), *bottleneck, conv_norm(8, 6, 1), *efficient, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


class Dense(nn.Module):
    """DenseNet's concatenations, GoogLeNet's branches and ShuffleNet's channel shuffle."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = conv_norm(3, 4, 3, 2), conv_norm(4, 4), conv_norm(8, 4)
        self.branch, self.pool = conv_norm(6, 6, 3, 1, 6), nn.MaxPool2d(3, 1, 1)
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = torch.cat([x, self.one(x)], 1)
        x = torch.cat([x, self.two(F.relu(x))], 1)
        left, right = x.chunk(2, 1)
        x = torch.cat([self.pool(left), F.relu(self.branch(right))], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.fc(F.avg_pool2d(x, 2).amax((2, 3)))


class ChannelsLast(nn.Module):
    """A layer norm over channels, as in ConvNeXt."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    def __init__(self, approximate="none"):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 4, 4), ChannelsLast(6)
        self.depthwise, self.inner = nn.Conv2d(6, 6, 5, 1, 2, groups=6), nn.LayerNorm(6)
        self.mlp = nn.Sequential(nn.Linear(6, 12), nn.GELU(approximate), nn.Linear(12, 6))
        self.scale = nn.Parameter(torch.linspace(0.5, 1, 6).view(6, 1, 1))
        self.down, self.group, self.fc = nn.Conv2d(6, 8, 2, 2), nn.GroupNorm(2, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = self.norm(self.stem(x))
        y = self.mlp(self.inner(self.depthwise(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        x = self.group(self.down(x + self.scale * y))
        return self.fc(F.mish(x).mean((2, 3)))


class VisionTransformer(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 4, 4)
        self.token, self.position = nn.Parameter(torch.randn(1, 1, dim)), nn.Parameter(torch.randn(1, 17, dim))
        self.norm1, self.attention = nn.LayerNorm(dim), nn.MultiheadAttention(dim, 2, batch_first=True)
        self.norm2, self.mlp = nn.LayerNorm(dim), nn.Sequential(nn.Linear(dim, 12), nn.GELU(), nn.Linear(12, dim))
        self.fc = nn.Linear(dim, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.fc((x + self.mlp(self.norm2(x)))[:, 0])


class Swin(nn.Module):
    """Shifted windows with a relative position bias, and patch merging."""

    def __init__(self, dim=6, window=2, side=4):
        super().__init__()
        self.dim, self.window, self.side = dim, window, side
        self.patch, self.qkv, self.project = nn.Conv2d(3, dim, 4, 4), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.bias = nn.Parameter(0.2 * torch.randn((2 * window - 1) ** 2, 2))
        grid = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        offset = grid[:, :, None] - grid[:, None, :] + window - 1
        self.register_buffer("index", offset[0] * (2 * window - 1) + offset[1])
        self.norm, self.merge, self.fc = nn.LayerNorm(dim), nn.Linear(4 * dim, 8, bias=False), nn.Linear(8, 5)

    def windows(self, x):
        n, k, w = x.shape[0], self.side // self.window, self.window
        return x.view(n, k, w, k, w, self.dim).permute(0, 1, 3, 2, 4, 5).reshape(n * k * k, w * w, self.dim)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        n, k, w, heads = x.shape[0], self.side // self.window, self.window, 2
        y = self.windows(torch.roll(self.norm(x), (-1, -1), (1, 2)))
        q, key, value = self.qkv(y).view(-1, w * w, 3, heads, self.dim // heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ key.transpose(-2, -1) * (self.dim // heads) ** -0.5
        scores = scores + self.bias[self.index.view(-1)].view(w * w, w * w, heads).permute(2, 0, 1)
        y = (scores.softmax(-1) @ value).transpose(1, 2).reshape(-1, w * w, self.dim)
        y = self.project(y).view(n, k, k, w, w, self.dim).permute(0, 1, 3, 2, 4, 5).reshape(n, self.side, self.side, self.dim)
        x = x + torch.roll(y, (1, 1), (1, 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.fc(torch.tanh(self.merge(x)).mean((1, 2)))


SMALL = {
    "wide-resnet-relu": lambda: Normalised(wide_resnet(nn.ReLU())),
    "wide-resnet-softplus": lambda: Normalised(wide_resnet(nn.Softplus())),
    "wide-resnet-silu": lambda: Normalised(wide_resnet(nn.SiLU())),
    "resnet": resnet,
    "vgg": vgg,
    "mobilenet": mobilenet,
    "dense": Dense,
    "convnext": ConvNext,
    "convnext-tanh": lambda: ConvNext("tanh"),
    "vit": VisionTransformer,
    "swin": Swin,
}


def large():
    """Name → (maker, side in pixels)."""
    import timm
    import torchvision.models as tv

    names = "resnet18 resnet50 wide_resnet50_2 vgg11_bn mobilenet_v2 mobilenet_v3_small mobilenet_v3_large efficientnet_b0 densenet121"
    names += " convnext_tiny regnet_y_400mf regnet_x_400mf vit_b_16 swin_t swin_v2_t shufflenet_v2_x1_0 squeezenet1_1 mnasnet1_0"
    found = {name.replace("_", "-"): (lambda name=name: tv.get_model(name), 224) for name in names.split()}
    found["googlenet"] = (lambda: tv.googlenet(aux_logits=False, init_weights=True), 224)
    for name in ["resnet18", "resnetv2_18", "convnext_atto", "mobilenetv3_small_050", "repvgg_a0", "efficientnet_lite0", "mixer_s32_224"]:
        arguments = {"img_size": 64} if "mixer" in name else {}
        found["timm-" + name.replace("_", "-")] = (lambda n=name, a=arguments: timm.create_model(n, num_classes=10, **a), 64)
    small_patches = {"img_size": 32, "patch_size": 4, "num_classes": 10}
    found["timm-vit-tiny"] = (lambda: timm.create_model("vit_tiny_patch16_224", **small_patches), 32)
    for name, activation in [("relu", nn.ReLU()), ("softplus", nn.Softplus()), ("silu", nn.SiLU())]:
        found[f"cifar-wrn-16-2-{name}"] = (lambda act=activation: Normalised(wide_resnet(act, 32, 10, 2, 16)), 32)
    return found


def settle(network, images):
    """Running statistics that fit the images, so that random networks neither explode nor die."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.momentum = None
    network.eval()
    for module in norms:
        module.train()
    with torch.no_grad():
        network(images)
    return network.eval().requires_grad_(False)


def reference(network, images, labels):
    """Logits, losses and input gradient in double precision."""
    network = copy.deepcopy(network).double()
    x = images.double().requires_grad_()
    logits = network(x)
    loss = F.cross_entropy(logits, labels, reduction="none")
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    return {"logits": logits.detach().float(), "loss": loss.detach().float(), "gradient": gradient.float()}


def export(network, images, path, dynamo):
    names = {"input_names": ["images"], "output_names": ["logits"], "external_data": False}
    if dynamo:
        batch = torch.export.Dim("batch", min=1, max=4096)
        torch.onnx.export(network, (images,), str(path), dynamo=True, dynamic_shapes=({0: batch},), verbose=False, **names)
    else:
        torch.onnx.export(network, (images,), str(path), dynamo=False, dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}}, opset_version=17, **names)
    model = onnx.load(path)
    model.doc_string = ""
    for node in model.graph.node:  # source lines of this machine
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
    onnx.save(model, path)


def write(folder, name, make, side):
    torch.manual_seed(sum(name.encode()))
    network = make()
    for module in network.modules():  # a head that begins at zero would have no gradient to compare
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.05)
    count = 3 if side < 32 else 2
    images = torch.rand(64 if side <= 64 else 8, 3, side, side)
    network = settle(network, images)
    images = images[:count].contiguous()
    with torch.no_grad():
        classes = network(images).shape[1]
    labels = torch.arange(count) * 3 % classes
    tensors = {"images": images, "labels": labels} | reference(network, images, labels)
    path = folder / f"{name}.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    path.chmod(0o644)
    for exporter in ["script", "dynamo"]:
        path = folder / f"{name}-{exporter}.onnx"
        try:
            export(network, images, path, exporter == "dynamo")
            print(f"{path.name}: {path.stat().st_size} bytes, {len(onnx.load(path).graph.node)} nodes", flush=True)
        except Exception as error:  # an exporter may not know a network; the other one is still of use
            path.unlink(missing_ok=True)
            print(f"{path.name}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", type=pathlib.Path, metavar="DIR")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    torch.backends.mha.set_fastpath_enabled(False)  # the TorchScript exporter does not know the fused attention
    zoo = large() if arguments.large else {name: (make, 16) for name, make in SMALL.items()}
    folder = arguments.large or HERE
    folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or zoo:
        write(folder, name, *zoo[name])


if __name__ == "__main__":
    main()
