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

import torch
from torch import Tensor, nn

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.networks import Discriminator, Generator
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


class Coding(NamedTuple):
    """The targets of the scores."""

    a: float  # of fakes, for the discriminator
    b: float  # of real samples, for the discriminator
    c: float  # of fakes, for the generator


CHI2 = Coding(-1.0, 1.0, 0.0)  # b - c = 1 and b - a = 2: Pearson's chi-square divergence
ZERO_ONE = Coding(0.0, 1.0, 1.0)  # the generator wants what real samples get


@dataclass(frozen=True)
class Config:
    """Settings of an LSGAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    batch_norm: bool = True  # images: batch normalisation in the discriminator, too
    coding: tuple[float, float, float] = ZERO_ONE  # the targets a, b, c
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # samples in one step
    steps: int = 1200  # updates of each player
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(width=4, hidden=(32, 32), batch_size=16, steps=30),
    "cpu": Config(),
    "gpu": Config(
        width=64,
        learning_rate=2e-4,
        betas=(0.5, 0.999),
        batch_size=128,
        steps=15_000,
        average_decay=0.999,
    ),
}


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, a: float = 0.0, b: float = 1.0
) -> Tensor:
    """1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2.  [LSGAN-D]

    Takes scores of any shape; returns a scalar >= 0.
    """
    return ((real_scores - b) ** 2).mean() / 2 + ((fake_scores - a) ** 2).mean() / 2


def generator_loss(fake_scores: Tensor, c: float = 1.0) -> Tensor:
    """1/2 E (D(G(z)) - c)^2.  [LSGAN-G]

    Takes scores of any shape; returns a scalar >= 0. Its gradient grows with the distance to c, on
    both sides.
    """
    return ((fake_scores - c) ** 2).mean() / 2


class LSGAN(nn.Module):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.coding = Coding(*config.coding)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config, config.batch_norm)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

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

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` samples, or one for each row of the noise `z`, shape (n, latent_dim)."""
        with evaluating(self):
            return self.generator(self.noise(n) if z is None else z)


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train an LSGAN on `data` (default: digits); `options` as in `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(LSGAN, config, data, seed=seed, device=device, **options)
