"""Translators without pairs, side by side: the same digits, the same updates, a rate for each.

What is compared, and how one run is made and measured. `scripts/cycles_results.py` makes all runs
and writes `gan_lessons/results/cycles.json`.
"""

import statistics
import time
from dataclasses import replace
from types import ModuleType
from typing import Any

from gan_lessons.data import TwoDomains
from gan_lessons.devices import own_randomness, pick_device
from gan_lessons.evaluation.translations import measure_with_map
from gan_lessons.runs import build
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation import cyclegan, discogan, dualgan

ENTRIES: dict[str, tuple[ModuleType, str]] = {
    "CycleGAN": (cyclegan, "CycleGAN"),
    "DiscoGAN": (discogan, "DiscoGAN"),
    "DualGAN": (dualgan, "DualGAN"),
    "DualGAN, penalty": (dualgan, "DualGANGP"),
}
RATES = (2e-4, 5e-4, 1e-3, 2e-3)  # tried for every model
SWEEP = (0,)  # the seeds that choose a rate
SEEDS = (1, 2)  # fresh ones, that compare the models, each at its rate
UPDATES = 300  # of both translators
SHOWN = ("L1", "kept", "cycle error")  # means of both directions
# The rate with the least L1 in the sweep; a test compares them with the stored runs.
RATE = {"CycleGAN": 2e-4, "DiscoGAN": 5e-4, "DualGAN": 1e-3, "DualGAN, penalty": 2e-3}


def config(name: str, rate: float | None = None) -> Any:
    """The preset of the session's budget with the common number of updates.

    `rate` is the learning rate of all players, the best of the sweep if None.
    """
    module, _ = ENTRIES[name]
    chosen = preset(None, module.PRESETS)
    updates = min(UPDATES, chosen.steps)
    return replace(chosen, steps=updates, learning_rate=RATE[name] if rate is None else rate)


def play(name: str, config: Any, data: TwoDomains, seed: int = 0) -> Run:
    """Train one of `ENTRIES` on two domains."""
    module, cls = ENTRIES[name]
    return fit(getattr(module, cls), config, data, seed=seed, progress=False, snapshots=0)


def measure(run: Run, test: TwoDomains) -> dict[str, float]:
    """`SHOWN` on held-out digits in two colours: the means over both directions."""
    found = measure_with_map(run, test)
    means = {key: (found[f"{key}, G"] + found[f"{key}, F"]) / 2 for key in ("L1", "kept")}
    return means | {"cycle error": found["cycle error"]}


def rows(tables: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The stored runs of a model at its best rate, that of `SWEEP` first."""
    found = [
        row
        for row in tables["sweep"] + tables["games"]
        if (row["name"], row["settings"]["learning_rate"]) == (name, RATE[name])
    ]
    return sorted(found, key=lambda row: row["seed"])


def step_seconds(data: TwoDomains, rounds: int = 7) -> dict[str, float]:
    """The median seconds of one step of each model, measured in turns: once round, then again.

    In turns, so that what else the machine does hits all models alike.
    """
    device = pick_device()
    data = data.to(device)
    times: dict[str, list[float]] = {name: [] for name in ENTRIES}
    with own_randomness(device, 0):
        models = {}
        for name, (module, cls) in ENTRIES.items():
            shaped = replace(config(name), shape=data.shape)
            models[name] = build(getattr(module, cls), shaped, device)
        for _ in range(rounds + 1):
            for name, model in models.items():
                batch = data.batch(model.samples_per_step)
                started = time.perf_counter()
                losses = model.step(batch)
                [float(value) for value in losses.values()]  # waits for the device
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[1:]) for name, values in times.items()}
