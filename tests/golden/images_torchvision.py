"""Image files as Pillow (with libjpeg-turbo) decodes them and torchvision resizes and crops them.

Writes images/*.jpg and *.png, made up here, and images_torchvision.safetensors: for each of them `NAME.decoded` [h, w, 3] and
`NAME.cropped` [32, 40, 3] or [32, 32, 3], after `Resize` and `CenterCrop`, as torchvision's folders give them (no EXIF rotation).

    pip install numpy pillow safetensors torch torchvision
    python tests/golden/images_torchvision.py
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from safetensors.numpy import save_file
from torchvision.transforms import CenterCrop, Resize

HERE = Path(__file__).parent
FOLDER = HERE / "images"


def photo(height, width, seed):
    """Smooth colours, edges and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    image = np.full((height, width, 3), 128.0)
    for channel in range(3):
        for k in range(6):
            a, b, phase = rng.uniform(-9, 9), rng.uniform(-9, 9), rng.uniform(0, 6)
            image[..., channel] += np.sin(a * x + b * y + phase) * 30 / (k + 1)
    for k in range(8):
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.05, 0.2)
        inside = (x - cx) ** 2 + (y - cy) ** 2 < r * r if k % 2 else (abs(x - cx) < r) & (abs(y - cy) < r / 2)
        image[inside] = rng.uniform(0, 255, 3)
    image += rng.normal(0, 4, image.shape)
    image = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(0.6))


def write_files():
    FOLDER.mkdir(exist_ok=True)
    for seed, (name, subsampling) in enumerate([("444", 0), ("422", 1), ("420", 2)]):
        for quality, progressive, size in [(75, False, (61, 83)), (95, True, (97, 50))]:
            kind = "progressive" if progressive else "baseline"
            options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
            photo(*size, seed).save(FOLDER / f"{name}-{kind}.jpg", **options)
    photo(50, 70, 10).convert("L").save(FOLDER / "grey.jpg", quality=90)
    photo(50, 71, 11).convert("CMYK").save(FOLDER / "cmyk.jpg", quality=90)
    exif = Image.Exif()
    exif[0x112] = 6  # rotated by a quarter
    photo(40, 60, 12).save(FOLDER / "rotated.jpg", quality=90, exif=exif)
    small = photo(40, 48, 13)
    small.save(FOLDER / "rgb.png")
    small.convert("P", palette=Image.Palette.ADAPTIVE, colors=32).save(FOLDER / "palette.png")
    small.convert("1").save(FOLDER / "bits.png")
    values = np.array(small.convert("RGBA"))
    values[..., 3] = np.linspace(0, 255, values.shape[1]).astype(np.uint8)
    Image.fromarray(values).save(FOLDER / "transparent.png")


def main():
    write_files()
    tensors = {}
    for path in sorted(FOLDER.iterdir()):
        image = Image.open(path).convert("RGB")
        resize, crop = (36, (32, 32)) if image.height > image.width else (40, (32, 40))
        tensors[f"{path.name}.decoded"] = np.array(image)
        tensors[f"{path.name}.cropped"] = np.array(CenterCrop(crop)(Resize(resize)(image)))
    save_file(tensors, HERE / "images_torchvision.safetensors")


if __name__ == "__main__":
    main()
