"""PixelDA's networks: a translator with noise, a judge that is hard of hearing, and a reader.

Source: Bousmalis, Silberman, Dohan, Erhan, Krishnan, CVPR 2017, https://arxiv.org/abs/1612.05424.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks import translators
from gan_lessons.networks.convolutions import layer_sizes


@dataclass(frozen=True)
class Settings(translators.Settings):
    """What the three networks are built with and trained with."""

    latent_dim: int = 10  # length of the noise vector z
    blocks: int = 3  # residual blocks of the generator; the paper has 6
    width: int = 16  # channels of the generator; the paper has 64
    reader_width: int = 32  # channels of D and T next to the image; doubles with every halving
    dropout: float = 0.1  # in the hidden layers of D
    noise_scale: float = 0.2  # standard deviation of the Gaussian noise in the hidden layers of D
    classes: int = 10  # number of different labels
    learning_rate: float = 2e-3  # of Adam, for all players


SMOKE = {"width": 4, "reader_width": 4, "blocks": 1, "batch_size": 8}
GPU = {
    "width": 32,
    "reader_width": 48,
    "blocks": 4,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "average_decay": 0.999,
}


class Block(nn.Module):
    """x + c(x), with batch normalisation: what is removed from one image would be its colour."""

    def __init__(self, channels: int):
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class Generator(nn.Module):
    """G: images (n, *shape) and noise (n, latent_dim) -> images (n, *shape) in [-1, 1].

    A linear layer makes one more channel of the noise. No layer changes the side of the image.
    """

    def __init__(self, config: Any):
        super().__init__()
        channels, *sides = config.shape
        self.plane = nn.Linear(config.latent_dim, math.prod(sides))
        layers = [nn.Conv2d(channels + 1, config.width, 3, padding=1), nn.ReLU()]
        layers += [Block(config.width) for _ in range(config.blocks)]
        layers += [nn.Conv2d(config.width, channels, 3, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        plane = self.plane(z.to(x.dtype)).view(len(x), 1, *x.shape[2:])
        return self.layers(torch.cat([x, plane.to(x.dtype)], dim=1))


class GaussianNoise(nn.Module):
    """x + scale * noise in training, x in evaluation."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn_like(x) if self.training else x


def halvings(config: Any, hidden: list[nn.Module], outputs: int, norm: bool) -> nn.Sequential:
    """Convolutions of stride 2 down to the smallest side, `hidden` after each, and one to the end.

    Batch normalisation with `norm`, but not next to the image.
    """
    sizes = layer_sizes(config.shape)
    widths = [config.reader_width * 2**i for i in range(len(sizes) - 1)]
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise([config.shape[0], *widths])):
        normed = norm and i > 0
        layers += [nn.Conv2d(n_in, n_out, 4, 2, 1, bias=not normed)]
        layers += [nn.BatchNorm2d(n_out)] if normed else []
        layers += [nn.LeakyReLU(0.2), *hidden]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], outputs, sizes[0]), nn.Flatten())


class Discriminator(nn.Module):
    """D: images (n, *shape) -> one score (n,), a logit: higher means more like the target.

    Dropout and Gaussian noise in every hidden layer keep it from being sure of single pixels.
    """

    def __init__(self, config: Any):
        super().__init__()
        noise = [nn.Dropout(config.dropout), GaussianNoise(config.noise_scale)]
        self.layers = halvings(config, noise, 1, norm=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).squeeze(1)


class Classifier(nn.Module):
    """T: images (n, *shape) -> logits (n, classes), for images of either domain.

    Without normalisation, whose statistics would be a mixture of two domains and fit neither, and
    without a softmax: the loss takes it.
    """

    def __init__(self, config: Any):
        super().__init__()
        self.layers = halvings(config, [], config.classes, norm=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
