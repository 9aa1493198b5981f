"""LSGAN: the discriminator regresses to two targets, with squared errors in place of logarithms.

Mao, Li, Xie, Lau, Wang, Smolley, "Least Squares Generative Adversarial Networks", ICCV 2017,
https://arxiv.org/abs/1611.04076.

Equations: [LSGAN-D] and [LSGAN-G], with three targets: a for fakes, b for real samples, and c for
fakes in the generator's loss. `CHI2` and `ZERO_ONE` are the paper's two codings.
Deviations from the paper: DCGAN's small networks for its larger ones, digits for scenes, samples
from averaged weights.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


class Coding(NamedTuple):
    """The targets of the scores."""

    a: float  # of fakes, for the discriminator
    b: float  # of real samples, for the discriminator
    c: float  # of fakes, for the generator


CHI2 = Coding(-1.0, 1.0, 0.0)  # b - c = 1 and b - a = 2: Pearson's chi-square divergence
ZERO_ONE = Coding(0.0, 1.0, 1.0)  # the generator wants what real samples get


@dataclass(frozen=True)
class Config(Settings):
    """Settings of an LSGAN; the defaults are the `cpu` preset."""

    batch_norm: bool = True  # images: batch normalisation in the discriminator, too
    coding: tuple[float, float, float] = ZERO_ONE  # the targets a, b, c
    steps: int = 1200  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=10_000),
}


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, a: float = 0.0, b: float = 1.0
) -> Tensor:
    """1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2.  [LSGAN-D]"""
    return ((real_scores - b) ** 2).mean() / 2 + ((fake_scores - a) ** 2).mean() / 2


def generator_loss(fake_scores: Tensor, c: float = 1.0) -> Tensor:
    """1/2 E (D(G(z)) - c)^2.  [LSGAN-G]"""
    return ((fake_scores - c) ** 2).mean() / 2


class LSGAN(Model):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.coding = Coding(*config.coding)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config, config.batch_norm)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores, self.coding.a, self.coding.b)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = generator_loss(fake_scores, self.coding.c)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`."""
    return fit(LSGAN, preset(config, PRESETS), digits() if data is None else data, **options)
