"""Pictures whose context says nothing about the hole: what is in it is decided by a coin."""

import torch
from torch.nn.functional import interpolate

from gan_lessons.arguments import whole
from gan_lessons.data.masks import centre, composite
from gan_lessons.data.tensors import KINDS, TensorData, check_size, to_bytes

SPOTS = 5  # grey values along a side of the background, with smooth transitions between


def two_valued(
    n: int = 5000, value: float = 0.5, size: int = 32, seed: int = 0, *, split: str = "train"
) -> TensorData:
    """`n` grey pictures (1, size, size): a spotted background, and in the middle a plain square.

    The square fills what `masks("centre", …)` hides. It is +`value` or -`value`, label 1 or 0, for
    a fair coin that nothing of the background shows; the background lies in [-0.4, 0.4] or so. Same
    seed, same data; no picture of the "test" split comes from the draws of the "train" split.
    Raises ValueError for an unknown split or a size outside 28..64, and unless 0 < value <= 1.
    """
    check_size(size)
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    if not 0 < value <= 1:
        raise ValueError(f"value is {value}: choose one above 0, up to 1.")
    # Even numbers for training and odd ones for testing: no seed serves both.
    seed = 2 * whole("seed", seed, least=0) + (split == "test")
    generator = torch.Generator().manual_seed(seed)
    n = whole("n", n)
    spots = 0.8 * torch.rand(n, 1, SPOTS, SPOTS, generator=generator) - 0.4
    background = interpolate(spots, size, mode="bicubic", align_corners=False)
    coin = torch.randint(2, (n,), generator=generator)
    square = (value * (2 * coin - 1.0))[:, None, None, None]
    pictures = composite(background, square, centre(n, size, size // 2))
    name = f"two-valued squares, {n:,} {KINDS[split]} pictures at {size} x {size}"
    return TensorData(to_bytes(pictures), coin, name, ("dark", "light"))
