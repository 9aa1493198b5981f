"""What happens beside a training: snapshots, the reader's monitor, checkpoints."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gan_lessons.arguments import as_path, whole
from gan_lessons.checks import plain_number
from gan_lessons.data import to_bytes
from gan_lessons.devices import own_randomness
from gan_lessons.errors import MonitorError
from gan_lessons.messages import shown
from gan_lessons.runs import Run

MOMENTS = 24  # snapshots of a run, and how often its whole state is kept for a divergence


@dataclasses.dataclass(frozen=True)
class Looks:
    """What happens beside the training, without touching its random numbers."""

    progress: bool = True  # a bar
    snapshots: int = MOMENTS  # samples from the fixed noise, closer together at the start
    monitor: Callable[[Run], dict[str, float]] | None = None  # its numbers go to run.monitored
    monitor_every: int | None = None  # steps; by default a tenth of the run
    checkpoint: str | Path | None = None  # a folder that the run is saved to while it trains
    every: int | None = None  # steps between two checkpoints; by default a tenth of the run

    @classmethod
    def checked(cls, **options: Any) -> "Looks":
        """Looks from keyword arguments; a wrong one raises `TypeError` or `ValueError`."""
        names = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(options) - set(names)):
            raise TypeError(
                f"There is no option {', '.join(unknown)}; besides seed, device and precision "
                f"there are {', '.join(names)}."
            )
        looks = cls(**options)
        for name, least in {"snapshots": 0, "monitor_every": 1, "every": 1}.items():
            value = getattr(looks, name)
            if value is None and name != "snapshots":
                continue
            whole(name, value, least)
        if not isinstance(looks.progress, bool):
            raise TypeError(f"progress must be True or False, not {looks.progress!r}.")
        if looks.checkpoint is not None:
            as_path("checkpoint", looks.checkpoint)
        if looks.monitor is not None and not callable(looks.monitor):
            raise TypeError("monitor must be a function of the run that returns numbers by name.")
        return looks


@cache  # the loop asks in every step
def moments(steps: int, count: int) -> frozenset[int]:
    """`count` steps from 0 to `steps`, closer together at the start, where more changes."""
    if count == 0:
        return frozenset()
    return frozenset(
        {round(steps * (i / max(1, count - 1)) ** 1.7) for i in range(count)} | {steps}
    )


def look(run: Run, looks: Looks, stand: Callable[[], None]) -> None:
    """Snapshot, monitor and checkpoint, where due, each of them once."""
    tenth = max(1, run.config.steps // 10)
    shown = moments(run.config.steps, looks.snapshots)
    if run.steps in shown and run.steps not in run.snapshot_steps:
        with own_randomness(torch.device(run.device)):
            frame = to_bytes(run.averaged.sample(**run.fixed_inputs)).cpu()[None]
        run.snapshots = frame if run.snapshots is None else torch.cat([run.snapshots, frame])
        run.snapshot_steps.append(run.steps)
    due = run.steps and (run.steps % (looks.monitor_every or tenth) == 0 or run.finished)
    if looks.monitor and due and run.steps not in run.monitored.get("step", []):
        stand()
        with own_randomness(torch.device(run.device)):
            _monitor(run, looks.monitor)
    if looks.checkpoint is not None and run.steps and run.steps % (looks.every or tenth) == 0:
        stand()
        run.save(looks.checkpoint)


def _monitor(run: Run, monitor: Callable[[Run], dict[str, float]]) -> None:
    """Call the reader's function; what it returns is kept, and so is the run where it fails."""
    try:
        found = monitor(run)
        if not isinstance(found, Mapping):
            raise TypeError(f"monitor must return numbers by name, not {shown(found)}")
        numbers = {name: plain_number(name, value) for name, value in found.items()}
    except Exception as error:
        raise MonitorError(
            f"monitor failed at step {run.steps:,}: {type(error).__name__}: {error}. The run is in "
            "the `run` of this error, and resume(error.run, data, monitor=…) goes on from here.",
            run,
        ) from error
    for name, value in {"step": run.steps, **numbers}.items():
        run.monitored.setdefault(name, []).append(value)
