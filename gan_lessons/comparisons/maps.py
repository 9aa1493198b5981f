"""*The* map, *a* map or *many*: all translators of the part on the same two tasks.

Digits in two colours have one right answer for each input, digits in hues have four. Who is told
which pairs belong together, who two piles of pictures only, and what do they make of it? What is
compared, and how one run is made and measured; `scripts/maps_results.py` makes all runs, and writes
`gan_lessons/results/maps.json`, which holds the numbers and some pictures.
"""

import base64
import io
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from torch import Tensor

from gan_lessons.comparisons.photographs import SHOWN, cut_sheet, sheet
from gan_lessons.comparisons.sweeps import seconds_in_turns
from gan_lessons.data import (
    Adaptation,
    Pairs,
    TwoDomains,
    digits_in_two_colours,
    halves,
    to_grey,
    to_second,
)
from gan_lessons.data.hues import digits_in_hues
from gan_lessons.data.made import redrawn
from gan_lessons.evaluation import variety
from gan_lessons.evaluation.translations import Numbers, translate
from gan_lessons.metrics import conditional_accuracy
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation import bicyclegan, cyclegan, discogan, dualgan, pix2pix, pixelda

SEEDS = (0, 1, 2)
UPDATES = 300  # of the translators
TASKS = ("one answer", "four answers")
SHOWN_OF = {  # what is measured of each task
    "one answer": ("L1", "kept"),
    "four answers": ("hues hit", "diversity", "error", "distance"),
}


@dataclass(frozen=True)
class Entry:
    """A translator, and what it is told."""

    module: ModuleType
    model: type
    told: str
    rate: float  # of all its players


PAIRS, PILES, LABELS = "pairs", "two piles", "two piles, labels of one"
Sets = dict[str, Any]  # what a task is, for each that a translator may be told
ENTRIES = {
    "pix2pix": Entry(pix2pix, pix2pix.Pix2Pix, PAIRS, 5e-4),
    "BicycleGAN": Entry(bicyclegan, bicyclegan.BicycleGAN, PAIRS, 2e-3),
    "CycleGAN": Entry(cyclegan, cyclegan.CycleGAN, PILES, 2e-4),
    "DiscoGAN": Entry(discogan, discogan.DiscoGAN, PILES, 5e-4),
    "DualGAN": Entry(dualgan, dualgan.DualGAN, PILES, 1e-3),
    "PixelDA": Entry(pixelda, pixelda.PixelDA, LABELS, 2e-3),
}


def data(task: str, split: str) -> Sets:
    """The pairs of a task, and digits as two piles that share none, without and with labels."""
    if task == "one answer":
        piles = digits_in_two_colours(split)
        pairs = Pairs(piles.first, redrawn(piles.first, to_second, "recoloured"))
    else:
        pairs = digits_in_hues(split)
        (first, _), (_, second) = halves(pairs.inputs), halves(pairs.targets)
        piles = TwoDomains(first, second)
    return {PAIRS: pairs, PILES: piles, LABELS: Adaptation(piles.first, piles.second)}


def config(name: str) -> Any:
    """The preset of the session's budget with the common number of updates."""
    entry = ENTRIES[name]
    chosen = preset(None, entry.module.PRESETS)
    updates = min(UPDATES, chosen.steps)
    return replace(chosen, steps=updates, learning_rate=entry.rate)


def play(name: str, config: Any, sets: Sets, seed: int = 0) -> Run:
    """Train one of `ENTRIES` on what it is told of the data of a task."""
    entry = ENTRIES[name]
    return fit(entry.model, config, sets[entry.told], seed=seed, progress=False, snapshots=0)


def measure(run: Run, task: str, test: Sets) -> Numbers:
    """`SHOWN_OF` the task, on held-out digits."""
    x = test[PAIRS].inputs.floats(slice(1_000 if task == "one answer" else 50))
    if task == "one answer":
        return against_the_map(translate(run, x), test)
    return _shown(variety.measure_hues(run, x))


def baselines(task: str, train: Sets, test: Sets) -> dict[str, Numbers]:
    """What `measure` finds for translations that need no training."""
    if task == "four answers":
        rows = variety.baselines_of_hues(test[PAIRS].inputs.floats(slice(50)))
        return {name: _shown(row) for name, row in rows.items()}
    x, y = (part.floats(slice(1_000)).cpu() for part in (test[PAIRS].inputs, test[PAIRS].targets))
    mean = train[PAIRS].targets.floats(slice(5_000)).mean(0).cpu().expand_as(y)
    fakes = {"copy of the input": x, "mean image": mean, "true map": y}
    return {name: against_the_map(fake, test) for name, fake in fakes.items()}


def against_the_map(fake: Tensor, test: Sets) -> Numbers:
    """How far pictures are from the true ones, and the share of digits that are still read."""
    pairs = test[PAIRS]
    truth, labels = pairs.targets.floats(slice(len(fake))).cpu(), pairs.inputs.labels[: len(fake)]
    kept = conditional_accuracy(to_grey(fake, "second"), labels)
    return {"L1": (fake - truth).abs().mean().item(), "kept": kept}


def _shown(found: Numbers) -> Numbers:
    return {key: found[key] for key in SHOWN_OF["four answers"]}


def shown(task: str, test: Sets) -> dict[str, Tensor]:
    """The `SHOWN` inputs of the pictures, and what is right for them.

    Where four answers are right, the input is one digit all along, and the truth all its answers.
    """
    x = test[PAIRS].inputs.floats(slice(SHOWN)).cpu()
    if task == "one answer":
        return {"input": x, "truth": test[PAIRS].targets.floats(slice(SHOWN)).cpu()}
    answers = variety.right_answers(x[:1])[0]
    return {"input": x[:1].expand_as(x), "truth": answers.repeat(SHOWN // len(answers), 1, 1, 1)}


def strip(images: Tensor) -> str:
    """Images beside each other as one WebP picture, in letters, so that JSON can hold it."""
    buffer = io.BytesIO()
    sheet({"": images}).save(buffer, "WEBP", quality=90, method=6)
    return base64.b64encode(buffer.getvalue()).decode()


def images_of(strip: str) -> Tensor:
    """What `strip` has put away: `SHOWN` images, bytes (n, 3, H, W)."""
    return cut_sheet(io.BytesIO(base64.b64decode(strip)), [""])[""]


def numbers(tables: dict[str, Any], task: str, name: str) -> list[Numbers]:
    """The stored numbers of a translator on a task, in the order of the seeds."""
    found = [row for row in tables[task] if row["name"] == name]
    return [row["numbers"] for row in sorted(found, key=lambda row: row["seed"])]


def pictures(tables: dict[str, Any], task: str) -> dict[str, Tensor]:
    """The stored pictures of a task: the input, what each translator makes of it, the truth."""
    strips = {
        row["what"]: row["strip"]
        for row in tables["baselines"]
        if row["name"] == task and "strip" in row
    }
    made = {row["name"]: row["strip"] for row in tables[task] if "strip" in row}
    rows = {"input": strips["input"]} | {name: made[name] for name in ENTRIES}
    return {name: images_of(row) for name, row in (rows | {"truth": strips["truth"]}).items()}


def step_seconds(sets: Sets) -> dict[str, float]:
    """The median seconds of one step of each translator, measured in turns."""
    players = {name: (entry.model, config(name)) for name, entry in ENTRIES.items()}
    return seconds_in_turns(players, {n: sets[e.told] for n, e in ENTRIES.items()}, rounds=7)
