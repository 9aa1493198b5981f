"""Translators: networks from image to image, with the settings that they need.

pix2pix's U-Net goes through a bottleneck and around it; CycleGAN's generator keeps the image and
changes it in residual blocks. Their discriminators are in `gan_lessons.networks.patches`.

Sources: Isola, Zhu, Zhou, Efros, CVPR 2017, https://arxiv.org/abs/1611.07004; Zhu, Park, Isola,
Efros, ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks.convolutions import initialise, layer_sizes
from gan_lessons.networks.perceptrons import perceptron


@dataclass(frozen=True)
class Settings:
    """What all translators are built with and trained with."""

    shape: tuple[int, ...] = (3, 32, 32)  # of a sample, the same on both sides; from the data
    width: int = 24  # images: channels of the layer next to the image; doubles with every halving
    learning_rate: float = 1e-3  # of Adam, for all players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for all players
    batch_size: int = 16  # samples of each side in one step
    average_decay: float = 0.995  # of the averaged weights that translate


@dataclass(frozen=True)
class UNetSettings(Settings):
    """Settings of a U-Net and of a discriminator of patches, both of one width."""

    halvings: int = 1  # of the discriminator: 1, 2 or 3 for patches of 16, 34 or 70 pixels
    dropout: float = 0.5  # the noise: share of features that are 0 in the innermost doublings
    skips: bool = True  # connections around the bottleneck


@dataclass(frozen=True)
class ResidualSettings(Settings):
    """Settings of a residual generator and of a discriminator of patches; points go, too."""

    halvings: int = 1  # images: how often a generator halves the side
    blocks: int = 3  # images: residual blocks of a generator
    discriminator_width: int = 24  # images: channels of the layer next to the image
    discriminator_halvings: int = 1  # images: 1, 2 or 3 for patches of 16, 34 or 70 pixels
    hidden: tuple[int, ...] = (64, 64)  # points: widths of the hidden layers of all networks


SMOKE = {"width": 4, "batch_size": 4}
GPU = {"width": 64, "learning_rate": 2e-4, "betas": (0.5, 0.999), "average_decay": 0.999}


class UNet(nn.Module):
    """G: images (n, *shape) -> images (n, *shape) in [-1, 1], through a bottleneck and around it.

    Each halving's features also go across to the doubling of the same size: the skip connections.
    Without `skips`, everything must pass through the bottleneck. Dropout in the innermost doublings
    is the noise z; `noise_on` keeps it on in evaluation. The bottleneck has no normalisation. A
    side that `layer_sizes` does not take raises `ValueError`.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int, dropout: float = 0.5, skips: bool = True
    ):
        super().__init__()
        self.skips = skips
        halvings = len(layer_sizes(shape)) - 1
        widths = [width * min(2**i, 8) for i in range(halvings)]
        self.down = nn.ModuleList([nn.Conv2d(shape[0], width, 4, 2, 1)])
        for i, (n_in, n_out) in enumerate(pairwise(widths), start=2):
            conv = nn.Conv2d(n_in, n_out, 4, 2, 1, bias=i == halvings)
            norm = [nn.BatchNorm2d(n_out)] if i < halvings else []
            self.down.append(nn.Sequential(nn.LeakyReLU(0.2), conv, *norm))
        self.up = nn.ModuleList()
        noisy = min(3, max(1, halvings - 2))
        for i, (n_in, n_out) in enumerate(pairwise(widths[::-1])):
            conv = nn.ConvTranspose2d(self._joined(n_in, i), n_out, 4, 2, 1, bias=False)
            noise = [nn.Dropout(dropout)] if i < noisy else []
            self.up.append(nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(n_out), *noise))
        paint = nn.ConvTranspose2d(self._joined(width, halvings - 1), shape[0], 4, 2, 1)
        self.up.append(nn.Sequential(nn.ReLU(), paint, nn.Tanh()))
        self.apply(initialise)

    def _joined(self, n: int, depth: int) -> int:
        return 2 * n if self.skips and depth else n  # the bottleneck has nothing to be joined with

    def encode(self, x: Tensor) -> list[Tensor]:
        """The features after each halving, from the largest to the bottleneck."""
        features = []
        for layer in self.down:
            x = layer(x)
            features.append(x)
        return features

    def decode(self, features: list[Tensor]) -> Tensor:
        """The image from the bottleneck, `features[-1]`, and from what goes across, the others."""
        *across, x = features
        for layer, skip in zip(self.up, [None, *reversed(across)], strict=True):
            x = layer(x if skip is None or not self.skips else torch.cat([x, skip], dim=1))
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def noise_on(network: nn.Module) -> None:
    """Let dropout go on in a network that is otherwise in evaluation: here it is the noise z."""
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.train()


class ResidualBlock(nn.Module):
    """x + c(x): what two convolutions want to change is added to their input.

    Nothing follows the sum: a ReLU there would only let a block add.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class ResidualGenerator(nn.Module):
    """G: images (n, channels, H, W) -> images of the same shape in [-1, 1].

    `halvings` convolutions of stride 2, `blocks` residual blocks, as many doublings. Images go on
    beyond their border as in a mirror, and instance normalisation takes each image by itself. Sides
    that cannot be halved so often raise `ValueError`.
    """

    def __init__(self, channels: int, width: int, halvings: int = 1, blocks: int = 3):
        super().__init__()
        self.factor = 2**halvings
        widths = [width * 2**i for i in range(halvings + 1)]
        # Padding is half of the kernel, 3 of 7, so that the side stays.
        layers = [nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect", bias=False)]
        layers += [nn.InstanceNorm2d(width), nn.ReLU()]
        for n_in, n_out in pairwise(widths):
            layers += [nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False)]
            layers += [nn.InstanceNorm2d(n_out), nn.ReLU()]
        layers += [ResidualBlock(widths[-1]) for _ in range(blocks)]
        for n_in, n_out in pairwise(reversed(widths)):
            layers += [nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, output_padding=1, bias=False)]
            layers += [nn.InstanceNorm2d(n_out), nn.ReLU()]
        layers += [nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect"), nn.Tanh()]
        self.layers = nn.Sequential(*layers).apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % self.factor or x.shape[-2] % self.factor:
            raise ValueError(
                f"Images of {x.shape[-2]} x {x.shape[-1]} pixels cannot be halved to whole sides "
                f"and back: take sides that are multiples of {self.factor}, with size=…."
            )
        return self.layers(x)


def residual_translator(config: Any) -> nn.Module:
    """A `ResidualGenerator` for images, a perceptron for points; settings: `ResidualSettings`."""
    if len(config.shape) == 3:
        return ResidualGenerator(config.shape[0], config.width, config.halvings, config.blocks)
    return perceptron([*config.shape, *config.hidden, *config.shape], nn.ReLU())
