"""The training loop, and the choices that a run starts with: budget, device, preset.

The loop knows nothing about any variant. A model is a `torch.nn.Module` that is built from a
config, owns its optimisers and has `step(batch) -> dict of scalar tensors` and `sample(...)`. A
step that takes more samples than `config.batch_size` says so in `samples_per_step`.
"""

import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gan_lessons.data import TensorData, to_bytes
from gan_lessons.runs import (
    DivergedError,
    Run,
    build,
    full_state,
    load_run,
    own_randomness,
    pick_device,
    random_state,
    restore,
    set_random_state,
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

BUDGETS = ("smoke", "cpu", "gpu")
PRECISIONS = ("float32", "bfloat16")
CHECK_EVERY = 50  # steps between two looks at the losses: each look waits for the device


def budget() -> str:
    """The budget of this session: "smoke", "cpu" or "gpu".

    The environment variable `GAN_LESSONS_BUDGET` decides; without it, the device does. An unknown
    value raises `ValueError`.
    """
    chosen = os.environ.get("GAN_LESSONS_BUDGET", "").strip().lower()
    if not chosen:
        return "cpu" if pick_device().type == "cpu" else "gpu"
    if chosen not in BUDGETS:
        raise ValueError(
            f"GAN_LESSONS_BUDGET is {chosen!r}; set it to one of {', '.join(BUDGETS)}, or unset it."
        )
    return chosen


def preset(config: Any, presets: dict[str, Any]) -> Any:
    """The config to train with: a config itself, a preset's name, or None for the budget's preset.

    An unknown name raises `ValueError`, any other type `TypeError`.
    """
    names = ", ".join(repr(name) for name in presets)
    if config is None:
        config = budget()
    if isinstance(config, str):
        if config not in presets:
            raise ValueError(f"There is no preset {config!r}; choose one of {names}.")
        return presets[config]
    expected = type(next(iter(presets.values())))
    if not isinstance(config, expected):
        raise TypeError(
            f"config must be a {expected.__module__}.Config or one of {names}, "
            f"not {type(config).__module__}.{type(config).__name__}."
        )
    return config


def fit(
    model_class: type[nn.Module],
    config: Any,
    data: TensorData,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = True,
    snapshots: int = 24,
    precision: str = "float32",
    monitor: Callable[["Run"], dict[str, float]] | None = None,
    monitor_every: int | None = None,
) -> Run:
    """Train `model_class(config)` on `data` for `config.steps` steps.

    - `snapshots`: how many times to sample from the fixed noise, closer together at the start.
    - `precision`: "float32", or "bfloat16" for autocast.
    - `monitor`: called with the run every `monitor_every` steps (default: a tenth of the run); the
      numbers it returns go to `run.monitored`. It does not disturb the training's random numbers.

    Stopping it from the keyboard returns the run so far; `resume` goes on from there. A loss that
    is no longer finite raises `DivergedError`, which holds the last good state. Bad arguments raise
    `ValueError`. The caller's random numbers are left alone.
    """
    _check_loop_options(config, precision, snapshots)
    device = pick_device(device)
    config = dataclasses.replace(config, shape=data.shape)
    data = data.to(device)  # once: the whole data set lives there
    with own_randomness(device, seed):
        model = build(model_class, config, device)
        averaged = build(model_class, config, device)
        averaged.load_state_dict(model.state_dict())
        run = Run(
            model=model,
            averaged=averaged,
            config=config,
            seed=seed,
            device=str(device),
            data_name=data.name,
            precision=precision,
        )
        run.fixed_inputs = _fixed_inputs(model, data)
        _train(run, data, progress, snapshots, monitor, monitor_every)
    return run


def resume(
    run: Run,
    data: TensorData,
    steps: int | None = None,
    *,
    progress: bool = True,
    snapshots: int = 24,
    monitor: Callable[[Run], dict[str, float]] | None = None,
    monitor_every: int | None = None,
) -> Run:
    """Train an interrupted, diverged or loaded run on, in place, until `steps` are done in all.

    On the CPU the result of going on after a save or a divergence is, to the last bit, that of an
    uninterrupted run; after a stop from the keyboard the step that was cut short is done again.
    A schedule over all steps, such as CycleGAN's learning rate, is stretched to the new number.
    Data of another shape and a run that is already done raise `ValueError`.
    """
    if tuple(data.shape) != tuple(run.config.shape):
        raise ValueError(f"The run was trained on shape {run.config.shape}, not {data.shape}.")
    if steps is not None:
        run.config = dataclasses.replace(run.config, steps=steps)
        run.model.config = run.averaged.config = run.config
    if run.finished:
        raise ValueError(f"The run has done {run.steps} steps already; pass a larger steps=….")
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


def _fixed_inputs(model: nn.Module, data: TensorData, n: int = 64) -> dict[str, Tensor]:
    if hasattr(model, "fixed_inputs"):  # a model whose samples need more than noise
        return model.fixed_inputs(n, data)
    return {"z": torch.randn(n, model.config.latent_dim, device=data.device)}


def _snapshot_steps(steps: int, count: int) -> list[int]:
    """`count` steps from 0 to `steps`, closer together at the start, where more changes."""
    if count == 0:
        return []
    return sorted({round(steps * (i / max(1, count - 1)) ** 1.7) for i in range(count)} | {steps})


def _train(
    run: Run,
    data: TensorData,
    progress: bool,
    snapshots: int,
    monitor: Callable[[Run], dict[str, float]] | None,
    monitor_every: int | None,
) -> None:
    """The loop itself: fetch, step, average, look."""
    model, config = run.model, run.config
    device = torch.device(run.device)
    moments = set(_snapshot_steps(config.steps, snapshots))
    monitor_every = monitor_every or max(1, config.steps // 10)
    samples_per_step = getattr(model, "samples_per_step", config.batch_size)
    average = _Average(run.averaged, model, config.average_decay)
    started = time.perf_counter() - run.seconds
    bar = tqdm(total=config.steps, initial=run.steps, disable=not progress, leave=False)
    pending: list[dict[str, Tensor]] = []
    good = full_state(run)
    if run.steps == 0:
        _look(run, moments, monitor, monitor_every)
    model.train()
    try:
        while run.steps < config.steps:
            batch = data.batch(samples_per_step)
            if batch.x.dim() == 4:
                batch = batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))
            with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bfloat16"):
                losses = model.step(batch)
            pending.append({name: value.detach() for name, value in losses.items()})  # no graphs
            run.steps += 1
            average.update(run.steps)
            if run.steps % CHECK_EVERY == 0 or run.steps == config.steps:
                bar.set_postfix(_file(run, pending, good))
                bar.update(run.steps - bar.n)
                good = full_state(run)
            _look(run, moments, monitor, monitor_every)
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
    """Exponentially averaged weights and buffers; the average is short while the run is young."""

    def __init__(self, averaged: nn.Module, model: nn.Module, decay: float):
        pairs = zip(averaged.state_dict().values(), model.state_dict().values(), strict=True)
        pairs = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        self.means = [mean for mean, _ in pairs]
        self.values = [value for _, value in pairs]
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, step / (step + 10))
        get_ema_multi_avg_fn(decay)(self.means, self.values, None)


def _look(
    run: Run,
    moments: set[int],
    monitor: Callable[[Run], dict[str, float]] | None,
    monitor_every: int,
) -> None:
    """Snapshot and monitor, where due, without touching the random numbers of the training."""
    with own_randomness(torch.device(run.device)):
        if run.steps in moments:
            frame = to_bytes(run.averaged.sample(**run.fixed_inputs)).cpu()[None]
            run.snapshots = frame if run.snapshots is None else torch.cat([run.snapshots, frame])
            run.snapshot_steps.append(run.steps)
        if monitor and run.steps and (run.steps % monitor_every == 0 or run.finished):
            for name, value in {"step": run.steps, **monitor(run)}.items():
                run.monitored.setdefault(name, []).append(value)


def _file(run: Run, pending: list[dict[str, Tensor]], good: dict[str, Any]) -> dict[str, float]:
    """Move pending losses into the history; return the latest ones; raise if one is not finite."""
    if not pending:
        return {}
    table = {
        name: torch.stack([losses[name].float() for losses in pending]).cpu().numpy()
        for name in pending[0]
    }
    first = run.steps - len(pending) + 1
    pending.clear()
    bad = {name: np.flatnonzero(~np.isfinite(values)) for name, values in table.items()}
    culprit = next((name for name, where in bad.items() if where.size), None)
    if culprit is None and not _weights_are_finite(run.model):
        culprit = "a weight"
    if culprit is not None:
        where = first + int(bad[culprit][0]) if culprit in bad else run.steps
        restore(run, good)
        raise DivergedError(
            f"Training diverged: at step {where:,} {culprit} was no longer finite. The state after "
            f"step {run.steps:,} is kept in the `run` of this error. A smaller learning_rate, or "
            "another seed, is the first thing to try.",
            run,
        )
    for name, values in table.items():
        run.history[name] = np.concatenate([run.history.get(name, np.empty(0, np.float32)), values])
    return {name: float(values[-1]) for name, values in table.items()}


def _weights_are_finite(model: nn.Module) -> bool:
    return bool(torch.stack([p.isfinite().all() for p in model.parameters()]).all())
