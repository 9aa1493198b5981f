"""GAN: a generator and a discriminator, two multilayer perceptrons that play a game.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio, "Generative
Adversarial Nets", NIPS 2014, https://arxiv.org/abs/1406.2661.

Equations: [GAN-D] and the two generator losses [GAN-MM] (saturating) and [GAN-G] (non-saturating).
Deviations from the paper: Adam for SGD with momentum, leaky ReLU for maxout, Gaussian noise for
uniform noise, images in [-1, 1] with a tanh output for [0, 1] with a sigmoid, no dropout.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_lessons.data import Batch, TensorData, digits
from gan_lessons.steps import adam, evaluating, frozen, update
from gan_lessons.training import Run, fit, preset


@dataclass(frozen=True)
class Config:
    """Settings of a GAN; the defaults are the `cpu` preset."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    generator_hidden: tuple[int, ...] = (256, 512)  # widths of the generator's hidden layers
    discriminator_hidden: tuple[int, ...] = (512, 256)  # and of the discriminator's
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # samples in one step
    steps: int = 4000  # updates of each player
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


PRESETS = {
    "smoke": Config(generator_hidden=(32,), discriminator_hidden=(32,), batch_size=32, steps=60),
    "cpu": Config(),
    "gpu": Config(
        generator_hidden=(512, 1024),
        discriminator_hidden=(1024, 512),
        learning_rate=2e-4,
        betas=(0.5, 0.999),
        batch_size=128,
        steps=30_000,
        average_decay=0.999,
    ),
}


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z))).  [GAN-D]

    Both scores are logits of any shape; returns a scalar >= 0. It is -V(D, G) of the paper, because
    softplus(-t) = -log sigmoid(t) and softplus(t) = -log(1 - sigmoid(t)).
    """
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def saturating_generator_loss(fake_scores: Tensor) -> Tensor:
    """-E softplus(D(G(z))), the paper's minimax form.  [GAN-MM]

    Takes logits of any shape; returns a scalar <= 0. Its gradient vanishes where D wins.
    """
    return -softplus(fake_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """E softplus(-D(G(z))), the non-saturating form.  [GAN-G]

    Takes logits of any shape; returns a scalar >= 0. Its gradient is largest where D wins.
    """
    return softplus(-fake_scores).mean()


def perceptron(sizes: list[int], activation: nn.Module) -> nn.Sequential:
    """Linear layers of the given sizes with `activation` between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation]
    return nn.Sequential(*layers[:-1])  # the last layer stays linear


class Generator(nn.Module):
    """G: noise (n, latent_dim) -> samples (n, *shape); images in [-1, 1], points unbounded."""

    def __init__(self, config: Config):
        super().__init__()
        self.shape = config.shape
        sizes = [config.latent_dim, *config.generator_hidden, math.prod(config.shape)]
        self.layers = perceptron(sizes, nn.ReLU())

    def forward(self, z: Tensor) -> Tensor:
        x = self.layers(z).unflatten(1, self.shape)
        return x.tanh() if len(self.shape) == 3 else x


class Discriminator(nn.Module):
    """D: samples (n, *shape) -> one score (n,), a logit: higher means more real."""

    def __init__(self, config: Config):
        super().__init__()
        sizes = [math.prod(config.shape), *config.discriminator_hidden, 1]
        self.layers = perceptron(sizes, nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1)).squeeze(1)


class GAN(nn.Module):
    """Both players, and one step of the game."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self.generator_optimizer = adam(self.generator, config.learning_rate, config.betas)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)

    def noise(self, n: int) -> Tensor:
        """z ~ N(0, I), shape (n, latent_dim)."""
        device = next(self.parameters()).device
        return torch.randn(n, self.config.latent_dim, device=device)

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

    def sample(self, n: int | None = None, *, z: Tensor | None = None) -> Tensor:
        """`n` samples, or one for each row of the noise `z`, shape (n, latent_dim)."""
        with evaluating(self):
            return self.generator(self.noise(n) if z is None else z)


class MinimaxGAN(GAN):
    """The same game with the paper's minimax loss, for comparison only: only G's loss differs."""

    def generator_step(self, n: int) -> dict[str, Tensor]:
        with frozen(self.discriminator):  # D passes the gradient on, but is not to move
            fake_scores = self.discriminator(self.generator(self.noise(n)))
        loss = saturating_generator_loss(fake_scores)
        update(self.generator_optimizer, loss)
        return {"generator_loss": loss}


def train(
    config: Config | str | None = None,
    data: TensorData | None = None,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    **options: Any,
) -> Run:
    """Train a GAN on `data` (default: digits); `options` are those of `gan_lessons.training.fit`.

    `config` is a `Config`, the name of a preset, or None for the preset of the session's budget.
    """
    config = preset(config, PRESETS)
    data = digits() if data is None else data
    return fit(GAN, config, data, seed=seed, device=device, **options)
