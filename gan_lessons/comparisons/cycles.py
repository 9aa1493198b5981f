"""Translators without pairs, side by side: the same digits, the same updates, a rate for each.

What is compared, and how one run is made and measured. `scripts/cycles_results.py` makes all runs
and writes `gan_lessons/results/cycles.json`.
"""

from dataclasses import replace
from types import ModuleType
from typing import Any

from gan_lessons.comparisons.sweeps import at_rate, seconds_in_turns
from gan_lessons.data import TwoDomains
from gan_lessons.evaluation.translations import measure_with_map
from gan_lessons.model import Model
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation import cyclegan, discogan, dualgan

ENTRIES: dict[str, tuple[ModuleType, type[Model]]] = {
    "CycleGAN": (cyclegan, cyclegan.CycleGAN),
    "DiscoGAN": (discogan, discogan.DiscoGAN),
    "DualGAN": (dualgan, dualgan.DualGAN),
    "DualGAN, penalty": (dualgan, dualgan.DualGANGP),
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
    _, model = ENTRIES[name]
    return fit(model, config, data, seed=seed, progress=False, snapshots=0)


def measure(run: Run, test: TwoDomains) -> dict[str, float]:
    """`SHOWN` on held-out digits in two colours: the means over both directions."""
    found = measure_with_map(run, test)
    means = {key: (found[f"{key}, G"] + found[f"{key}, F"]) / 2 for key in ("L1", "kept")}
    return means | {"cycle error": found["cycle error"]}


def rows(tables: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The stored runs of a model at its best rate, that of `SWEEP` first."""
    return at_rate(tables["sweep"] + tables["games"], name, RATE[name])


def step_seconds(data: TwoDomains, rounds: int = 7) -> dict[str, float]:
    """The median seconds of one step of each model, as `seconds_in_turns` measures them."""
    players = {name: (model, config(name)) for name, (_, model) in ENTRIES.items()}
    return seconds_in_turns(players, data, rounds)
