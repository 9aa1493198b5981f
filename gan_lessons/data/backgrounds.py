"""Digits before backgrounds, as in MNIST-M: |patch - digit|, pixel by pixel and channel by channel.

The patches are cut from the photographs of BSDS500, or from textures drawn with a seed.

Sources: Ganin et al., JMLR 2016, https://arxiv.org/abs/1505.07818, for the recipe; Arbelaez, Maire,
Fowlkes, Malik, "Contour Detection and Hierarchical Image Segmentation", TPAMI 2011, for BSDS500.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gan_lessons.arguments import of_kind
from gan_lessons.data.download import data_root, stays_off_disk
from gan_lessons.data.tensors import TensorData
from gan_lessons.messages import say

PHOTOGRAPHS = Path("BSDS500", "data", "images", "train")
ADDRESS = "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/BSR_bsds500.tgz"
EVERY = 5  # each fifth photograph is kept for the test split
SEEDS = {"train": 0, "test": 1}


class BSDS500Unavailable(FileNotFoundError):
    """The photographs cannot be read; the message says what to do."""


def photographs(split: str = "train", data_dir: str | Path | None = None) -> list[Tensor]:
    """BSDS500's training photographs, bytes (3, H, W): four fifths, or for "test" the others.

    They are read from `BSDS500/data/images/train` in the cache folder, or in `data_dir`. Raises
    `BSDS500Unavailable`, a FileNotFoundError, where there are none, and under the smoke budget.
    """
    _check(split)
    if stays_off_disk(data_dir):
        raise BSDS500Unavailable("BSDS500 is not used under the smoke budget: no disk, no network.")
    root, place = data_root(data_dir)
    paths = sorted((root / PHOTOGRAPHS).glob("*.jpg"))
    if len(paths) < EVERY:
        raise BSDS500Unavailable(
            f"There are no photographs in {PHOTOGRAPHS.as_posix()} in {place}: unpack {ADDRESS} "
            "(70 MB), and put its folder BSR/BSDS500 there."
        )
    return list(
        _read(tuple(p for i, p in enumerate(paths) if (i % EVERY == 0) == (split == "test")))
    )


def _check(split: str) -> None:
    if split not in SEEDS:
        raise ValueError(f'split is {split!r}: choose "train" or "test".')


@cache
def _read(paths: tuple[Path, ...]) -> tuple[Tensor, ...]:
    found = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                found.append(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))
        except OSError as error:
            raise BSDS500Unavailable(
                f"The photograph {path.name} is damaged ({error}): delete it or replace it."
            ) from error
    return tuple(found)


def crops(pictures: list[Tensor], n: int, size: int, generator: torch.Generator) -> Tensor:
    """`n` random squares of `pictures`, bytes (n, 3, size, size), each picture as often as any."""
    which = torch.randint(len(pictures), (n,), generator=generator).tolist()
    places = torch.rand(n, 2, generator=generator).tolist()
    patches = torch.empty(n, 3, size, size, dtype=torch.uint8)
    for i, (k, (down, right)) in enumerate(zip(which, places, strict=True)):
        _, height, width = pictures[k].shape
        top, left = int(down * (height - size + 1)), int(right * (width - size + 1))
        patches[i] = pictures[k][:, top : top + size, left : left + size]
    return patches


def textures(split: str = "train", n: int = 160, side: int = 128) -> list[Tensor]:
    """`n` drawn pictures, bytes (3, side, side), in place of photographs; others for "test".

    Each is a colour with coarse and fine noise and with stripes. Half of the contrast changes from
    place to place, so that there are calm patches, as the sky in a photograph.
    """
    _check(split)
    generator = torch.Generator().manual_seed(SEEDS[split])

    def noise(cells: int, channels: int) -> Tensor:
        small = torch.randn(n, channels, cells, cells, generator=generator)
        return F.interpolate(small, size=side, mode="bicubic", align_corners=False)

    def drawn(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)

    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angle = drawn(0, torch.pi)
    along = rows * angle.sin() + columns * angle.cos() + 2 * noise(8, 1)
    stripes = (2 * torch.pi * along / drawn(4, 16)).sin()
    fine = noise(side // 3, 1) + 0.3 * noise(side // 3, 3)
    rough = drawn(0.5, 1) * fine + drawn(0, 1) * stripes
    colour = drawn(0.2, 0.6) + 0.1 * torch.randn(n, 3, 1, 1, generator=generator)
    shade = 0.12 * noise(4, 1) + 0.1 * noise(12, 1) + 0.05 * noise(6, 3)
    pictures = colour + shade + drawn(0.02, 0.12) * noise(5, 1).exp().clamp(max=3) * rough
    return list((pictures * 255).round().clamp(0, 255).to(torch.uint8))


def blended(digits: Tensor, patches: Tensor) -> Tensor:
    """|patch - digit| of bytes (n, 1, H, W) and (n, 3, H, W), bytes (n, 3, H, W)."""
    return (patches.short() - digits.short()).abs().to(torch.uint8)


def on_textures(data: TensorData, split: str = "train") -> TensorData:
    """Grey digits blended with drawn textures, those of another seed for the test split."""
    return _blended_data(data, split, textures(split), "drawn textures")


def on_photographs(data: TensorData, split: str = "train") -> TensorData:
    """Grey digits blended with BSDS500's photographs, else with textures; prints which."""
    try:
        return _blended_data(data, split, photographs(split), "photographs of BSDS500")
    except BSDS500Unavailable as reason:
        say(f"Using drawn textures for backgrounds ({reason})")
        return on_textures(data, split)


def _blended_data(data: TensorData, split: str, pictures: list[Tensor], what: str) -> TensorData:
    of_kind("data", data, TensorData)
    generator = torch.Generator().manual_seed(SEEDS[split])
    patches = crops(pictures, len(data), data.shape[-1], generator)
    values = blended(data.values.cpu(), patches).to(data.device)
    return TensorData(values, data.labels, f"{data.name}, on {what}", data.classes)
