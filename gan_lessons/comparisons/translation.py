"""The runs that the chapters of this part have no time for: three seeds, and real photographs.

How each is trained and measured. `scripts/translation_results.py` makes all of them, and writes
`gan_lessons/results/translation.json` and a sheet of pictures for each set of photographs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from gan_lessons import metrics, results
from gan_lessons.data import (
    Pairs,
    TensorData,
    TwoDomains,
    apple2orange,
    digits_in_two_colours,
    facades,
    toy_facades,
)
from gan_lessons.evaluation.translations import (
    baselines_with_map,
    baselines_with_targets,
    measure_with_map,
    measure_with_targets,
    round_trips,
    translate,
)
from gan_lessons.figures import to_uint8
from gan_lessons.page import spread
from gan_lessons.training import Run, preset
from gan_lessons.translation import cyclegan, pix2pix

SEEDS = (0, 1, 2)
Pictures = dict[str, Tensor]  # images (n, 3, H, W) of each kind
Rows = dict[str, dict[str, float]]  # the rows of a table


def _houses(split: str) -> Pairs:
    return toy_facades(5000 if split == "train" else 1000, split=split)


@dataclass(frozen=True)
class Comparison:
    """Variants of one model, by the settings in which they differ from the preset."""

    module: ModuleType
    data: Callable[[str], Pairs | TwoDomains]  # of the split "train" or "test"
    variants: dict[str, dict[str, Any]]
    measure: Callable[[Run, Any], dict[str, float]]  # a run, at test data
    baselines: Callable[[Any, Any], Rows]  # what needs no training, at training and test data


COMPARISONS = {
    "pix2pix": Comparison(
        pix2pix,
        _houses,
        {
            "L1 and adversarial": {},
            "L1 alone": {"adversarial_weight": 0.0},
            "adversarial alone": {"l1_weight": 0.0},
        },
        measure_with_targets,
        baselines_with_targets,
    ),
    "cyclegan": Comparison(
        cyclegan,
        digits_in_two_colours,
        {"with the cycle": {}, "without": {"cycle_weight": 0.0}},
        measure_with_map,
        baselines_with_map,
    ),
}


def config(chapter: str, variant: str) -> Any:
    """The settings of a variant: those of the session's budget, and what is special about it."""
    comparison = COMPARISONS[chapter]
    return replace(preset(None, comparison.module.PRESETS), **comparison.variants[variant])


def table(chapter: str, columns: Sequence[str] | None = None) -> metrics.Table:
    """All variants of a chapter: means over the seeds, with the least and the greatest value.

    The rows above them need no training. `columns` chooses numbers, by default all. An unknown
    chapter or column raises `ValueError`.
    """
    rows = dict(baselines(chapter))
    found = {name: numbers(chapter, name) for name in COMPARISONS[chapter].variants}
    known = list(next(iter(found.values())))
    columns = known if columns is None else columns
    if strange := [name for name in columns if name not in known]:
        raise ValueError(f"There is no column {strange[0]!r}: choose from {', '.join(known)}.")
    texts = {
        what: {name: f"{row[name]:.2f}" for name in columns if name in row}
        for what, row in rows.items()
    }
    texts |= {what: {name: spread(row[name]) for name in columns} for what, row in found.items()}
    return metrics.table(texts)


def baselines(chapter: str) -> Rows:
    """The stored numbers of what needs no training; an unknown chapter raises `ValueError`."""
    _check(chapter)
    stored = results.load("translation")["baselines"]
    return {row["what"]: row["numbers"] for row in stored if row["name"] == chapter}


def numbers(chapter: str, variant: str) -> dict[str, list[float]]:
    """The stored numbers of a variant, each with one value for each seed, in order of the seeds.

    An unknown chapter or variant raises `ValueError`.
    """
    _check(chapter)
    found = [row for row in results.load("translation")[chapter] if row["name"] == variant]
    if not found:
        names = ", ".join(COMPARISONS[chapter].variants)
        raise ValueError(f"There are no runs {variant!r}: choose from {names}.")
    found.sort(key=lambda row: row["seed"])
    return {key: [row["numbers"][key] for row in found] for key in found[0]["numbers"]}


def _check(chapter: str) -> None:
    if chapter not in COMPARISONS:
        raise ValueError(f"There are no runs for {chapter!r}: choose {' or '.join(COMPARISONS)}.")


# --- photographs -------------------------------------------------------------------------------

SHOWN = 8  # held-out pictures on the sheet
NOISES = (0.005, 0.02, 0.1)  # added between the two ways of a round trip
SIDE, LOADED = 64, 72  # a side of the pictures, and how large those are from which it is cropped


def _facades(split: str) -> Pairs:
    if split == "test":
        return facades("test", SIDE)
    return facades("train", LOADED).augmented(flip=True, crop=SIDE)


def _fruit(split: str) -> TwoDomains:
    if split == "test":
        return apple2orange("test", SIDE)
    return apple2orange("train", LOADED).augmented(flip=True, crop=SIDE)


FACADES = pix2pix.Config(
    shape=(3, SIDE, SIDE),
    width=32,
    halvings=2,
    learning_rate=3e-4,
    betas=(0.5, 0.999),
    batch_size=4,
    steps=12_000,
    average_decay=0.999,
)
FRUIT = cyclegan.Config(
    shape=(3, SIDE, SIDE),
    width=20,
    halvings=2,
    blocks=3,
    discriminator_width=24,
    discriminator_halvings=2,
    identity_weight=5.0,
    learning_rate=5e-4,
    batch_size=2,
    steps=2800,
    average_decay=0.995,
)


@dataclass(frozen=True)
class Photographs:
    """A set of real pictures, and one run on them."""

    module: ModuleType
    data: Callable[[str], Pairs | TwoDomains]  # of the split "train" or "test"
    config: Any
    look: Callable[[Run, Any, Any], tuple[Pictures, Rows]]  # at training and test data


def _look_at_facades(run: Run, train: Pairs, test: Pairs) -> tuple[Pictures, Rows]:
    shown = torch.arange(SHOWN) * len(test) // SHOWN
    x, y = test.inputs.floats(shown).cpu(), test.targets.floats(shown).cpu()
    pictures = {"input": x, "output": translate(run, x), "truth": y}
    whole = Pairs(_shrunk(train.inputs), _shrunk(train.targets))
    rows = baselines_with_targets(whole, test) | {"pix2pix": measure_with_targets(run, test)}
    return pictures, rows


def _shrunk(data: TensorData) -> TensorData:
    """The whole pictures, as small as what is cropped from them."""
    small = interpolate(data.values.float(), SIDE, mode="bilinear", antialias=True)
    return replace(data, values=small.round().clamp(0, 255).to(torch.uint8))


def _look_at_fruit(run: Run, train: TwoDomains, test: TwoDomains) -> tuple[Pictures, Rows]:
    x, y = test.first.floats().cpu(), test.second.floats().cpu()
    as_y, as_x = translate(run, x), translate(run, y, back=True)
    pictures = {
        "apple": x,
        "as an orange": as_y,
        "and back": translate(run, as_y, back=True),
        "orange": y,
        "as an apple": as_x,
        "and back again": translate(run, as_x),
    }
    shown = torch.arange(SHOWN) * len(test) // SHOWN
    pictures = {name: images[shown] for name, images in pictures.items()}
    noises = {f"noise {noise}": round_trips(run, x, y, noise) for noise in NOISES}
    return pictures, noises


PHOTOGRAPHS = {
    "facades": Photographs(pix2pix, _facades, FACADES, _look_at_facades),
    "apple2orange": Photographs(cyclegan, _fruit, FRUIT, _look_at_fruit),
    "apple2orange_without_identity": Photographs(
        *(cyclegan, _fruit, replace(FRUIT, identity_weight=0.0), _look_at_fruit)
    ),
}


def sheet(pictures: dict[str, Tensor]) -> Image.Image:
    """One row for each kind, pictures beside each other without gaps; undone by `pictures`."""
    rows = [np.concatenate(list(to_uint8(images)), axis=1) for images in pictures.values()]
    return Image.fromarray(np.concatenate(rows))


def pictures(name: str) -> dict[str, Tensor]:
    """What the run on photographs `name` made of held-out ones: bytes (n, 3, H, W) of each kind.

    An unknown name raises `ValueError`.
    """
    row = photographs(name)
    with Image.open(str(files(results) / f"{name}.webp")) as stored:
        pixels = torch.from_numpy(np.array(stored.convert("RGB")))
    rows = pixels.chunk(len(row["kinds"]))
    return {
        kind: torch.stack(line.chunk(SHOWN, dim=1)).permute(0, 3, 1, 2)
        for kind, line in zip(row["kinds"], rows, strict=True)
    }


def photographs(name: str) -> dict[str, Any]:
    """The stored run on photographs `name`: "settings", "data", "seconds", "numbers", "kinds".

    An unknown name raises `ValueError`.
    """
    rows = {row["name"]: row for row in results.load("translation")["photographs"]}
    if name not in rows:
        raise ValueError(f"There is no run on {name!r}: choose {' or '.join(rows)}.")
    return rows[name]
