"""Random resized crops of torchvision.

    python tests/golden/train_resized_crop.py

writes train_resized_crop.json beside this file: for images of several sizes, quantiles of what `RandomResizedCrop.get_params` draws (share of the area,
ratio of the sides, where the middle lies), and an image's parts resized by `resized_crop`. The image is not stored: both sides make it
from `byte` below.
"""

import json
import pathlib

import torch
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import hflip, resized_crop

SCALE, RATIO, DRAWS = (0.08, 1.0), (3 / 4, 4 / 3), 40000
SIZES = [(224, 224), (40, 60), (20, 200)]
HEIGHT, WIDTH = 9, 11
PARTS = [((0, 0, 9, 11), False), ((2, 3, 4, 5), False), ((5, 1, 1, 8), True), ((0, 4, 9, 2), False), ((7, 9, 2, 2), True)]


def byte(channel, row, column):
    return (37 * channel + 91 * row * row + 53 * column * (row + 2)) % 256


def quantiles(numbers):
    return torch.quantile(torch.tensor(numbers, dtype=torch.float64), torch.arange(1, 10, dtype=torch.float64) / 10).tolist()


def main():
    torch.manual_seed(0)
    golden = {"draws": [], "parts": []}
    for height, width in SIZES:
        drawn = [RandomResizedCrop.get_params(torch.zeros(1, height, width), SCALE, RATIO) for _ in range(DRAWS)]
        golden["draws"].append({
            "size": [height, width],
            "area": quantiles([h * w / (height * width) for _, _, h, w in drawn]),
            "ratio": quantiles([w / h for _, _, h, w in drawn]),
            "down": quantiles([(top + h / 2) / height for top, _, h, _ in drawn]),
            "across": quantiles([(left + w / 2) / width for _, left, _, w in drawn]),
        })
    image = torch.tensor([[[byte(c, y, x) for x in range(WIDTH)] for y in range(HEIGHT)] for c in range(2)], dtype=torch.float64) / 255
    for (top, left, height, width), flip in PARTS:
        resized = resized_crop(image, top, left, height, width, [HEIGHT, WIDTH], InterpolationMode.BILINEAR, antialias=True)
        resized = hflip(resized) if flip else resized
        golden["parts"].append({"part": [top, left, height, width], "flip": flip, "pixels": [round(v, 7) for v in resized.flatten().tolist()]})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
