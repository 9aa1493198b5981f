"""Holes in pictures: which pixels are known, and pictures put together from two.

A mask is 1 on the context, the pixels that are known, and 0 in the hole. (The paper of the Context
Encoder has it the other way round: its M is 1 in the hole.) Masks are floats (n, 1, side, side).

Source: Pathak, Krähenbühl, Donahue, Darrell, Efros, CVPR 2016, https://arxiv.org/abs/1604.07379.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from gan_lessons.arguments import of_kind, whole
from gan_lessons.data.tensors import TensorData

SQUARES = 4  # of a mask of blocks, each half as wide as the hole in the centre
SMOOTHNESS = 1 / 12  # of the borders of a random region, as a share of the side


def composite(x: Tensor, y: Tensor, m: Tensor) -> Tensor:
    """m x + (1 - m) y: `x` on the context, `y` in the hole.  [CE-COMP]"""
    return m * x + (1 - m) * y


def border(m: Tensor, width: int) -> Tensor:
    """1 on the known pixels that lie at most `width` rows and columns from the hole, else 0."""
    return m * max_pool2d(1 - m, 2 * width + 1, stride=1, padding=width)


def centre(n: int, side: int, hole: int, *, device=None, generator=None) -> Tensor:
    """A square of `hole` pixels in the middle, or of one more where they would not fit evenly."""
    hole += (side - hole) % 2
    first = (side - hole) // 2
    m = torch.ones(n, 1, side, side, device=device)
    m[:, :, first : first + hole, first : first + hole] = 0
    return m


def blocks(
    n: int, side: int, hole: int, *, count: int = SQUARES, device=None, generator=None
) -> Tensor:
    """`count` squares anywhere in the picture, which may overlap; together as large as one `hole`.

    That is, hole^2 pixels without the overlaps, up to rounding.
    """
    square = max(1, round(hole / math.sqrt(count)))
    # randint leaves out its upper end: without the + 1 the last row would never be hidden.
    places = side - square + 1
    first = torch.randint(places, (2, n, count, 1), device=device, generator=generator)
    steps = torch.arange(side, device=device)
    rows, columns = (steps >= first) & (steps < first + square)  # (n, count, side) each
    hidden = (rows[..., :, None] & columns[..., None, :]).any(1, keepdim=True)
    return 1 - hidden.float()


def regions(n: int, side: int, hole: int, *, device=None, generator=None) -> Tensor:
    """Random shapes of hole^2 pixels: where a smooth random surface is lowest.

    The surface goes on at the opposite edge, so that no place is hidden more often than another.
    """
    noise = torch.randn(n, side, side, device=device, generator=generator)
    waves = 2 * math.pi * SMOOTHNESS * side * torch.fft.fftfreq(side, device=device)
    smooth = (-(waves[:, None].square() + waves[None, : side // 2 + 1].square()) / 2).exp()
    surface = torch.fft.irfft2(torch.fft.rfft2(noise) * smooth, s=(side, side)).flatten(1)
    order = surface.argsort(1).argsort(1)  # the rank of each pixel
    return (order >= hole**2).float().view(n, 1, side, side)


MASKS: dict[str, Callable[..., Tensor]] = {"centre": centre, "blocks": blocks, "regions": regions}


def masks(
    kind: str,
    n: int,
    side: int,
    share: float = 0.5,
    *,
    device: torch.device | str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """`n` masks for pictures of `side` pixels, (n, 1, side, side): 1 on the context, 0 in the hole.

    `kind` is "centre", a square in the middle, "blocks", several smaller ones anywhere, or
    "regions", random shapes. The square has `share` of the side of the picture; the others hide as
    many pixels, or fewer where blocks overlap. A `generator` must be on `device`. Raises ValueError
    for another kind, and unless the share lies between 0 and 1.
    """
    if kind not in MASKS:
        raise ValueError(f"masks are {kind!r}: choose {', '.join(map(repr, MASKS))}.")
    if not 0 < share < 1:
        raise ValueError(f"The share of the hole is {share}: choose one between 0 and 1.")
    n, side = whole("n", n), whole("side", side, least=3)
    hole = min(max(1, round(share * side)), side - 2)  # some context is left on all sides
    return MASKS[kind](n, side, hole, device=device, generator=generator)


def check_masks(m: Tensor, x: Tensor) -> Tensor:
    """The masks `m` on the device of the pictures `x`, if they fit.

    They are (n, 1, H, W), one for each picture, zeros and ones, and floats like the pictures;
    anything else raises ValueError or TypeError.
    """
    of_kind("m", m, Tensor, hint="masks(kind, n, side) makes some.")
    if m.dtype != x.dtype:
        raise TypeError(f"m is {m.dtype}, and the pictures {x.dtype}: use m.to(x.dtype).")
    wanted = (len(x), 1, *x.shape[2:])
    if m.shape != wanted or not ((m == 0) | (m == 1)).all():
        raise ValueError(
            f"m has shape {tuple(m.shape)}: give one mask for each picture, {wanted}, that is 1 on "
            "the context and 0 in the hole, and nothing else."
        )
    return m.to(x.device)


def colour(numbers: tuple[float, ...], channels: int) -> Tensor:
    """What a hole is filled with, (channels, 1, 1): a number for each channel, or one for all.

    No number is 0, grey. Other counts raise ValueError.
    """
    if len(numbers) not in (0, 1, channels):
        raise ValueError(f"fill has {len(numbers)} numbers: give one for each of {channels}.")
    return torch.tensor(numbers or (0.0,)).expand(channels)[:, None, None].clone()


def mean_colour(data: TensorData) -> tuple[float, ...]:
    """The mean of all pictures of `data` in [-1, 1], one number a channel; () for anything else.

    One colour for all pictures: a mean of each picture, or of each class, would tell the network
    something about the hole that it is to guess.
    """
    if not isinstance(data, TensorData) or not data.is_images:
        return ()
    means = data.values.sum((0, 2, 3)) / data.values[:, 0].numel()  # sums of integers are exact
    return tuple((means / 127.5 - 1).tolist())
