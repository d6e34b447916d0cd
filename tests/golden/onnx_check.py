"""Judges exported models by programs that share no code with planish and burn.

usage: onnx_check.py FOLDER

For each MODEL.onnx of the folder: the `onnx` package's full checker with strict shape inference; then, each
where it is installed, the logits of `onnx`'s reference evaluator, of ONNX Runtime and of PyTorch through
`onnx2torch`, against MODEL.logits within MODEL.most, on MODEL.images (little-endian 32-bit floats all).
Prints a line for each model: who judged it and how far they were apart.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np


def has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def reference(path: Path, x: np.ndarray) -> np.ndarray:
    import onnx
    import onnx.version_converter
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    if path.stem == "operators-13" or path.stem.endswith("-int8"):
        # The evaluator of onnx 1.23 takes BatchNormalization before set 14 for training (its statistics are the batch's), and
        # knows no DequantizeLinear before set 19.
        model = onnx.version_converter.convert_version(model, 21)
    (value,) = model.graph.input
    return ReferenceEvaluator(model).run(None, {value.name: x})[0]


def runtime(path: Path, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def torch(path: Path, x: np.ndarray) -> np.ndarray:
    import onnx2torch
    import torch

    with torch.no_grad():
        return onnx2torch.convert(str(path)).eval()(torch.from_numpy(x)).numpy()


# onnx2torch 1.5 has no QuantizeLinear, and its Cast knows no operator set of 21.
JUDGES = {"onnx": reference, "onnxruntime": runtime, "onnx2torch": torch}


def shape_of(path: Path) -> list[int]:
    sizes = {"wide-resnet": [3, 16, 16], "small-cnn": [1, 12, 12], "operators": [3, 16, 16]}
    return next(size for name, size in sizes.items() if path.name.startswith(name))


def check(path: Path) -> str:
    x = np.fromfile(path.with_suffix(".images"), "<f4").reshape(-1, *shape_of(path))
    expected = np.fromfile(path.with_suffix(".logits"), "<f4").reshape(len(x), -1)
    (most,) = np.fromfile(path.with_suffix(".most"), "<f4")
    said = []
    for name, judge in JUDGES.items():
        if not has(name) or (name == "onnx2torch" and ("int8" in path.name or "operators-21" in path.name)):
            continue
        difference = float(np.abs(judge(path, x) - expected).max())
        said.append(f"{name} {difference:.1e}")
        assert difference < most, f"{path.name}: {name}: logits differ by {difference}"
    return ", ".join(said)


warnings.simplefilter("ignore")
for model in sorted(Path(sys.argv[1]).glob("*.onnx")):
    print(f"{model.stem}: {check(model)}")
