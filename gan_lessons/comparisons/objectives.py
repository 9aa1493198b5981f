"""Every loss of the objectives part on the same task, with the same networks.

What is compared, and how one run of each comparison is made and measured. `scripts/
objectives_results.py` makes all runs and writes `gan_lessons/results/objectives.json`.
"""

import dataclasses
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_lessons import metrics
from gan_lessons.data import TensorData, ring
from gan_lessons.devices import own_randomness, pick_device
from gan_lessons.foundations import dcgan, gan
from gan_lessons.model import Model
from gan_lessons.objectives import began, bgan, dragan, lsgan, wgan, wgan_div, wgan_gp
from gan_lessons.runs import build
from gan_lessons.steps import frozen, update
from gan_lessons.training import Run, budget, fit


class SaturatingDCGAN(dcgan.DCGAN):
    """DCGAN with the minimax loss of the GAN paper, for comparison only."""

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = gan.saturating_generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}


@dataclass(frozen=True)
class Entry:
    """One loss: what plays it on points and on images, and what it needs there."""

    points: type[Model]  # the model on the ring
    images: type[Model]  # the model on digits
    presets: dict[str, Any]  # of the model on digits
    point_presets: dict[str, Any]  # of the model on the ring
    on_points: dict[str, Any]  # settings of the loss itself that the ring needs
    unused: tuple[str, ...] = ()  # fields of the config that these models do not read
    chapter: bool = True  # whether the preset is made for it; else only equal updates are compared

    @property
    def may_normalise(self) -> bool:
        """Whether the loss allows batch normalisation in the discriminator."""
        return hasattr(self.presets["cpu"], "batch_norm")

    @property
    def norms(self) -> tuple[bool, ...]:
        """The choices of batch normalisation in the discriminator that are compared."""
        return (False, True) if self.may_normalise and self.chapter else (False,)


def _entry(
    model: type[Model], presets: dict[str, Any], unused: tuple[str, ...] = (), **on_points: Any
) -> Entry:
    return Entry(model, model, presets, presets, on_points, unused)


ENTRIES = {
    "GAN, minimax": Entry(
        *(gan.MinimaxGAN, SaturatingDCGAN, dcgan.PRESETS, gan.PRESETS, {}, ("hidden",)),
        chapter=False,
    ),
    "GAN": Entry(gan.GAN, dcgan.DCGAN, dcgan.PRESETS, gan.PRESETS, {}, ("hidden",)),
    "LSGAN": _entry(lsgan.LSGAN, lsgan.PRESETS),
    "WGAN": _entry(wgan.WGAN, wgan.PRESETS, ("betas",), clip=0.1),  # RMSProp has none
    "WGAN-GP": _entry(wgan_gp.WGANGP, wgan_gp.PRESETS, penalty_weight=0.1),
    "WGAN-div": _entry(wgan_div.WGANDiv, wgan_div.PRESETS, critic_steps=5),
    "DRAGAN": _entry(dragan.DRAGAN, dragan.PRESETS, penalty_weight=1.0, noise_scale=0.05),
    "BEGAN": _entry(began.BEGAN, began.PRESETS, code_dim=1),
    "BGAN": _entry(bgan.BGAN, bgan.PRESETS, ("draws", "discrete_hidden", "discrete_learning_rate")),
}

# One setting for all losses on the ring. Adam with a first beta of 0 is RMSProp, which WGAN takes,
# up to the correction of its first steps.
RING = {
    "latent_dim": 16,
    "learning_rate": 5e-4,
    "generator_learning_rate": 5e-4,
    "betas": (0.0, 0.99),
    "batch_size": 256,
    "steps": 2000,
    "average_decay": 0.99,
}
HIDDEN = (128, 128, 128)
SEEDS = (0, 1, 2)  # on the ring
DIGIT_SEEDS = (0, 1, 2)  # on digits, where a run takes minutes
LIMITS = (-3.0, 3.0, -3.0, 3.0)  # what the pictures of the ring show: left, right, bottom, top
UPDATES = 600  # of the generator, in the comparison of digits at equal numbers of updates


def ring_data() -> TensorData:
    """The eight Gaussians that all losses are compared on."""
    return ring(std=0.05)


def ring_config(name: str) -> Any:
    """The config of a loss on the ring: the common setting and what the loss itself needs.

    Under the smoke budget it is much shorter.
    """
    entry = ENTRIES[name]
    config = entry.point_presets["cpu"]
    wanted = {**RING, "hidden": HIDDEN, **entry.on_points}
    wanted |= {"generator_hidden": HIDDEN, "discriminator_hidden": HIDDEN, "batch_norm": False}
    if budget() == "smoke":
        wanted |= {"steps": 20, "batch_size": 32}
    known = {field.name for field in dataclasses.fields(config)}
    return dataclasses.replace(config, **{k: v for k, v in wanted.items() if k in known})


def train_on_ring(name: str, seed: int = 0, **options: Any) -> Run:
    """Train a loss on the ring; `options` are those of `gan_lessons.training.fit`."""
    return fit(ENTRIES[name].points, ring_config(name), ring_data(), seed=seed, **options)


def score(model: Model, points: Tensor) -> Tensor:
    """What the loss's discriminator says of points (n, 2): scores (n,), high is real.

    BEGAN's has no score; it is minus the error of its reconstruction.
    """
    if isinstance(model, began.BEGAN):
        return -began.errors(points, model.discriminator(points))
    return model.discriminator(points)


def watch_ring(
    name: str, seed: int = 0, moments: int = 16, resolution: int = 48, **options: Any
) -> tuple[Run, list[tuple[int, Tensor, Tensor]]]:
    """Train a loss on the ring and look at it `moments` times.

    Returns the run and, for each moment, the step, the scores on a square grid of the plane
    (resolution, resolution) and 400 points (400, 2) of the present generator, not the averaged one:
    an average hides a generator that jumps.
    """
    ticks = torch.linspace(*LIMITS[:2], resolution)
    plane = torch.cartesian_prod(ticks, ticks).flip(1)  # x runs first
    seen = []

    def look(run: Run) -> dict[str, float]:
        with torch.no_grad():
            scores = score(run.model, plane.to(run.device)).cpu()
        points = dataclasses.replace(run, averaged=run.model).sample(400, seed=0)
        seen.append((run.steps, scores.reshape(resolution, resolution), points))
        return {}

    every = max(1, ring_config(name).steps // moments)
    run = train_on_ring(name, seed, monitor=look, monitor_every=every, snapshots=0, **options)
    return run, seen[:moments]


def measure_on_ring(run: Run) -> dict[str, float]:
    """Modes, share of points within three standard deviations of one, KL, and the distance W1."""
    data = ring_data()
    points = run.sample(10_000, seed=0)
    modes = metrics.mode_coverage(points, data.modes, data.std)
    few = 1000  # an exact plan between more points takes minutes
    distance = metrics.wasserstein_2d(points[:few], data.values[:few])
    return modes._asdict() | {"wasserstein": distance}


def digits_config(name: str, batch_norm: bool = False) -> Any:
    """The preset of the session's budget, with the networks that all losses can have.

    `batch_norm` puts batch normalisation into the discriminator; a loss that cannot have it there
    raises `ValueError`.
    """
    entry = ENTRIES[name]
    config = entry.presets[budget()]
    if entry.may_normalise:
        return dataclasses.replace(config, batch_norm=batch_norm)
    if batch_norm:
        raise ValueError(f"{name} needs scores that depend on one sample: no batch normalisation.")
    return config


def train_on_digits(name: str, data: TensorData, config: Any, seed: int = 0, **options: Any) -> Run:
    """Train a loss on digits; `options` are those of `gan_lessons.training.fit`."""
    return fit(ENTRIES[name].images, config, data, seed=seed, **options)


def measure_on_digits(run: Run, test_features: Tensor, n: int = 10_000) -> dict[str, float]:
    """Fréchet distance, precision and recall of `n` samples against the features of test images."""
    features = metrics.features(run.sample(n, seed=0))
    quality = metrics.precision_recall(features, test_features)
    return {
        "frechet_distance": metrics.frechet_distance(features, test_features),
        "precision": quality.precision,
        "recall": quality.recall,
    }


def step_seconds(configs: dict[str, tuple[str, Any]], data: TensorData, rounds: int = 15) -> dict:
    """The median seconds of one step of each loss, measured in turns: once round, then again.

    In turns, so that what else the machine does hits all losses alike. `configs` maps a row's name
    to the loss's name and its config.
    """
    device = pick_device()
    data = data.to(device)
    with own_randomness(device, 0):
        models = {}
        for row, (name, config) in configs.items():
            config = dataclasses.replace(config, shape=data.shape)
            models[row] = build(ENTRIES[name].images, config, device)
        times: dict[str, list[float]] = {row: [] for row in models}
        for _ in range(rounds + 1):
            for row, model in models.items():
                batch = data.batch(model.samples_per_step)
                batch = batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))
                started = time.perf_counter()
                losses = model.step(batch)
                [value.item() for value in losses.values()]  # waits for the device
                times[row].append(time.perf_counter() - started)
    return {row: statistics.median(values[1:]) for row, values in times.items()}
