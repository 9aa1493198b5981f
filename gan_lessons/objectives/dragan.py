"""DRAGAN: the GAN's game, with a penalty on the discriminator's slope around the data only.

Kodali, Abernethy, Hays, Kira, "On Convergence and Stability of GANs", 2017,
https://arxiv.org/abs/1705.07215.

Equations: [DRAGAN-D] is [DRAGAN-A] plus `penalty_weight` times [DRAGAN-P] at the points [DRAGAN-X].
[DRAGAN-A] is [GAN-D], [DRAGAN-G] is [GAN-G].
Deviations from the paper: DCGAN's small networks, no normalisation in the discriminator, larger
learning rates, samples from averaged weights. The noise is the paper's centred Gaussian, scaled by
the spread of the data; the authors' code has a one-sided uniform noise.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.foundations.gan import discriminator_loss, generator_loss
from gan_lessons.gradients import gradients
from gan_lessons.model import Model
from gan_lessons.networks.convolutions import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a DRAGAN; the defaults are the `cpu` preset."""

    penalty_weight: float = 10.0  # lambda, the weight of the gradient penalty
    slope: float = 1.0  # k, the slope that the penalty asks for
    noise_scale: float = 0.5  # size of the noise around the data, in units of the data's spread
    steps: int = 1500  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=30),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=6_500),
}


def around(real: Tensor, scale: float) -> Tensor:
    """x + d with d ~ N(0, (scale s)^2 I), s the spread of all numbers of the batch.  [DRAGAN-X]

    `real` has shape (n, *shape), and so has the result.
    """
    return real + scale * real.std() * torch.randn_like(real)


def gradient_penalty(norms: Tensor, slope: float = 1.0) -> Tensor:
    """E (||grad D(x + d)|| - k)^2, without its weight.  [DRAGAN-P]"""
    return ((norms - slope) ** 2).mean()


class DRAGAN(Model):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        """One update on [DRAGAN-A] + lambda [DRAGAN-P] at the points [DRAGAN-X].  [DRAGAN-D]"""
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        points = around(real, self.config.noise_scale)
        norms = gradients(self.discriminator, points).norm(dim=1)
        loss = discriminator_loss(real_scores, fake_scores)
        loss = loss + self.config.penalty_weight * gradient_penalty(norms, self.config.slope)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
            "gradient_norm": norms.mean(),
        }

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`."""
    return fit(DRAGAN, preset(config, PRESETS), digits() if data is None else data, **options)
