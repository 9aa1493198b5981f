"""How good is the filling of a hole? Numbers that look at the hole alone.

A whole picture flatters: the context is given, and its error is zero. Masks are 1 on the context
and 0 in the hole, (n, 1, H, W).
"""

import math

import torch
from torch import Tensor

from gan_lessons.metrics.judge import check_images


def hole_mean(values: Tensor, m: Tensor) -> Tensor:
    """The mean of `values` (n, C, H, W) over all hidden pixels and channels, a scalar."""
    hidden = (1 - m).expand_as(values)
    return (hidden * values).sum() / hidden.sum()


def psnr(squared_error: float, peak: float = 2.0) -> float:
    """10 log10(peak^2 / MSE) dB, peak 2 for pictures in [-1, 1].  [METRIC-PSNR]

    Of the mean squared error over all pictures at once. A mean of the PSNRs of single pictures is
    another number, and infinite as soon as one hole is filled exactly.
    """
    return 10 * math.log10(peak**2 / squared_error) if squared_error else math.inf


def hole_errors(fake: Tensor, truth: Tensor, m: Tensor) -> dict[str, float]:
    """The "L1", "L2" and "PSNR" of pictures (n, C, H, W) in [-1, 1], over hidden pixels alone.

    L1 is E |x - y|, L2 is E (x - y)^2. Masks without a hole raise ValueError.
    """
    fake, truth = check_images(fake, "fake").double(), check_images(truth, "truth").double()
    if m.min() == 1:
        raise ValueError("No pixel is hidden, so there is nothing to measure: pass other masks.")
    gap, m = fake - truth, m.to(fake)
    squared = hole_mean(gap.square(), m).item()
    return {"L1": hole_mean(gap.abs(), m).item(), "L2": squared, "PSNR": psnr(squared)}


def energies(images: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """E |x_i - x_j| over neighbours i, j: both in the hole, and one of them.  [METRIC-SEAM]

    Scalars: how much changes from pixel to pixel inside the holes, and across their borders.
    """
    inside, across = [torch.zeros(2, dtype=images.dtype, device=images.device) for _ in range(2)]
    hidden = 1 - m.to(images)
    for dim in (-2, -1):
        size = images.shape[dim] - 1
        pair = [hidden.narrow(dim, start, size) for start in (0, 1)]
        gaps = images.diff(dim=dim).abs()
        for total, chosen in ((inside, pair[0] * pair[1]), (across, (pair[0] - pair[1]).abs())):
            chosen = chosen.expand_as(gaps)
            total += torch.stack([(chosen * gaps).sum(), chosen.sum()])
    return inside[0] / inside[1], across[0] / across[1]


def hole_sharpness(fake: Tensor, truth: Tensor, m: Tensor) -> dict[str, float]:
    """The "sharpness" inside the holes and the "seam" across their borders, by the truth's.

    1 is ideal for both. A sharpness below 1 is blur; a seam above 1 is a border that shows.
    """
    ours = energies(check_images(fake, "fake").double(), m)
    theirs = energies(check_images(truth, "truth").double(), m)
    names = "sharpness", "seam"
    return {name: (a / b).item() for name, a, b in zip(names, ours, theirs, strict=True)}
