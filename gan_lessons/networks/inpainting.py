"""An encoder and a decoder around a layer that connects all places: for pictures with a hole.

Source: Pathak, Krähenbühl, Donahue, Darrell, Efros, CVPR 2016, https://arxiv.org/abs/1604.07379.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks.convolutions import (
    convolutions,
    initialise,
    layer_sizes,
    transposed_convolutions,
)


@dataclass(frozen=True)
class Settings:
    """What the networks are built with and trained with."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    width: int = 24  # channels of the layer next to the picture; doubles with every halving
    learning_rate: float = 2e-3  # of Adam, for the generator
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 32  # samples in one step
    average_decay: float = 0.995  # of the averaged weights that fill holes


SMOKE = {"width": 4, "batch_size": 8}
GPU = {"width": 48, "batch_size": 64, "average_decay": 0.999}


class ChannelwiseLinear(nn.Module):
    """y_cj = sum_i w_cij x_ci, every map c with a matrix of its own: m n^4 weights.  [CE-FC]

    Maps (N, m, n, n) -> maps of the same shape. Each place of a map sees all places of the same
    map, and none of another one.
    """

    def __init__(self, channels: int, side: int):
        super().__init__()
        places = side**2
        self.weight = nn.Parameter(torch.randn(channels, places, places) / side)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bci,cij->bcj", x.flatten(2), self.weight).view(x.shape)


class Inpainter(nn.Module):
    """G: pictures with a filled hole (n, *shape) -> whole pictures (n, *shape) in [-1, 1].

    The encoder is a DCGAN's discriminator without its score, the decoder a DCGAN's generator
    without its first layer. Between them, `ChannelwiseLinear` carries information from each place
    to all others, and a 1 x 1 convolution from map to map.
    """

    def __init__(self, config: Any):
        super().__init__()
        self.encoder, maps = convolutions(config.width, config.shape)
        self.across = nn.Sequential(
            ChannelwiseLinear(maps, layer_sizes(config.shape)[0]),
            nn.Conv2d(maps, maps, 1, bias=False).apply(initialise),
        )
        # Without the layer that spreads a noise vector; what is left begins with its normalisation.
        self.decoder = transposed_convolutions(1, config.width, config.shape)[1:]

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.across(self.encoder(x)))
