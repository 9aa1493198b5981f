"""pix2pix with discriminators that see one pixel, a patch, or the whole picture.

Larger patches are a setting of pix2pix itself; a discriminator of single pixels stands here.
`scripts/translation_results.py` makes the runs and stores them. Source: the PixelGAN of Isola, Zhu,
Zhou, Efros, CVPR 2017, https://arxiv.org/abs/1611.07004.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.data import Pairs
from gan_lessons.networks.convolutions import initialise
from gan_lessons.steps import adam
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation.pix2pix import PRESETS, Config, Pix2Pix

SEEDS = (0, 1, 2)
# What one score of the discriminator sees, and its halvings; 34 pixels are more than the picture.
SIZES = {"1 pixel": None, "16 pixels": 1, "34 pixels": 2}
UPDATES = 1_200  # of each player, half of the preset's


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


def config(size: str) -> Config:
    """The session's preset with one of `SIZES`, and at most `UPDATES`."""
    chosen = preset(None, PRESETS)
    chosen = replace(chosen, steps=min(UPDATES, chosen.steps))
    return chosen if SIZES[size] is None else replace(chosen, halvings=SIZES[size])


def play(size: str, config: Config, data: Pairs, **options: Any) -> Run:
    """Train on pairs with a discriminator of one of `SIZES`; `options` are those of `fit`."""
    return fit(PixelPix2Pix if SIZES[size] is None else Pix2Pix, config, data, **options)
