"""Autoencoders: the network that is BEGAN's discriminator, and the parts of an AAE.

The settings here are the AAE's; BEGAN takes those of `gan_lessons.networks.convolutions`.

Sources: Berthelot, Schumm, Metz 2017, https://arxiv.org/abs/1703.10717; Makhzani, Shlens, Jaitly,
Goodfellow, Frey 2015, https://arxiv.org/abs/1511.05644.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks.convolutions import convolutions, layer_sizes, transposed_convolutions
from gan_lessons.networks.perceptrons import perceptron


@dataclass(frozen=True)
class Settings:
    """What the perceptrons of an AAE are built with and trained with."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 8  # length of the code z, or of its continuous part
    hidden: tuple[int, ...] = (512, 256)  # widths of the encoder's layers; the decoder's, reversed
    discriminator_hidden: tuple[int, ...] = (256, 256)  # widths of its hidden layers
    learning_rate: float = 1e-3  # of Adam, for the reconstruction
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, in all phases
    batch_size: int = 128  # samples in one step
    average_decay: float = 0.995  # of the averaged weights that codes and samples come from


SMOKE = {"hidden": (32,), "discriminator_hidden": (32,), "batch_size": 32}
GPU = {
    "hidden": (1000, 1000),
    "discriminator_hidden": (1000, 1000),
    "learning_rate": 5e-4,
    "batch_size": 256,
    "average_decay": 0.999,
}


def layer_norm(channels: int) -> nn.Module:
    """Normalisation over all channels and pixels of one sample."""
    return nn.GroupNorm(1, channels)


class Autoencoder(nn.Module):
    """D: samples (n, *shape) -> reconstructions (n, *shape), through a code (n, code_dim).

    The encoder is the discriminator of the sibling chapters, the decoder is shaped as the
    generator. Its normalisation is over the channels and pixels of one sample, so that the error
    of a sample depends on that sample alone.
    """

    def __init__(self, config: Any):
        super().__init__()
        if len(config.shape) == 3:
            encoder, maps = convolutions(config.width, config.shape, layer_norm)
            code = nn.Conv2d(maps, config.code_dim, layer_sizes(config.shape)[0])
            self.encoder = nn.Sequential(*encoder, code)
            decoder = transposed_convolutions(
                config.code_dim, config.width, config.shape, layer_norm
            )
            # No tanh: where it saturates, as on a black background, the error has no gradient.
            self.decoder = decoder[:-1]
        else:
            outside = [*config.shape, *config.hidden]
            self.encoder = perceptron([*outside, config.code_dim], nn.ReLU())
            self.decoder = perceptron([config.code_dim, *reversed(outside)], nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def reparametrise(mean: Tensor, log_variance: Tensor) -> Tensor:
    """mu + exp(lambda / 2) eps, eps ~ N(0, I), lambda the log-variance.  [AAE-Z]

    Both inputs and the result have one shape; every number gets noise of its own.
    """
    return mean + (log_variance / 2).exp() * torch.randn_like(mean)


class CodeEncoder(nn.Module):
    """E: samples (n, *shape) -> codes (n, latent_dim), any real numbers."""

    def __init__(self, config: Any, outputs: int | None = None):
        super().__init__()
        outputs = outputs or config.latent_dim
        self.layers = perceptron([math.prod(config.shape), *config.hidden, outputs], nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))


class GaussianEncoder(CodeEncoder):
    """E: samples -> codes drawn from a Gaussian of each sample's own."""

    def __init__(self, config: Any):
        super().__init__(config, 2 * config.latent_dim)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, each (n, latent_dim)."""
        return self.layers(x.flatten(1)).chunk(2, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return reparametrise(*self.moments(x))


class ClassEncoder(CodeEncoder):
    """E: samples -> class probabilities and style, side by side (n, classes + latent_dim)."""

    def __init__(self, config: Any):
        super().__init__(config, config.classes + config.latent_dim)
        self.classes = config.classes

    def logits(self, x: Tensor) -> Tensor:
        """What the class probabilities are the softmax of, (n, classes)."""
        return self.layers(x.flatten(1))[:, : self.classes]

    def forward(self, x: Tensor) -> Tensor:
        numbers = self.layers(x.flatten(1))
        return torch.cat([numbers[:, : self.classes].softmax(1), numbers[:, self.classes :]], dim=1)


class Decoder(nn.Module):
    """Dec: codes (n, code_dim) -> samples (n, *shape) in [-1, 1]."""

    def __init__(self, config: Any, code_dim: int):
        super().__init__()
        self.shape = config.shape
        sizes = [code_dim, *reversed(config.hidden), math.prod(config.shape)]
        self.layers = perceptron(sizes, nn.ReLU())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.shape).tanh()


class CodeDiscriminator(nn.Module):
    """D: codes (n, code_dim) -> scores (n,), logits: higher means more like the prior."""

    def __init__(self, config: Any, code_dim: int):
        super().__init__()
        self.layers = perceptron([code_dim, *config.discriminator_hidden, 1], nn.LeakyReLU(0.2))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).flatten()


class ClassStyleDiscriminator(nn.Module):
    """D: a class and a style are judged apart -> the scores of both, one after the other (2 n,)."""

    def __init__(self, config: Any, code_dim: int):
        super().__init__()
        self.classes = config.classes
        self.of_class = CodeDiscriminator(config, config.classes)
        self.of_style = CodeDiscriminator(config, code_dim - config.classes)

    def forward(self, z: Tensor) -> Tensor:
        y, style = z[:, : self.classes], z[:, self.classes :]
        return torch.cat([self.of_class(y), self.of_style(style)])
