"""A folder of the shape of ImageNet (ILSVRC 2012): 1,281,167 training and 50,000 validation images in 1,000 classes, each a JPEG file of 24 × 24 pixels.

    pip install pillow
    python docs/results/scripts/imagenet_shaped.py FOLDER

No two files are the same: a comment in each holds its number. About 5 GB on a file system with blocks of 4 KiB.
"""

import io
import random
import sys
from pathlib import Path

from PIL import Image

CLASSES, VALIDATION = 1000, 50
# 167 classes have 1,282 images, the others 1,281.
LARGER, TRAINING = 167, 1281


def pictures():
    random.seed(1)
    for _ in range(300):
        file = io.BytesIO()
        Image.new("RGB", (24, 24), tuple(random.randrange(256) for _ in range(3))).save(file, "JPEG", quality=50)
        yield file.getvalue()


def numbered(picture, number):
    comment = b"%016d" % number
    return picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]


def main(root):
    base, number = list(pictures()), 0
    for index in range(CLASSES):
        name = f"n{1440764 + 137 * index:08}"
        for split, count in [("train", TRAINING + (index < LARGER)), ("val", VALIDATION)]:
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for image in range(count):
                (folder / f"{name}_{image}.JPEG").write_bytes(numbered(base[number % len(base)], number))
                number += 1
    print(f"{number} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
