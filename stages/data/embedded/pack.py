#!/usr/bin/env python3
"""Packs the selection of Fashion-MNIST that planish carries: 10,000 training, 1,000 validation and 1,000 test images.

    apt install dataset-fashion-mnist        # Debian's package of the official files
    python3 pack.py                          # or: python3 pack.py FOLDER, with the four IDX files, plain or .gz

Writes fashion-mnist.safetensors.lzma beside this script and prints its SHA-256, which stands in
../src/datasets/fashion_mnist.rs. Needs nothing but Python 3. The selection is that of ../src/selection.rs, so planish finds the
same images in the full files: within a class, images are ordered by a hash of (data set, split, index); training
images are taken from the front, one of each class in turn, validation images likewise from the back of the official
training split, test images from the front of the official test split. All three are therefore class-balanced.

The pack is a safetensors file (for each split: images u8 [n, 1, 28, 28], labels i64 [n], ids i64 [n], the index in
the official split) compressed as an .lzma stream; nothing is lost. Another version of liblzma may compress to other
bytes of the same content.
"""
import gzip
import hashlib
import json
import lzma
import pathlib
import struct
import sys

SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
SIZES = {"train": 10_000, "validation": 1_000, "test": 1_000}
CLASSES, PIXELS = 10, 28 * 28


def official(folder: pathlib.Path, name: str, header: int) -> bytes:
    """The content of an official file without its header, checked."""
    plain = folder / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        sys.exit(f"{name}: not the official file")
    return content[header:]


def by_class(split: str, labels: bytes) -> list[list[int]]:
    """For each class, the indices of its images in the order of selection."""

    def rank(index: int) -> tuple[bytes, int]:
        text = b"planish selection 1\0fashion-mnist\0" + split.encode() + b"\0" + struct.pack("<I", index)
        return hashlib.sha256(text).digest()[:8], index

    lists = [[] for _ in range(CLASSES)]
    for index, label in enumerate(labels):
        lists[label].append(index)
    return [sorted(indices, key=rank) for indices in lists]


def in_turn(lists: list[list[int]], count: int) -> list[int]:
    """One of each class, then the next of each class, and so on."""
    rounds = (indices for indices in zip(*lists))
    return [index for indices in rounds for index in indices][:count]


def tensors(split: str, images: bytes, labels: bytes, ids: list[int]) -> dict[str, tuple[str, list[int], bytes]]:
    pixels = b"".join(images[i * PIXELS : (i + 1) * PIXELS] for i in ids)
    return {
        f"{split}.images": ("U8", [len(ids), 1, 28, 28], pixels),
        f"{split}.labels": ("I64", [len(ids)], struct.pack(f"<{len(ids)}q", *(labels[i] for i in ids))),
        f"{split}.ids": ("I64", [len(ids)], struct.pack(f"<{len(ids)}q", *ids)),
    }


def safetensors(named: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    header, data = {}, b""
    for name, (dtype, shape, content) in sorted(named.items(), key=lambda item: (item[1][0] != "I64", item[0])):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main() -> None:
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
    train = official(folder, "train-images-idx3-ubyte", 16), official(folder, "train-labels-idx1-ubyte", 8)
    test = official(folder, "t10k-images-idx3-ubyte", 16), official(folder, "t10k-labels-idx1-ubyte", 8)
    front = by_class("train", train[1])
    back = [indices[::-1] for indices in front]
    named = tensors("train", *train, in_turn(front, SIZES["train"]))
    named |= tensors("validation", *train, in_turn(back, SIZES["validation"]))
    named |= tensors("test", *test, in_turn(by_class("test", test[1]), SIZES["test"]))
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 24, "lc": 4, "pb": 0}]
    packed = lzma.compress(safetensors(named), format=lzma.FORMAT_ALONE, filters=filters)
    (pathlib.Path(__file__).parent / "fashion-mnist.safetensors.lzma").write_bytes(packed)
    print(len(packed), hashlib.sha256(packed).hexdigest())


if __name__ == "__main__":
    main()
