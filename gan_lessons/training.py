"""The training loop, and at one place what a run starts with: budget, preset, device.

The loop knows nothing about any variant: what it asks of one is in `gan_lessons.model`.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gan_lessons.budgets import BUDGETS, budget, preset
from gan_lessons.data import to_bytes
from gan_lessons.devices import own_randomness, pick_device, random_state, set_random_state
from gan_lessons.model import Model, check_labels
from gan_lessons.runs import (
    DivergedError,
    Run,
    averaged_copy,
    build,
    full_state,
    load_run,
    restore,
)

__all__ = [
    "BUDGETS",
    "DivergedError",
    "Run",
    "budget",
    "fit",
    "load_run",
    "pick_device",
    "preset",
    "resume",
]

PRECISIONS = ("float32", "bfloat16")
CHECK_EVERY = 50  # steps between two looks at the losses: each look waits for the device
MOMENTS = 24  # snapshots of a run, and how often its whole state is kept for a divergence


def fit(
    model_class: type[Model],
    config: Any,
    data: Any,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = True,
    snapshots: int = MOMENTS,
    precision: str = "float32",
    monitor: Callable[[Run], dict[str, float]] | None = None,
    monitor_every: int | None = None,
) -> Run:
    """Train `model_class(config)` on `data` for `config.steps` steps.

    - `snapshots`: how many times to sample from the fixed noise, closer together at the start.
    - `precision`: "float32", or "bfloat16" for autocast.
    - `monitor`: called with the run every `monitor_every` steps (default: a tenth of the run); the
      numbers it returns go to `run.monitored`. It does not disturb the training's random numbers.

    Stopping it from the keyboard returns the run so far; `resume` goes on from there. A loss that
    is no longer finite raises `DivergedError`, which holds the last good state. Bad arguments raise
    `ValueError`, data of another kind than the model takes `TypeError`. The caller's random numbers
    are left alone.
    """
    _check_loop_options(config, precision, snapshots)
    _check_data(model_class, config, data)
    device = pick_device(device)
    config = dataclasses.replace(config, shape=data.shape)
    data = data.to(device)  # once: the whole data set lives there
    with own_randomness(device, seed):
        model = build(model_class, config, device)
        run = Run(
            model=model,
            averaged=averaged_copy(model, device),
            config=config,
            seed=seed,
            device=str(device),
            data_name=data.name,
            precision=precision,
        )
        run.fixed_inputs = model.fixed_inputs(64, data)
        _train(run, data, progress, snapshots, monitor, monitor_every)
    return run


def resume(
    run: Run,
    data: Any,
    steps: int | None = None,
    *,
    progress: bool = True,
    snapshots: int = MOMENTS,
    monitor: Callable[[Run], dict[str, float]] | None = None,
    monitor_every: int | None = None,
) -> Run:
    """Train an interrupted, diverged or loaded run on, in place, until `steps` are done in all.

    On the CPU the result of going on after a save or a divergence is, to the last bit, that of an
    uninterrupted run; after a stop from the keyboard the step that was cut short is done again.
    A schedule over all steps, such as CycleGAN's learning rate, is stretched to the new number.
    Data of another shape or kind and a run that is already done raise an error, as in `fit`, and
    change nothing.
    """
    config = run.config if steps is None else dataclasses.replace(run.config, steps=steps)
    _check_loop_options(config, run.precision, snapshots)
    _check_data(type(run.model), config, data)
    if tuple(data.shape) != tuple(config.shape):
        raise ValueError(f"The run was trained on shape {config.shape}, not {data.shape}.")
    if run.steps >= config.steps:
        raise ValueError(f"The run has done {run.steps} steps already; pass a larger steps=….")
    run.config = run.model.config = run.averaged.config = config
    run.data_name = data.name
    device = torch.device(run.device)
    with own_randomness(device):
        set_random_state(run.random_state, device)
        _train(run, data.to(device), progress, snapshots, monitor, monitor_every)
    return run


def _check_loop_options(config: Any, precision: str, snapshots: int) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    if snapshots < 0:
        raise ValueError(f"snapshots must not be negative, but is {snapshots}.")
    for name in ("steps", "batch_size"):
        if getattr(config, name) < 1:
            raise ValueError(f"config.{name} must be at least 1, not {getattr(config, name)}.")


def _check_data(model_class: type[Model], config: Any, data: Any) -> None:
    """Data must be of the kind that the model declares, with labels where it needs them."""
    wanted = model_class.takes
    if not isinstance(data, wanted):
        names = " or ".join(kind.__name__ for kind in wanted)
        raise TypeError(
            f"{model_class.__name__} takes {names}, not {type(data).__name__}: try "
            f"{' or '.join(kind.made_by for kind in wanted)}."
        )
    if not model_class.needs_labels:
        return
    if data.labels is None:
        raise ValueError(
            f"{model_class.__name__} needs labels, and {data.name} has none; sort the images into "
            "one folder a class."
        )
    check_labels(data.labels, len(data.labels), config.classes)


def _moments(steps: int, count: int) -> set[int]:
    """`count` steps from 0 to `steps`, closer together at the start, where more changes."""
    if count == 0:
        return set()
    return {round(steps * (i / max(1, count - 1)) ** 1.7) for i in range(count)} | {steps}


def _train(
    run: Run,
    data: Any,
    progress: bool,
    snapshots: int,
    monitor: Callable[[Run], dict[str, float]] | None,
    monitor_every: int | None,
) -> None:
    """The loop itself: fetch, step, average, look."""
    model, config = run.model, run.config
    device = torch.device(run.device)
    shown, kept = _moments(config.steps, snapshots), _moments(config.steps, MOMENTS)
    monitor_every = monitor_every or max(1, config.steps // 10)
    average = _Average(run.averaged, model, config.average_decay)
    started = time.perf_counter() - run.seconds
    bar = tqdm(total=config.steps, initial=run.steps, disable=not progress, leave=False)
    pending: list[dict[str, Tensor]] = []
    good = full_state(run)
    model.train()
    try:
        _look(run, shown, monitor, monitor_every)
        while run.steps < config.steps:
            batch = data.batch(model.samples_per_step)
            if batch.x.dim() == 4:
                batch = batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))
            with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bfloat16"):
                losses = model.step(batch)
            pending.append({name: value.detach() for name, value in losses.items()})  # no graphs
            model.steps_done += 1
            average.update(run.steps)
            if run.steps % CHECK_EVERY == 0 or run.steps in kept:
                bar.set_postfix(_file(run, pending, good))
                bar.update(run.steps - bar.n)
            if run.steps in kept:
                good = full_state(run)
            _look(run, shown, monitor, monitor_every)
    except KeyboardInterrupt:
        _file(run, pending, good)
        print(f"Stopped at step {run.steps:,} of {config.steps:,}. resume() goes on from here.")
    except DivergedError:
        bar.close()
        run.seconds = time.perf_counter() - started
        raise  # with the random numbers of the last good state, not those of now
    bar.close()
    run.seconds = time.perf_counter() - started
    run.random_state = random_state(device)


class _Average:
    """Exponentially averaged weights and statistics; the average is short while the run is young.

    Only of what samples come from: what else a model remembers, such as past fakes or a
    controller, has one value, the present one.
    """

    def __init__(self, averaged: nn.Module, model: nn.Module, decay: float):
        both = [[getattr(m, name).state_dict() for name in model.sampled] for m in (averaged, model)]
        pairs = [
            (mean, now[name])
            for means, now in zip(*both, strict=True)
            for name, mean in means.items()
            if mean.is_floating_point()
        ]
        self.means = [mean for mean, _ in pairs]
        self.values = [value for _, value in pairs]
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, step / (step + 10))
        get_ema_multi_avg_fn(decay)(self.means, self.values, None)


def _look(
    run: Run,
    shown: set[int],
    monitor: Callable[[Run], dict[str, float]] | None,
    monitor_every: int,
) -> None:
    """Snapshot and monitor, where due, without touching the random numbers of the training."""
    with own_randomness(torch.device(run.device)):
        if run.steps in shown and run.steps not in run.snapshot_steps:
            frame = to_bytes(run.averaged.sample(**run.fixed_inputs)).cpu()[None]
            run.snapshots = frame if run.snapshots is None else torch.cat([run.snapshots, frame])
            run.snapshot_steps.append(run.steps)
        due = run.steps and (run.steps % monitor_every == 0 or run.finished)
        if monitor and due and run.steps not in run.monitored.get("step", []):
            for name, value in {"step": run.steps, **monitor(run)}.items():
                run.monitored.setdefault(name, []).append(value)


def _file(run: Run, pending: list[dict[str, Tensor]], good: dict[str, Any]) -> dict[str, float]:
    """Move pending losses into the history; return the latest ones; raise if one is not finite."""
    filed = len(next(iter(run.history.values()), ()))
    fresh = pending[: run.steps - filed]  # a step that was cut short has not happened
    if not fresh:
        return {}
    table = {
        name: torch.stack([losses[name].float() for losses in fresh]).cpu().numpy()
        for name in fresh[0]
    }
    bad = {name: np.flatnonzero(~np.isfinite(values)) for name, values in table.items()}
    culprit = next((name for name, where in bad.items() if where.size), None)
    if culprit is None and not _weights_are_finite(run.model):
        culprit = "a weight"
    if culprit is not None:
        where = filed + 1 + int(bad[culprit][0]) if culprit in bad else run.steps
        restore(run, good)
        raise DivergedError(
            f"Training diverged: at step {where:,} {culprit} was no longer finite. The state after "
            f"step {run.steps:,} is kept in the `run` of this error. A smaller learning_rate, or "
            "another seed, is the first thing to try.",
            run,
        )
    none = np.empty(0, np.float32)
    run.history = {  # all at once: an interruption finds all of it or nothing
        name: np.concatenate([run.history.get(name, none), values])
        for name, values in table.items()
    }
    pending.clear()
    return {name: float(values[-1]) for name, values in table.items()}


def _weights_are_finite(model: nn.Module) -> bool:
    return bool(torch.stack([p.isfinite().all() for p in model.parameters()]).all())
