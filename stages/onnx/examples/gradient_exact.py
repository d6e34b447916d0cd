"""How far the gradients of planish's graphs are from those of autograd when both are computed in double precision.

    python stages/onnx/examples/gradient_exact.py DIR GRAPHS [NAME…]

DIR is that of `onnx_zoo.py --large`, GRAPHS what `gradient_errors DIR --graphs GRAPHS` kept. Each graph is made one of double
precision and computed by the `onnx` package's reference evaluator (convolutions and max pools by torch, for speed), on the first image.

In single precision a deep network with ReLUs is at some places on the other side of a kink than in double precision, and exporters round the
weights that they fold batch norms into, which moves kinks as well. So the columns are: the graph against autograd of the same ONNX file
(read by onnx2torch, where it can), in double precision: the graph's own error; the graph in double precision against the
gradient of the PyTorch network before export; and PyTorch's own gradient in single precision against that.

Needs torch, torchvision, timm, onnx, onnx2torch and safetensors.
"""

import pathlib
import sys

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "tests" / "golden"))
import onnx_zoo  # noqa: E402


def padded(x, pads):
    return F.pad(x, (pads[1], pads[3], pads[0], pads[2]))


class Conv(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None):
        x, w, b = (None if t is None else torch.from_numpy(np.array(t)) for t in (x, w, b))
        y = F.conv2d(padded(x, pads or [0] * 4), w, b, list(strides or [1, 1]), 0, list(dilations or [1, 1]), group or 1)
        return (y.numpy(),)


class ConvTranspose(OpRun):
    op_domain = ""

    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, output_padding=None, output_shape=None, pads=None, strides=None):
        x, w = torch.from_numpy(np.array(x)), torch.from_numpy(np.array(w))
        y = F.conv_transpose2d(x, w, None, list(strides or [1, 1]), 0, 0, group or 1, list(dilations or [1, 1]))
        y = F.pad(y, (0, (output_padding or [0, 0])[1], 0, (output_padding or [0, 0])[0]))
        top, left, bottom, right = pads or [0] * 4
        return (y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right].numpy(),)


class MaxPool(OpRun):
    op_domain = ""

    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None, strides=None):
        x = torch.from_numpy(np.array(x))
        top, left, bottom, right = pads or [0] * 4
        y, index = F.max_pool2d(x, kernel_shape, strides, (top, left), 1, bool(ceil_mode), True)
        n, c, h, w = x.shape
        index = index + (torch.arange(n * c) * (h * w)).view(n, c, 1, 1)
        return (y.numpy(), index.numpy()) if len(self.onnx_node.output) > 1 else (y.numpy(),)


def to_double(model):
    def tensor(t):
        if t.data_type == TensorProto.FLOAT:
            t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))

    for t in model.graph.initializer:
        tensor(t)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                tensor(attribute.t)
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    return model


def error(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm())


def single(name, images, labels):
    """PyTorch's gradient in single precision."""
    torch.manual_seed(sum(name.encode()))
    make, side = onnx_zoo.large()[name]
    network = make()
    network = onnx_zoo.settle(network, torch.rand(64 if side <= 64 else 8, 3, side, side))
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(network(x), labels, reduction="sum"), x)
    return gradient


def same_file(path, images, labels):
    """The gradient of an ONNX file by autograd in double precision."""
    import onnx2torch

    network = onnx2torch.convert(onnx.load(path)).double().eval()
    x = images.double().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(network(x), labels, reduction="sum"), x)
    return gradient


def main():
    zoo, graphs, names = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    torch.set_num_threads(1)
    print("| network | exporter | same file, both double | before export, both double | PyTorch, single |\n|---|---|---|---|---|")
    for path in sorted(graphs.glob("*.onnx")):
        name, exporter = path.stem.rsplit("-", 1)
        if names and name not in names:
            continue
        reference = load_file(zoo / f"{name}.safetensors")
        images, labels = reference["images"][:1], reference["labels"][:1]
        evaluator = ReferenceEvaluator(to_double(onnx.load(path)), new_ops=[Conv, ConvTranspose, MaxPool])
        names_of = [value.name for value in evaluator.proto_.graph.input]
        (gradient,) = evaluator.run(["gradient"], {names_of[0]: images.double().numpy(), "labels": labels.numpy()})
        gradient = torch.from_numpy(np.array(gradient))
        try:
            same = f"{error(gradient, same_file(zoo / path.name, images, labels)):.1e}"
        except Exception as problem:  # onnx2torch does not know every operator
            same = f"not read ({type(problem).__name__})"
        ours = error(gradient, reference["gradient"][:1])
        theirs = error(single(name, images, labels), reference["gradient"][:1])
        print(f"| {name} | {exporter} | {same} | {ours:.1e} | {theirs:.1e} |", flush=True)


main()
