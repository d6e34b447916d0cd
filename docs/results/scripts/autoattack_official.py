"""Runs the official AutoAttack (github fra31/auto-attack, not part of this repository) on an ONNX model.

    python autoattack_official.py --autoattack DIR --model M.onnx --images TEST.safetensors --eps 0.1 --count 500 --out O.json

The model is turned into PyTorch by onnx2torch and its logits are compared with ONNX Runtime's before anything else. The images are the
first ones of a split as planish stores it (`planish show data --restore DIR`), so both sides attack the same ones. Records the accuracy after
each component of the standard version, one after the other, and with --individual after each component alone (--individual only: nothing
else); wall-clock and processor time of each. Needs torch, onnx2torch, onnxruntime and safetensors.
"""

import argparse
import json
import pathlib
import sys
import time

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
import torch
from onnx2torch import convert
from safetensors.numpy import load_file

COMPONENTS = ["apgd-ce", "apgd-t", "fab-t", "square"]


class Watch:
    def __enter__(self):
        self.wall, self.processor = time.time(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall, self.processor = time.time() - self.wall, time.process_time() - self.processor


def torch_model(path):
    """The model as a PyTorch module. onnx2torch reads neither later operator sets nor `allowzero`, which says nothing here: no shape has a zero."""
    model = onnx.load(path)
    if model.opset_import[0].version > 17:
        model = onnx.version_converter.convert_version(model, 17)
    for node in model.graph.node:
        if node.op_type == "Reshape":
            del node.attribute[:]
    return convert(model).eval().requires_grad_(False)


def accuracy(model, images, labels):
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(250)])
    return (logits.argmax(1) == labels).float().mean().item(), logits


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--autoattack", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--eps", type=float, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--individual", choices=["no", "too", "only"], default="no")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.autoattack))
    from autoattack import AutoAttack

    torch.set_num_threads(arguments.threads)
    split = load_file(arguments.images)
    images = torch.from_numpy(split["images"][: arguments.count].astype(np.float32) / np.float32(255))
    labels = torch.from_numpy(split["labels"][: arguments.count])
    model = torch_model(arguments.model)
    clean, logits = accuracy(model, images, labels)
    session = onnxruntime.InferenceSession(str(arguments.model))  # the file as it is: its logits must be the same
    reference = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    difference = float(np.abs(reference - logits.numpy()).max())
    result = {"model": arguments.model.name, "eps": arguments.eps, "images": len(labels), "clean": clean, "logit_difference": difference}
    print(result, flush=True)

    def make(components):
        adversary = AutoAttack(model, norm="Linf", eps=arguments.eps, version="standard", device="cpu", seed=arguments.seed, verbose=False)
        adversary.attacks_to_run = components
        return adversary

    def alone(component):
        with Watch() as watch:
            perturbed = make([component]).run_standard_evaluation(images, labels, bs=250)
        assert (perturbed - images).abs().max() <= arguments.eps + 1e-6
        return {"accuracy": accuracy(model, perturbed, labels)[0], "wall": watch.wall, "processor": watch.processor}

    # One after the other: what fell stays misclassified, so each component attacks what those before it left standing.
    result["cascade"], worst = {}, images.clone()
    for component in COMPONENTS if arguments.individual != "only" else []:
        adversary = make([component])
        standing = accuracy(model, worst, labels)[1].argmax(1) == labels
        with Watch() as watch:
            if standing.any():
                worst[standing] = adversary.run_standard_evaluation(images[standing], labels[standing], bs=250)
        result["cascade"][component] = {"accuracy": accuracy(model, worst, labels)[0], "wall": watch.wall, "processor": watch.processor}
        print(component, result["cascade"][component], flush=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.individual != "only":
        result["robust"] = result["cascade"]["square"]["accuracy"]
    if arguments.individual != "no":
        result["individual"] = {}
        for component in COMPONENTS[1:]:
            result["individual"][component] = alone(component)
            print("alone", component, result["individual"][component], flush=True)
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
