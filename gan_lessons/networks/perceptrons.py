"""Multilayer perceptrons: the GAN's two players, and the layers that points pass through anywhere.

Source: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, with ReLU and leaky ReLU.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Settings:
    """What the players of a GAN are built with and trained with."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    generator_hidden: tuple[int, ...] = (256, 512)  # widths of the generator's hidden layers
    discriminator_hidden: tuple[int, ...] = (512, 256)  # and of the discriminator's
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # samples in one step
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


SMOKE = {"generator_hidden": (32,), "discriminator_hidden": (32,), "batch_size": 32}
GPU = {
    "generator_hidden": (512, 1024),
    "discriminator_hidden": (1024, 512),
    "learning_rate": 2e-4,
    "betas": (0.5, 0.999),
    "batch_size": 128,
    "average_decay": 0.999,
}


def perceptron(sizes: list[int], activation: nn.Module) -> nn.Sequential:
    """Linear layers of the given sizes with `activation` between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation]
    return nn.Sequential(*layers[:-1])  # the last layer stays linear


class Generator(nn.Module):
    """G: noise (n, latent_dim) -> samples (n, *shape); images in [-1, 1], points unbounded."""

    def __init__(self, config: Any):
        super().__init__()
        self.shape = config.shape
        sizes = [config.latent_dim, *config.generator_hidden, math.prod(config.shape)]
        self.layers = perceptron(sizes, nn.ReLU())

    def forward(self, z: Tensor) -> Tensor:
        x = self.layers(z).unflatten(1, self.shape)
        return x.tanh() if len(self.shape) == 3 else x


class Discriminator(nn.Module):
    """D: samples (n, *shape) -> one score (n,), a logit: higher means more real."""

    def __init__(self, config: Any):
        super().__init__()
        sizes = [math.prod(config.shape), *config.discriminator_hidden, 1]
        self.layers = perceptron(sizes, nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1)).squeeze(1)
