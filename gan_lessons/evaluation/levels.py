"""The two rows that every table of samples has besides the models: its floor and its ceiling.

The floor is what real data reach that stand in for samples: no model can hope for less. The ceiling
is the same model before its first step, which has learned nothing. A number means something between
the two.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gan_lessons import metrics
from gan_lessons.data import TensorData
from gan_lessons.devices import own_randomness
from gan_lessons.runs import averaged_copy, build
from gan_lessons.training import Run

FLOOR, CEILING = "floor: real", "ceiling: untrained"
Row = Mapping[str, float | int | str]


def untrained(run: Run, seed: int = 0) -> Run:
    """A run of the same model class, config and device before its first step, drawn with `seed`."""
    device = torch.device(run.device)
    with own_randomness(device, seed):
        model = build(type(run.model), run.config, device)
        averaged = averaged_copy(model, device)
    return Run(model, averaged, run.config, seed, run.device, run.data_name)


def drawn(data: TensorData, n: int, seed: int = 0) -> TensorData:
    """`n` samples of `data`, each at most once, drawn with `seed`; more than there are: all."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data.subset(order[:n].to(data.device))


def with_levels(
    rows: Mapping[str, Tensor | Row],
    run: Run,
    data: TensorData,
    test: TensorData,
    *,
    n: int | None = None,
    seed: int = 0,
    labels: Tensor | None = None,
    measure: Callable[..., Row] | None = None,
    **columns: Any,
) -> dict[str, Row]:
    """The rows of a table between floor and ceiling, in this order, for `metrics.table`.

    `rows` has samples for each name, (n, *shape), or a row that is measured already. The floor are
    `n` real samples of the training `data` (as many as `test` has, unless told), drawn without
    replacement; the ceiling are `n` samples of the model of `run` before its first step. Both come
    from `seed`.

    All are measured by `measure(samples, **columns)`: without one, by `metrics.report` against
    `test`, held out of training, with columns such as `train=data.floats()` for the copies, which
    the floor does not get: it is taken from the training data. With `labels`, the classes (n,) that
    the samples were asked to be of, the ceiling is asked for them, too, the floor has its own, and
    `measure` gets them as `labels=…`.

        rows = with_levels({"GAN": run.sample(10_000, seed=0)}, run, data, test)
        metrics.table(rows)

    For models that draw from noise, or from noise and labels, not for those that translate.
    """
    n = len(test) if n is None else n
    reals, asked = drawn(data, n, seed), {} if labels is None else {"labels": labels}
    measure = partial(measure or partial(metrics.report, reference=test), **columns)
    of_reals = {} if labels is None else {"labels": reals.labels.cpu()}
    if "train" in columns:
        of_reals["train"] = None

    def row(samples: Tensor | Row) -> Row:
        return samples if isinstance(samples, Mapping) else measure(samples, **asked)

    floor = {FLOOR: measure(reals.floats().cpu(), **of_reals)}
    ceiling = {CEILING: row(untrained(run, seed).sample(n, seed=seed, **asked))}
    return floor | {name: row(samples) for name, samples in rows.items()} | ceiling
