"""pix2pix with a discriminator that sees one pixel at a time, for the comparison of patches.

Larger patches are a setting of pix2pix itself. Source: the PixelGAN of Isola, Zhu, Zhou, Efros,
CVPR 2017, https://arxiv.org/abs/1611.07004.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Pairs
from gan_lessons.networks.convolutions import initialise
from gan_lessons.steps import adam
from gan_lessons.training import Run, fit
from gan_lessons.translation.pix2pix import Config, Pix2Pix


class PixelDiscriminator(nn.Module):
    """D: images (n, c, H, W) -> one logit for each pixel (n, H, W), from that pixel alone."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 1),
        ).apply(initialise)

    def forward(self, *images: Tensor) -> Tensor:
        return self.layers(torch.cat(images, dim=1)).squeeze(1)


class PixelPix2Pix(Pix2Pix):
    """pix2pix that is judged pixel by pixel."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.discriminator = PixelDiscriminator(2 * config.shape[0], config.width)
        self.discriminator_optimizer = adam(self.discriminator, config.learning_rate, config.betas)


def train_by_pixels(config: Config, data: Pairs, **options: Any) -> Run:
    """Like `pix2pix.train`, with the discriminator of pixels."""
    return fit(PixelPix2Pix, config, data, **options)
