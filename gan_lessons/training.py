"""The training loop, and at one place what a run starts with: budget, preset, device.

The loop knows nothing about any variant: what it asks of one is in `gan_lessons.model`.
"""

import dataclasses
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gan_lessons.budgets import BUDGETS, budget, preset
from gan_lessons.checks import check_data, checked_config, checked_seed
from gan_lessons.devices import own_randomness, pick_device, random_state, set_random_state
from gan_lessons.errors import DivergedError, MonitorError
from gan_lessons.files import make_folder
from gan_lessons.looks import MOMENTS, Looks, look, moments
from gan_lessons.messages import shown
from gan_lessons.model import Model
from gan_lessons.runs import (
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
    "Looks",
    "MonitorError",
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


def fit(
    model_class: type[Model],
    config: Any,
    data: Any,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    precision: str = "float32",
    **looks: Any,
) -> Run:
    """Train `model_class(config)` on `data` for `config.steps` steps.

    - `precision`: "float32", or "bfloat16" for autocast of the forward passes. GPUs older than
      NVIDIA's Ampere, such as Colab's T4, have no bfloat16 and get slower by it.
    - `looks`: `progress=True` for a bar, and the other settings of `Looks`, such as `monitor=…` and
      `checkpoint="runs/mine"`.

    Stopping it from the keyboard returns the run so far; `resume` goes on from there. A loss that
    is no longer finite raises `DivergedError`, a monitor that fails `MonitorError`; both hold the
    last good state in `run`. Bad arguments raise `ValueError` or `TypeError` before anything is
    trained. The caller's random numbers are left alone.
    """
    config, seed, looks = checked_config(config), checked_seed(seed), Looks.checked(**looks)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    check_data(model_class, config, data)
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
        _train(run, data, looks)
    return run


def resume(run: Run, data: Any, steps: int | None = None, **looks: Any) -> Run:
    """Train an interrupted, diverged or loaded run on, in place, until `steps` are done in all.

    `looks` are those of `fit`. On the CPU the result of going on after a save, a checkpoint or a
    divergence is, to the last bit, that of an uninterrupted run; after a stop from the keyboard the
    step that was cut short is done again. A schedule over all steps, such as CycleGAN's learning
    rate, is stretched to the new number. Data of another shape or kind and a run that is already
    done raise an error, as in `fit`, and change nothing.
    """
    if not isinstance(run, Run):
        raise TypeError(f"run must be a Run, from train, fit or load_run, not {shown(run)}.")
    config = run.config if steps is None else dataclasses.replace(run.config, steps=steps)
    config, looks = checked_config(config), Looks.checked(**looks)
    check_data(type(run.model), config, data)
    if tuple(data.shape) != tuple(config.shape):
        raise ValueError(f"The run was trained on shape {config.shape}, not {data.shape}.")
    if run.steps >= config.steps:
        raise ValueError(f"The run has done {run.steps} steps already; pass a larger steps=….")
    run.config = run.model.config = run.averaged.config = config
    run.data_name = data.name
    device = torch.device(run.device)
    with own_randomness(device):
        set_random_state(run.random_state, device)
        _train(run, data.to(device), looks)
    return run


def _train(run: Run, data: Any, looks: Looks) -> None:
    """The loop itself: fetch, step, average, look."""
    model, config = run.model, run.config
    if looks.checkpoint is not None:
        make_folder(looks.checkpoint)  # now, not after an hour of training
    device = torch.device(run.device)
    kept = moments(config.steps, MOMENTS)
    average = _Average(run.averaged, model, config.average_decay)
    started = time.perf_counter() - run.seconds
    bar = tqdm(total=config.steps, initial=run.steps, disable=not looks.progress, leave=False)
    pending: list[dict[str, Tensor]] = []
    good = full_state(run)

    def stand() -> None:
        """Bring the run up to date, as it is seen from outside."""
        bar.set_postfix(_file(run, pending, good))
        bar.update(run.steps - bar.n)
        run.seconds, run.random_state = time.perf_counter() - started, random_state(device)

    model.train()
    try:
        look(run, looks, stand)
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
                stand()
            if run.steps in kept:
                good = full_state(run)
            look(run, looks, stand)
    except KeyboardInterrupt:
        stand()
        print(f"Stopped at step {run.steps:,} of {config.steps:,}. resume() goes on from here.")
    except DivergedError:
        run.seconds = time.perf_counter() - started
        raise  # with the random numbers of the last good state, not those of now
    finally:
        bar.close()
    if looks.checkpoint is not None:
        run.save(looks.checkpoint)


class _Average:
    """Exponentially averaged weights and statistics; the average is short while the run is young.

    Only of what samples come from: what else a model remembers, such as past fakes or a
    controller, has one value, the present one.
    """

    def __init__(self, averaged: nn.Module, model: nn.Module, decay: float):
        both = [
            [getattr(m, name).state_dict() for name in model.sampled] for m in (averaged, model)
        ]
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
