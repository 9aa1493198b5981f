"""Every loss of the objectives part on the same task, with the same networks.

What is compared, and how one run of each comparison is made and measured. `scripts/
objectives_results.py` makes all runs and writes `gan_lessons/results/objectives.json`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gan_lessons import metrics
from gan_lessons.comparisons.sweeps import at_rate, seconds_in_turns
from gan_lessons.data import TensorData, ring
from gan_lessons.foundations import dcgan, gan
from gan_lessons.model import Model
from gan_lessons.objectives import began, bgan, dragan, lsgan, wgan, wgan_div, wgan_gp
from gan_lessons.steps import frozen, update
from gan_lessons.training import DivergedError, Run, budget, fit


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
    chapter: bool = True  # whether a preset is made for it; else only equal updates are compared

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
    "minimax": Entry(
        *(gan.MinimaxGAN, SaturatingDCGAN, dcgan.PRESETS, gan.PRESETS, {}, ("hidden",)),
        chapter=False,
    ),
    "GAN": Entry(gan.GAN, dcgan.DCGAN, dcgan.PRESETS, gan.PRESETS, {}, ("hidden",)),
    "LSGAN": _entry(lsgan.LSGAN, lsgan.PRESETS),
    "WGAN": _entry(wgan.WGAN, wgan.PRESETS, ("betas",), clip=0.1),  # RMSProp has none
    "WGAN-GP": _entry(wgan_gp.WGANGP, wgan_gp.PRESETS, penalty_weight=0.1),
    "WGAN-div": _entry(wgan_div.WGANDiv, wgan_div.PRESETS),
    "DRAGAN": _entry(dragan.DRAGAN, dragan.PRESETS, penalty_weight=1.0, noise_scale=0.05),
    "BEGAN": Entry(
        *(began.BEGAN, began.DrawingBEGAN, began.PRESETS, began.PRESETS),
        {"code_dim": 1, "gamma": 0.9},
    ),
    "BGAN": _entry(bgan.BGAN, bgan.PRESETS, ("draws", "discrete_hidden", "discrete_learning_rate")),
}

# --- what is the same for all ------------------------------------------------------------------

# Adam with a first beta of 0 is RMSProp, which WGAN takes, up to the correction of its first steps.
ADAM = (0.0, 0.99)
RING = {
    "latent_dim": 16,
    "betas": ADAM,
    "batch_size": 128,
    "critic_steps": 3,
    "steps": 750,
    "average_decay": 0.98,
}
HIDDEN = (64, 64, 64)
LIMITS = (-3.0, 3.0, -3.0, 3.0)  # what the pictures of the ring show: left, right, bottom, top
RING_RATES = (1e-3, 3e-3, 1e-2)  # tried for every loss
RING_SWEEP = (0,)  # the seeds that choose a rate
RING_SEEDS = (1, 2)  # fresh ones, that compare the losses, each at its rate

# The short games on digits: small networks, and again a rate for every loss.
DIGITS = {
    "width": 8,
    "betas": ADAM,
    "batch_size": 32,
    "critic_steps": 3,
    "steps": 600,
    "average_decay": 0.98,
}
DIGIT_RATES = (1e-3, 3e-3, 1e-2)  # tried for every loss
DIGIT_SWEEP = (0,)  # the seeds that choose a rate
SHORT_SEEDS = (1, 2)  # fresh ones, that compare the losses, each at its rate
# The long games on digits: the networks and rates of the chapters.
DIGIT_LOSSES = tuple(name for name in ENTRIES if name != "BEGAN")  # whose networks are narrower
DIGIT_SEEDS = (0, 1, 2)
UPDATES = 600  # of the generator, at which all losses are measured

# What DRAGAN's penalty does on the ring, beside the GAN and DRAGAN of `ENTRIES`, which have no
# penalty, and weight 1, k = 1 and little noise. Noise 0.5 reaches the neighbours of a heap.
DRAGAN_GAMES = {
    "weight 10": {"penalty_weight": 10.0},
    "weight 10, k = 0": {"penalty_weight": 10.0, "slope": 0.0},
    "weight 1, k = 0": {"slope": 0.0},
    "weight 1, noise 0.5": {"noise_scale": 0.5},
}
DRAGAN_SEEDS = (0, 1, 2)

# The rate with the least distance in the sweep; a test compares them with the stored runs.
RING_RATE = dict.fromkeys(ENTRIES, 3e-3) | {"WGAN-GP": 1e-2}
DIGIT_RATE = dict.fromkeys(ENTRIES, 3e-3) | {"DRAGAN": 1e-2, "BEGAN": 1e-3}


def _replaced(config: Any, wanted: dict[str, Any]) -> Any:
    """The config with those of the wanted settings that it has."""
    known = {field.name for field in dataclasses.fields(config)}
    return dataclasses.replace(config, **{k: v for k, v in wanted.items() if k in known})


def _rates(rate: float) -> dict[str, float]:
    return {"learning_rate": rate, "generator_learning_rate": rate}


def ring_data() -> TensorData:
    """The eight Gaussians that all losses are compared on."""
    return ring(std=0.05)


def ring_config(name: str, rate: float | None = None) -> Any:
    """The config of a loss on the ring: the common setting and what the loss itself needs.

    `rate` is the learning rate of both players, the best of the sweep if None. Under the smoke
    budget the run is much shorter.
    """
    entry = ENTRIES[name]
    wanted = RING | _rates(RING_RATE[name] if rate is None else rate) | entry.on_points
    wanted |= {"hidden": HIDDEN, "generator_hidden": HIDDEN, "discriminator_hidden": HIDDEN}
    wanted |= {"batch_norm": False}
    if budget() == "smoke":
        wanted |= {"steps": 20, "batch_size": 32, "critic_steps": 2}
    return _replaced(entry.point_presets["cpu"], wanted)


def train_on_ring(name: str, seed: int = 0, rate: float | None = None, **options: Any) -> Run:
    """Train a loss on the ring; `options` are those of `gan_lessons.training.fit`.

    A run that diverges comes back as it was at its last good moment.
    """
    config = ring_config(name, rate)
    return _until_the_end(ENTRIES[name].points, config, ring_data(), seed=seed, **options)


def dragan_config(game: str) -> dragan.Config:
    """The config of one of `DRAGAN_GAMES`: DRAGAN's on the ring, with another penalty."""
    return dataclasses.replace(ring_config("DRAGAN"), **DRAGAN_GAMES[game])


def train_dragan(game: str, seed: int = 0, **options: Any) -> Run:
    """Train one of `DRAGAN_GAMES`; `options` are those of `gan_lessons.training.fit`."""
    return _until_the_end(dragan.DRAGAN, dragan_config(game), ring_data(), seed=seed, **options)


def ring_rows(tables: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The stored runs of a loss on the ring at its best rate, that of `RING_SWEEP` first."""
    return at_rate(tables["ring sweep"] + tables["ring"], name, RING_RATE[name])


def short_rows(tables: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The stored short games of a loss on digits at its best rate, that of `DIGIT_SWEEP` first."""
    return at_rate(tables["digit sweep"] + tables["short games"], name, DIGIT_RATE[name])


def _until_the_end(*arguments: Any, **options: Any) -> Run:
    try:
        return fit(*arguments, **options)
    except DivergedError as error:
        return error.run


def watch_ring(
    name: str, seed: int = 0, moments: int = 12, **options: Any
) -> tuple[Run, list[tuple[int, Tensor]]]:
    """Train a loss on the ring at its best rate, and look at its points `moments` times.

    Returns the run and, for each moment, the step and 200 points (200, 2) of the
    present generator, not the averaged one: an average hides a generator that jumps.
    """
    seen = []

    def look(run: Run) -> dict[str, float]:
        seen.append((run.steps, dataclasses.replace(run, averaged=run.model).sample(200, seed=0)))
        return {}

    every = -(-ring_config(name).steps // moments)
    run = train_on_ring(name, seed, monitor=look, monitor_every=every, snapshots=0, **options)
    return run, seen


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


def short_config(name: str, rate: float | None = None) -> Any:
    """The config of a loss in the short games on digits.

    `rate` is the learning rate of both players, the best of the sweep if None.
    """
    rate = DIGIT_RATE[name] if rate is None else rate
    wanted = DIGITS | _rates(rate) | {"batch_norm": False}
    if budget() == "smoke":
        wanted |= {"steps": 10, "width": 4, "batch_size": 16, "critic_steps": 2}
    return _replaced(ENTRIES[name].presets[budget()], wanted)


def train_on_digits(name: str, data: TensorData, config: Any, seed: int = 0, **options: Any) -> Run:
    """Train a loss on digits; `options` are those of `gan_lessons.training.fit`.

    A run that diverges comes back as it was at its last good moment.
    """
    return _until_the_end(ENTRIES[name].images, config, data, seed=seed, **options)


def measure_on_digits(run: Run, test_features: Tensor, n: int = 10_000) -> dict[str, float]:
    """Fréchet distance, precision and recall of `n` samples against the features of test images."""
    features = metrics.features(run.sample(n, seed=0))
    quality = metrics.precision_recall(features, test_features)
    return {
        "frechet_distance": metrics.frechet_distance(features, test_features),
        "precision": quality.precision,
        "recall": quality.recall,
    }


def measure_game(run: Run, test_features: Tensor, n: int = 10_000) -> dict[str, float]:
    """Fréchet distance of `n` samples to the test images, and the number of their classes."""
    features = metrics.features(run.sample(n, seed=0))
    distance = metrics.frechet_distance(features, test_features)
    return {"frechet_distance": distance, "classes": metrics.class_coverage(features).covered}


def step_seconds(configs: dict[str, tuple[str, Any]], data: TensorData, rounds: int = 15) -> dict:
    """The median seconds of one step of each loss on digits, as `seconds_in_turns` measures them.

    `configs` maps a row's name to the loss's name and its config.
    """
    players = {row: (ENTRIES[name].images, config) for row, (name, config) in configs.items()}
    return seconds_in_turns(players, data, rounds)
