"""Do two images that are drawn from one noise, in two domains, belong together?"""

from collections.abc import Callable

import torch
from torch import Tensor

from gan_lessons import metrics
from gan_lessons.data import TensorData
from gan_lessons.metrics.agreement import compare_pairs
from gan_lessons.training import Run


def pairs(run: Run, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`n` images of each domain, on the CPU: row i of both is drawn from one noise."""
    second = torch.ones(n, dtype=torch.int64)
    return run.sample(n, seed=seed), run.sample(n, seed=seed, domains=second)


def measure_pairs(
    run: Run, test: TensorData, *, n: int = 10_000, seed: int = 0, **how: Callable | None
) -> dict[str, float]:
    """What `compare_pairs` finds for `n` pairs that a run has generated; `how` are its options.

    `test` are digits of the first domain that were held out of training.
    """
    return compare_pairs(*pairs(run, n, seed), metrics.features(test.floats()), **how)
