"""Judges exported models by the `onnx` package, which shares no code with planish, burn or ONNX Runtime.

usage: onnx_check.py MODEL.onnx …

Each model passes the full checker with strict shape inference. Where MODEL.images and MODEL.logits
(little-endian 32-bit floats) lie beside it, the reference evaluator must give these logits too.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator


def check(path: Path) -> None:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    images, logits = path.with_suffix(".images"), path.with_suffix(".logits")
    if not images.exists():
        return
    (value,) = model.graph.input
    sizes = [d.dim_value for d in value.type.tensor_type.shape.dim[1:]]
    x = np.fromfile(images, "<f4").reshape(-1, *sizes)
    (actual,) = ReferenceEvaluator(model).run(None, {value.name: x})
    expected = np.fromfile(logits, "<f4").reshape(actual.shape)
    difference = float(np.abs(actual - expected).max())
    print(f"{path.name}: {difference:.1e}")
    assert difference < 1e-4, f"{path.name}: logits differ by {difference}"


for name in sys.argv[1:]:
    check(Path(name))
