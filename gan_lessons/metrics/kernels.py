"""A kernel distance for points, such as codes, with a kernel that sees every difference."""

import math

import torch
from torch import Tensor

WIDTHS = (0.25, 0.5, 1.0)  # of the Gaussian kernels, in units of sqrt(d) in d dimensions


def gaussian_kernel_distance(samples: Tensor, reference: Tensor) -> Tensor:
    """E k(a, a') + E k(b, b') - 2 E k(a, b), k(u, v) = mean_s exp(-|u - v|^2 / 2 s^2).  [AAE-MMD]

    The squared maximum mean discrepancy of two sets of points (n, d) and (m, d), unbiased: no point
    is paired with itself. So it is around 0 for two sets of one distribution, at times a little
    below; it never exceeds 2. The widths s are sqrt(d) / 4, sqrt(d) / 2 and sqrt(d), fit for points
    whose coordinates have a spread of about 1. `kernel_distance` compares three moments only; this
    one is 0 for no two different distributions. Returns a scalar, float64, on the CPU.

    Raises `ValueError` for fewer than two points, or for two numbers of dimensions.

    Source: Gretton et al. 2012, https://jmlr.org/papers/v13/gretton12a.html
    """
    a, b = samples.cpu().double(), reference.cpu().double()
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"samples have shape {tuple(a.shape)}, reference {tuple(b.shape)}: pass two points or "
            "more of each, as rows (n, d) with one d."
        )
    n, m = len(a), len(b)
    own = (_kernels(a, a) - n) / (n * (n - 1)) + (_kernels(b, b) - m) / (m * (m - 1))
    return own - 2 * _kernels(a, b) / (n * m)


def _kernels(a: Tensor, b: Tensor) -> Tensor:
    """Sum of k over all pairs; never the whole table of distances at once."""
    widths = [width * math.sqrt(a.shape[1]) for width in WIDTHS]
    total = a.new_zeros(())
    for part in a.split(1000):
        squares = torch.cdist(part, b).square()
        total = total + sum((-squares / (2 * s * s)).exp().sum() for s in widths) / len(widths)
    return total
