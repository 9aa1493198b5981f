"""GAN: a generator and a discriminator, two multilayer perceptrons that play a game.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio, "Generative
Adversarial Nets", NIPS 2014, https://arxiv.org/abs/1406.2661.

Equations: [GAN-D] and the two generator losses [GAN-MM] (saturating) and [GAN-G] (non-saturating).
The networks are those of `gan_lessons.networks.perceptrons`.
Deviations from the paper: Adam for SGD with momentum, leaky ReLU for maxout, Gaussian noise for
uniform noise, images in [-1, 1] with a tanh output for [0, 1] with a sigmoid, no dropout.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.model import Model
from gan_lessons.networks.perceptrons import GPU, SMOKE, Discriminator, Generator, Settings
from gan_lessons.steps import adam, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config(Settings):
    """Settings of a GAN; the defaults are the `cpu` preset."""

    steps: int = 4000  # updates of each player


PRESETS = {
    "smoke": Config(**SMOKE, steps=60),
    "cpu": Config(),
    "gpu": Config(**GPU, steps=30_000),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z))).  [GAN-D]"""
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def saturating_generator_loss(fake_scores: Tensor) -> Tensor:
    """-E softplus(D(G(z))), the paper's minimax form.  [GAN-MM]"""
    return -softplus(fake_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(G(z))), the non-saturating form.  [GAN-G]"""
    return softplus(-fake_scores).mean()


class GAN(Model):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def discriminator_step(self, real: Tensor) -> dict[str, Tensor]:
        fake = self.generator(self.noise(len(real))).detach()  # this loss must not move G
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        loss = discriminator_loss(real_scores, fake_scores)
        update(self.discriminator_optimizer, loss)
        return {
            "discriminator_loss": loss,
            "real_score": real_scores.mean(),
            "fake_score": fake_scores.mean(),
        }

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}

    def step(self, batch: Batch) -> dict[str, Tensor]:
        return self.discriminator_step(batch.x) | self.generator_step(len(batch.x))


class MinimaxGAN(GAN):
    """The same game with the paper's minimax loss, for comparison only: only G's loss differs."""

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = saturating_generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}


def train(
    config: Config | str | None = None, data: TensorData | None = None, **options: Any
) -> Run:
    """Train on `data` (default: digits); presets, `seed`, `device` and all else as in `fit`."""
    return fit(GAN, preset(config, PRESETS), digits() if data is None else data, **options)
