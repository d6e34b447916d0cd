#!/usr/bin/env python3
"""Checks planish's adversarial images without planish: ONNX Runtime judges them, NumPy measures them.

usage: verify_adversarial.py MODEL.onnx EVIDENCE DATA

EVIDENCE and DATA are folders that `planish show --restore` wrote: of an attack (`evidence.json`,
`adversarial.safetensors` and the table of images) and of the data set that was attacked. For every image:

- the adversarial image lies in the box [0, 1] and within the threat model's radius of the clean image;
- the model predicts for both images what the evidence says it does;
- so as many images are robust as the evidence counts.

Predictions whose margin between the two largest logits is below 1e-4 are not held against the evidence: another
version of ONNX Runtime may round them to the other side. They are counted and printed.

Needs the packages numpy, onnxruntime, pandas and pyarrow; the last two read the table `evidence.parquet` and nothing else.
Exit codes: 0 everything agrees, 1 something does not, 2 the files can't be read.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas

CLOSE = 1e-4
BATCH = 64


def safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file: 8 bytes of length, a JSON header, the data."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    types = {"F32": "<f4", "I64": "<i8", "U8": "u1"}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def rows(folder: Path) -> dict[str, np.ndarray]:
    """The columns of the table of images that are compared."""
    names = ["id", "label", "clean_prediction", "attacked_prediction", "robust"]
    frame = pandas.read_parquet(folder / "evidence.parquet", columns=names)
    return {name: frame[name].to_numpy() for name in names}


def logits(model: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    return np.concatenate([session.run(None, {name: part})[0] for part in parts])


def distances(a: np.ndarray, b: np.ndarray, norm: str) -> np.ndarray:
    """The distance of each image, in 64 bits."""
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64)).reshape(len(a), -1)
    if norm == "linf":
        return difference.max(axis=1)
    if norm == "l2":
        return np.sqrt((difference**2).sum(axis=1))
    if norm == "l1":
        return difference.sum(axis=1)
    raise ValueError(f"unknown norm {norm!r}")


def is_close(scores: np.ndarray) -> np.ndarray:
    """Whether the two largest logits of each image are too close to tell which one is larger."""
    top = np.sort(scores, axis=1)
    return top[:, -1] - top[:, -2] < CLOSE


def check(model: Path, evidence: Path, data: Path) -> list[str]:
    """What does not agree, in words."""
    header = json.loads((evidence / "evidence.json").read_text())
    kept, table = safetensors(evidence / "adversarial.safetensors"), rows(evidence)
    split = safetensors(data / f"{header['split']}.safetensors")
    threat, n = header["threat"], len(kept["ids"])
    if not np.array_equal(kept["ids"], table["id"]) or not np.array_equal(kept["labels"], table["label"]):
        return ["the adversarial images are not those of the table"]
    place = {identity: at for at, identity in enumerate(split["ids"].tolist())}
    if missing := [i for i in kept["ids"].tolist() if i not in place]:
        return [f"image {missing[0]} is not in the data set's {header['split']} split"]
    at = np.array([place[i] for i in kept["ids"].tolist()])
    problems = []
    if not np.array_equal(split["labels"][at], kept["labels"]):
        problems.append("labels differ from the data set's")
    clean, adversarial = split["images"][at].astype(np.float32) / np.float32(255), kept["images"]

    low, high = header["box"]
    outside = ~((adversarial >= low) & (adversarial <= high)).reshape(n, -1).all(axis=1)
    # Sums of many squares round in another order here; the largest change does not.
    slack = 1.0 if threat["norm"] == "linf" else 1 + 1e-9
    distance = distances(adversarial, clean, threat["norm"])
    far = ~(distance <= threat["eps"] * slack)
    problems += [f"image {kept['ids'][i]} leaves the box [{low}, {high}]" for i in np.flatnonzero(outside)]
    problems += [f"image {kept['ids'][i]} is {distance[i]} away, more than {threat['eps']}" for i in np.flatnonzero(far)]

    standing, undecided = np.ones(n, bool), np.zeros(n, bool)
    for what, images in [("clean", clean), ("attacked", adversarial)]:
        scores = logits(model, images)
        prediction, close = scores.argmax(axis=1), is_close(scores)
        differs = (prediction != table[f"{what}_prediction"]) & ~close
        problems += [
            f"image {kept['ids'][i]}: the model predicts {prediction[i]}, the evidence says {table[f'{what}_prediction'][i]} ({what})"
            for i in np.flatnonzero(differs)
        ]
        standing &= prediction == kept["labels"]
        undecided |= close
    problems += [
        f"image {kept['ids'][i]}: robust here is {standing[i]}, the evidence says {table['robust'][i]}"
        for i in np.flatnonzero((standing != table["robust"].astype(bool)) & ~undecided)
    ]
    if abs(header["robust_accuracy"] - table["robust"].mean()) > 1e-12:
        problems.append(f"the header says {header['robust_accuracy']}, its table {table['robust'].mean()}")
    counts = f"{standing.sum()} robust here, {int(table['robust'].sum())} in the evidence, {undecided.sum()} too close to tell"
    print(f"{n} images, {threat['norm']} {threat['eps']:.6g}, largest distance {distance.max():.6g}: {counts}")
    return problems


def main(arguments: list[str]) -> int:
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        problems = check(*map(Path, arguments))
    except (OSError, KeyError, ValueError) as error:
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for problem in problems:
        print(f"disagreement: {problem}", file=sys.stderr)
    print("everything agrees" if not problems else f"{len(problems)} disagreements")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
