"""One run each on real photographs, for which a page has no time: facades, apples and oranges.

`scripts/translation_results.py` makes all of them, and writes their numbers to
`gan_lessons/results/translation.json`, and a sheet of pictures for each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from types import ModuleType
from typing import IO, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from gan_lessons import results
from gan_lessons.data import Pairs, TensorData, TwoDomains, apple2orange, facades
from gan_lessons.devices import own_randomness
from gan_lessons.evaluation.translations import (
    Numbers,
    baselines_with_targets,
    compare_with_targets,
    measure_with_targets,
    round_trips,
    translate,
)
from gan_lessons.evaluation.variety import paint
from gan_lessons.figures import to_uint8
from gan_lessons.training import Run
from gan_lessons.translation import bicyclegan, cyclegan, discogan, pix2pix

Pictures = dict[str, Tensor]  # images (n, 3, H, W) of each kind
Rows = dict[str, Numbers]  # the rows of a table
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
MANY = bicyclegan.Config(
    shape=(3, SIDE, SIDE),
    width=32,
    latent_dim=8,
    halvings=2,
    learning_rate=3e-4,
    betas=(0.5, 0.999),
    batch_size=2,
    steps=10_000,
    average_decay=0.999,
)
DISCOVERED = discogan.Config(
    shape=(3, SIDE, SIDE),
    width=32,
    learning_rate=5e-4,
    batch_size=8,
    steps=3_600,
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


def _look_at_many(run: Run, train: Pairs, test: Pairs) -> tuple[Pictures, Rows]:
    shown = torch.arange(SHOWN) * len(test) // SHOWN
    x, y = test.inputs.floats().cpu(), test.targets.floats().cpu()
    with own_randomness(torch.device("cpu"), 0):
        codes = torch.randn(4, run.config.latent_dim)
    painted = {f"code {k}": paint(run, x[shown], z) for k, z in enumerate(codes, start=1)}
    pictures = {"input": x[shown], **painted, "truth": y[shown]}
    read = run.averaged.encode(y.to(run.device)).cpu()
    numbers = {
        "BicycleGAN": measure_with_targets(run, test),
        "BicycleGAN, code of the truth": compare_with_targets(paint(run, x, read), x, y),
    }
    return pictures, numbers


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


SETS = {
    "facades": Photographs(pix2pix, _facades, FACADES, _look_at_facades),
    "facades_many": Photographs(bicyclegan, _facades, MANY, _look_at_many),
    "apple2orange": Photographs(cyclegan, _fruit, FRUIT, _look_at_fruit),
    "apple2orange_without_identity": Photographs(
        *(cyclegan, _fruit, replace(FRUIT, identity_weight=0.0), _look_at_fruit)
    ),
    "apple2orange_discogan": Photographs(discogan, _fruit, DISCOVERED, _look_at_fruit),
}


def sheet(pictures: dict[str, Tensor]) -> Image.Image:
    """One row for each kind, pictures beside each other without gaps; undone by `cut_sheet`."""
    rows = [np.concatenate(list(to_uint8(images)), axis=1) for images in pictures.values()]
    return Image.fromarray(np.concatenate(rows))


def pictures(name: str) -> dict[str, Tensor]:
    """What the run on photographs `name` made of held-out ones: bytes (n, 3, H, W) of each kind.

    An unknown name raises `ValueError`.
    """
    return read_sheet(f"{name}.webp", run_on(name)["kinds"])


def read_sheet(file: str, kinds: Sequence[str]) -> dict[str, Tensor]:
    """The rows of a `sheet` that is stored beside the results, as `cut_sheet` gives them."""
    return cut_sheet(str(files(results) / file), kinds)


def cut_sheet(file: str | IO[bytes], kinds: Sequence[str]) -> dict[str, Tensor]:
    """The rows of a `sheet`, `SHOWN` pictures of each kind: bytes (n, 3, H, W)."""
    with Image.open(file) as stored:
        pixels = torch.from_numpy(np.array(stored.convert("RGB")))
    rows = pixels.chunk(len(kinds))
    return {
        kind: torch.stack(line.chunk(SHOWN, dim=1)).permute(0, 3, 1, 2)
        for kind, line in zip(kinds, rows, strict=True)
    }


def run_on(name: str) -> dict[str, Any]:
    """The stored run on photographs `name`: "settings", "data", "seconds", "numbers", "kinds".

    An unknown name raises `ValueError`.
    """
    rows = {row["name"]: row for row in results.load("translation")["photographs"]}
    if name not in rows:
        raise ValueError(f"There is no run on {name!r}: choose {' or '.join(rows)}.")
    return rows[name]
