"""What fills a hole best, and what best means: weights of the game, kinds of holes, photographs.

How each run is made and measured. `scripts/restoration_results.py` makes all of them, and writes
`gan_lessons/results/restoration.json` and a sheet of pictures.
"""

import statistics
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gan_lessons import results
from gan_lessons.comparisons.photographs import SHOWN, SIDE, read_sheet
from gan_lessons.data import TensorData, facades
from gan_lessons.data.masks import MASKS, composite, mean_colour
from gan_lessons.data.two_valued import two_valued
from gan_lessons.evaluation.probes import measure_features
from gan_lessons.evaluation.restorations import (
    baselines_restored,
    holes,
    measure_restored,
    nearest_context,
    restore,
)
from gan_lessons.metrics.holes import hole_mean
from gan_lessons.restoration import context_encoder
from gan_lessons.training import Run, budget, preset

SEEDS = (0, 1, 2)
Numbers = dict[str, float]

# --- how much game? ----------------------------------------------------------------------------

# Shares of the game in the loss, lambda; the second is the paper's.
WEIGHTS = {"L2 alone": 0.0, "game 0.001": 0.001, "game 0.01": 0.01, "game 0.1": 0.1}
RATES = (1e-3, 2e-3, 4e-3)  # tried for every weight, in short runs with the first seed
SWEEP_STEPS = 500
# The rate with the highest PSNR in the sweep; a test compares them with the stored runs.
RATE = {"L2 alone": 4e-3, "game 0.001": 4e-3, "game 0.01": 1e-3, "game 0.1": 4e-3}


def config(name: str, rate: float | None = None, steps: int | None = None) -> Any:
    """The preset of the session's budget with one of `WEIGHTS`; the rate is `RATE`'s if None."""
    chosen = preset(None, context_encoder.PRESETS)
    return replace(
        chosen,
        adversarial_weight=WEIGHTS[name],
        learning_rate=RATE[name] if rate is None else rate,
        steps=chosen.steps if steps is None else min(steps, chosen.steps),
    )


def play(config: Any, data: TensorData, seed: int = 0) -> Run:
    """Train a Context Encoder, with nothing to look at on the way."""
    return context_encoder.train(config, data, seed=seed, progress=False, snapshots=0)


def measure(run: Run, train: TensorData, test: TensorData) -> dict[str, Any]:
    """How digits with holes of every kind are filled, and what the encoder has learned."""
    numbers = {kind: measure_restored(run, test, kind=kind) for kind in MASKS}
    return {"numbers": numbers, "features": measure_features(run, train, test)}


def config_of_kind(kind: str) -> Any:
    """The paper's weights with another kind of holes in the training."""
    return replace(config("game 0.001"), masks=kind)


# --- a hole with two values --------------------------------------------------------------------

VALUE = 0.5  # the square is this or its negative
SHARES = (0.0, 0.001, 0.01, 0.03, 0.1)  # of the game


def squares(split: str) -> TensorData:
    """Pictures whose context says nothing about the hole."""
    return two_valued(5000 if split == "train" else 500, VALUE, split=split)


def config_of_squares(share: float) -> Any:
    """A small network, and a short game under the smoke budget."""
    steps = 10 if budget() == "smoke" else 400
    return context_encoder.Config(width=12, adversarial_weight=share, steps=steps)


def measure_squares(run: Run, test: TensorData) -> Numbers:
    """Where the fillings lie between grey and the two values, and how many of them are light.

    "off grey" is E |v| over hidden pixels, by the value: 0 for grey, 1 for one of the two. "error"
    is E (v - x)^2 by its square: 1 for grey, 2 for one of the two.
    """
    x, m = holes(test, len(test))
    filled = restore(run, x, m)
    means = ((1 - m) * filled).sum((1, 2, 3))
    return {
        "off grey": hole_mean(filled.abs(), m).item() / VALUE,
        "light": (means > 0).double().mean().item(),
        "error": hole_mean((filled - x).square(), m).item() / VALUE**2,
    }


# --- photographs -------------------------------------------------------------------------------

SHEET = "facade_holes"
ON_PHOTOGRAPHS = {"L2 alone": 0.0, "game 0.001": 0.001, "game 0.01": 0.01}
LOADED, STEP = 72, 4  # the side of the pictures that are cropped, and the distance of the crops
PHOTOGRAPHS = context_encoder.Config(
    shape=(3, SIDE, SIDE), width=24, learning_rate=1e-3, batch_size=16, steps=2400
)


def houses(split: str) -> TensorData:
    """Photographs of facades, (3, 64, 64); for training nine crops of each, and their mirrors."""
    if split == "test":
        return facades("test", SIDE).targets
    data = facades("train", LOADED).targets
    starts = range(0, LOADED - SIDE + 1, STEP)
    crops = [data.values[:, :, i : i + SIDE, j : j + SIDE] for i in starts for j in starts]
    values = torch.cat([*crops, *(crop.flip(-1) for crop in crops)])
    return TensorData(values.contiguous(), None, f"{len(values):,} crops of: {data.name}")


def look_at_houses(
    runs: dict[str, Run], train: TensorData, test: TensorData
) -> tuple[dict[str, Tensor], dict[str, Numbers]]:
    """Rows of a sheet, and the numbers of all runs beside what needs no training."""
    n = len(test)
    rows = baselines_restored(train, test, n=n)
    rows |= {name: measure_restored(run, test, n=n) for name, run in runs.items()}
    x, m = holes(test.subset(torch.arange(SHOWN) * n // SHOWN), SHOWN)
    colour = torch.tensor(mean_colour(train))[:, None, None]
    near = train.floats(nearest_context(x, m, train))
    pictures = {"with a hole": composite(x, colour, m), "nearest neighbour": composite(x, near, m)}
    pictures |= {name: restore(run, x, m) for name, run in runs.items()}
    return pictures | {"truth": x}, rows


def photographs() -> dict[str, Any]:
    """The stored runs on photographs: "settings", "data", "seconds", "numbers", "kinds"."""
    (row,) = results.load("restoration")["photographs"]
    return row


def pictures() -> dict[str, Tensor]:
    """What the runs on photographs made of held-out ones: bytes (n, 3, H, W) of each kind."""
    return read_sheet(f"{SHEET}.webp", photographs()["kinds"])


# --- stored numbers ----------------------------------------------------------------------------


def stored(table: str, name: str, *keys: str) -> list[float]:
    """A number of all runs of one name, in the order of their seeds; `keys` lead to it.

    An unknown name raises `ValueError`.
    """
    rows = [row for row in results.load("restoration")[table] if row["name"] == name]
    if not rows:
        raise ValueError(f"There are no runs {name!r} in {table!r}.")
    found = sorted(rows, key=lambda row: row["seed"])
    for key in keys:
        found = [row[key] for row in found]
    return found


def baselines(kind: str = "centre") -> dict[str, Numbers]:
    """The stored numbers of what needs no training, for digits with holes of a kind."""
    (row,) = (r for r in results.load("restoration")["baselines"] if r["name"] == kind)
    return row["numbers"]


def gain(name: str, over: str) -> float:
    """By how many dB the worst seed of a weight is above a baseline, for the hole in the centre."""
    return min(stored("weights", name, "numbers", "centre", "PSNR")) - baselines()[over]["PSNR"]


def mean(table: str, name: str, *keys: str) -> float:
    """The mean over the seeds of a stored number."""
    return statistics.mean(stored(table, name, *keys))
