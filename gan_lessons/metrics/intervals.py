"""How sure a number is: what it would have been with other samples."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_lessons.arguments import number, whole


class Interval(NamedTuple):
    """A number measured on all samples, and the two ends of the interval around the truth."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    measure: Callable[[Tensor], float],
    samples: Tensor,
    *,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """[2 t - q_high, 2 t - q_low], t = measure(samples), q of t on resamples.  [METRIC-BOOTSTRAP]

    The *basic* bootstrap: `measure` is repeated on as many of the `samples` (N, …), drawn with
    replacement. What drawing again adds to the number, on average, sampling has added to it once
    already, so it is taken off once more: a distance that comes out too large with few samples has
    its interval below it. The interval knows nothing of other seeds, other training data or other
    reference images. Draws come from `seed` alone.

    Raises ValueError for fewer than two samples and for a `level` outside of (0, 1).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993
    """
    resamples, level = whole("resamples", resamples), number("level", level)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: pass a share between 0 and 1, such as 0.95.")
    if len(samples) < 2:
        raise ValueError("The bootstrap draws among samples: pass two or more.")
    generator, size = torch.Generator().manual_seed(seed), len(samples)
    again = [
        measure(samples[torch.randint(size, (size,), generator=generator)])
        for _ in range(resamples)
    ]
    value = measure(samples)
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(2 * value - high), float(2 * value - low))
