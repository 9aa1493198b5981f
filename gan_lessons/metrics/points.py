"""Metrics of points in the plane and on the line, where the true distribution is known."""

from typing import NamedTuple

import torch
from torch import Tensor

from gan_lessons.arguments import number
from gan_lessons.metrics.judge import check_samples


class Modes(NamedTuple):
    """Covered modes (a count), share of high-quality samples, KL of the modes to uniform."""

    covered: int
    high_quality: float
    kl: float


def mode_coverage(points: Tensor, modes: Tensor, std: float) -> Modes:
    """How many of the `modes` (K, D) the `points` (N, D) reach, and how evenly.

    A point is of high quality within 3 `std` of its nearest mode. A mode is covered if at least 1 %
    of all points are of high quality there. `kl` is that of the histogram of nearest modes, good
    points or not, to the uniform one, in nats: 0 is even, log K is one mode only.

    Raises ValueError for shapes that do not fit, NaN, or a `std` that is not positive.
    """
    points, modes = check_samples(points, "points"), check_samples(modes, "modes")
    if points.dim() != 2 or modes.dim() != 2 or points.shape[1] != modes.shape[1]:
        raise ValueError(
            f"points {tuple(points.shape)} and modes {tuple(modes.shape)} do not fit: "
            "pass (N, D) and (K, D)."
        )
    if number("std", std) <= 0:
        raise ValueError(f"std is {std}: pass the standard deviation of one mode, above 0.")
    distance, nearest = torch.cdist(points.double(), modes.to(points).double()).min(dim=1)
    good = distance <= 3 * std
    share_of_good = torch.bincount(nearest[good], minlength=len(modes)) / len(points)
    histogram = torch.bincount(nearest, minlength=len(modes)) / len(points)
    covered = int((share_of_good >= 0.01).sum())
    return Modes(covered, good.double().mean().item(), kl_to_uniform(histogram))


def kl_to_uniform(histogram: Tensor) -> float:
    """KL(histogram || uniform) in nats, for shares that add up to 1; empty bins add nothing."""
    shares = histogram.double()
    return torch.special.xlogy(shares, shares * len(shares)).sum().item()


def wasserstein_1d(a: Tensor, b: Tensor) -> float:
    """inf E|x - y| over all couplings of the numbers `a` (N,) and `b` (M,), exact.  [METRIC-W1]

    Raises ValueError for NaN, for nothing, or for tensors that are not one column.
    """
    from scipy.stats import wasserstein_distance

    columns = [check_samples(x, name) for x, name in ((a, "a"), (b, "b"))]
    for x, name in zip(columns, "ab", strict=True):
        if x.dim() == 0 or x.numel() != len(x):
            raise ValueError(f"{name} has shape {tuple(x.shape)}: pass numbers, shape (N,).")
    first, second = (x.detach().cpu().double().flatten().numpy() for x in columns)
    return float(wasserstein_distance(first, second))


def wasserstein_2d(a: Tensor, b: Tensor) -> float:
    """Exact distance W1 between two equally large sets of points (N, D), N up to 2,000.

    With equal weights the best coupling is an assignment of points to points, and is found as one.
    Takes seconds at 2,000. Raises ValueError for shapes that differ, NaN, or more points.
    """
    from scipy.optimize import linear_sum_assignment

    a, b = check_samples(a, "a"), check_samples(b, "b")
    if a.dim() != 2 or a.shape != b.shape or len(a) > 2000:
        raise ValueError(
            f"a {tuple(a.shape)} and b {tuple(b.shape)}: pass two sets (N, D) of equally many "
            "points, at most 2,000; thin them with x[torch.randperm(len(x))[:2000]]."
        )
    costs = torch.cdist(a.detach().cpu().double(), b.detach().cpu().double()).numpy()
    return float(costs[linear_sum_assignment(costs)].mean())
