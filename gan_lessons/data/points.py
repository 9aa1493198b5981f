"""Points in the plane whose distribution is known exactly: a ring, a grid and a swiss roll."""

import math

import torch
from torch import Tensor

from gan_lessons.arguments import is_whole, number, whole
from gan_lessons.data.tensors import TensorData


def ring(
    n_modes: int = 8, n: int = 50_000, radius: float = 2.0, std: float = 0.02, seed: int = 0
) -> TensorData:
    """`n` points (n, 2) around `n_modes` centres, evenly spaced on a circle; labels are the modes.

    Every mode has equally many points, up to one. Raises ValueError for a count below 1 or a
    negative `std`. Same seed, same points; torch's global generator is not touched.
    """
    _check_counts(n_modes=n_modes, n=n)
    number("radius", radius)
    angles = torch.arange(n_modes, dtype=torch.float64) * (2 * math.pi / n_modes)
    modes = radius * torch.stack([angles.cos(), angles.sin()], dim=1)
    return _mixture(modes, n, std, seed, f"ring of {n_modes} Gaussians")


def grid(
    side: int = 5, n: int = 50_000, spacing: float = 1.0, std: float = 0.05, seed: int = 0
) -> TensorData:
    """`n` points (n, 2) around the `side` x `side` centres of a square grid about the origin.

    Labels are the modes, row by row. Errors and seeding as in `ring`.
    """
    _check_counts(side=side, n=n)
    number("spacing", spacing)
    ticks = spacing * (torch.arange(side, dtype=torch.float64) - (side - 1) / 2)
    modes = torch.cartesian_prod(ticks, ticks).flip(1)  # x runs first
    return _mixture(modes, n, std, seed, f"grid of {side * side} Gaussians")


def swiss_roll(
    n: int = 50_000, radius: float = 2.0, std: float = 0.03, seed: int = 0
) -> TensorData:
    """`n` points (n, 2) on a spiral of one and a half turns that ends at `radius`, plus noise.

    No labels and no modes: the data are one connected curve. Errors and seeding as in `ring`.
    """
    _check_counts(n=n)
    number("radius", radius)
    number("std", std, least=0)
    generator = torch.Generator().manual_seed(whole("seed", seed, least=0))
    angle = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=generator, dtype=torch.float64))
    curve = torch.stack([angle.cos(), angle.sin()], dim=1) * angle[:, None] / (4.5 * math.pi)
    points = radius * curve + std * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return TensorData(points.float(), name=f"swiss roll, {n:,} points, noise {std:g}")


def _mixture(modes: Tensor, n: int, std: float, seed: int, name: str) -> TensorData:
    number("std", std, least=0)
    generator = torch.Generator().manual_seed(whole("seed", seed, least=0))
    labels = torch.arange(n) % len(modes)
    points = modes[labels] + std * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return TensorData(
        points.float(), labels, f"{name}, {n:,} points, std {std:g}", modes=modes.float(), std=std
    )


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not is_whole(count) or count < 1:
            raise ValueError(f"{name} is {count!r}: give a whole number, 1 or more.")
