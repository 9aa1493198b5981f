"""Many pictures of one input: four translators side by side, and what happens without each rule.

What is compared, and how one run is made and measured. `scripts/variety_results.py` makes all runs
and writes `gan_lessons/results/variety.json`.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gan_lessons.comparisons.sweeps import at_rate
from gan_lessons.data import Pairs
from gan_lessons.evaluation import variety
from gan_lessons.evaluation.translations import Numbers
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation import bicyclegan, pix2pix

RATES = (2.5e-4, 5e-4, 1e-3, 2e-3)  # tried for every model; at 4e-3 cVAE-GAN diverges
SWEEP = (0,)  # the seeds that choose a rate
SEEDS = (1, 2)  # fresh ones, that compare the models, each at its rate
UPDATES = 600  # of all players
INPUTS, DRAWN = 100, 64  # held-out digits, and pictures of each
SHOWN = ("distance", "hues hit", "distance to uniform", "diversity", "error")


class ShownToTheEncoder(bicyclegan.BicycleGAN):
    """The code that is read again moves E, too, so that both may agree on a secret sign."""

    read_again = bicyclegan.CLRGAN.read_again


class PulledToTheTarget(bicyclegan.BicycleGAN):
    """Pictures of random codes, too, are to be near to the target."""

    def step(self, batch: Any) -> dict[str, Tensor]:
        self.target = batch.y.chunk(2)[0]
        return super().step(batch)

    def random_step(self, x: Tensor, z: Tensor, random: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss, logged = super().random_step(x, z, random)
        return loss + self.config.l1_weight * pix2pix.l1_loss(random, self.target), logged


# Each with the settings that differ from its module's preset.
ENTRIES: dict[str, tuple[Any, type, dict[str, Any]]] = {
    # lambda as in the others, so that the same distance pulls at all of them
    "pix2pix": (pix2pix, pix2pix.Pix2Pix, {"l1_weight": 10.0}),
    "cVAE-GAN": (bicyclegan, bicyclegan.CVAEGAN, {}),
    "cLR-GAN": (bicyclegan, bicyclegan.CLRGAN, {}),
    "BicycleGAN": (bicyclegan, bicyclegan.BicycleGAN, {}),
}
CONTROLS: dict[str, tuple[Any, type, dict[str, Any]]] = {
    "no latent loss": (bicyclegan, bicyclegan.BicycleGAN, {"latent_weight": 0.0}),
    "latent loss moves E": (bicyclegan, ShownToTheEncoder, {}),
    "L1 on random codes": (bicyclegan, PulledToTheTarget, {}),
    "no divergence": (bicyclegan, bicyclegan.BicycleGAN, {"kl_weight": 0.0}),
}
# The rate with the least distance in the sweep; a test compares them with the stored runs.
RATE = {"pix2pix": 5e-4, "cVAE-GAN": 2e-3, "cLR-GAN": 1e-3, "BicycleGAN": 2e-3}


def config(name: str, rate: float | None = None) -> Any:
    """The preset of the session's budget with the common number of updates.

    `rate` is the learning rate of all players; if None, the best of the sweep, and for a control
    that of BicycleGAN.
    """
    module, _, settings = (ENTRIES | CONTROLS)[name]
    chosen = preset(None, module.PRESETS)
    rate = RATE.get(name, RATE["BicycleGAN"]) if rate is None else rate
    updates = min(UPDATES, chosen.steps)
    return replace(chosen, steps=updates, learning_rate=rate, **settings)


def play(name: str, config: Any, data: Pairs, seed: int = 0) -> Run:
    """Train one of `ENTRIES` or `CONTROLS` on pairs."""
    _, model, _ = (ENTRIES | CONTROLS)[name]
    return fit(model, config, data, seed=seed, progress=False, snapshots=0)


def held_out(test: Pairs) -> tuple[Tensor, Tensor]:
    """The inputs that all models are measured with, and their targets."""
    index = torch.arange(min(INPUTS, len(test)))
    return test.inputs.floats(index), test.targets.floats(index)


def measure(run: Run, test: Pairs) -> Numbers:
    """`SHOWN` on held-out digits, and, where there is an encoder, `code` and `reconstruction`."""
    x, y = held_out(test)
    found = variety.measure_hues(run, x, DRAWN)
    if isinstance(run.model, bicyclegan.BicycleGAN):
        found["code"] = variety.code_error(run, x)
        found["reconstruction"] = variety.reconstruction_error(run, x, y)
    return found


def rows(tables: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The stored runs of a model at its best rate, that of `SWEEP` first; of a control, all."""
    if name in CONTROLS:
        return at_rate(tables["controls"], name, RATE["BicycleGAN"])
    return at_rate(tables["sweep"] + tables["games"], name, RATE[name])
