"""Networks in twos that share layers: DCGAN's, with one input or output for each domain.

Source: Liu, Tuzel, NIPS 2016, https://arxiv.org/abs/1606.07536.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks.convolutions import (
    convolutions,
    initialise,
    layer_sizes,
    transposed_convolutions,
)


def cut(layers: nn.Sequential, own: int, at_end: bool) -> tuple[nn.Sequential, nn.Sequential]:
    """`layers` in two, so that one part has `own` convolutions: the last ones, or the first.

    `own` outside 1 to the number of convolutions raises `ValueError`.
    """
    starts = [i for i, m in enumerate(layers) if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    if not 1 <= own <= len(starts):
        raise ValueError(
            f"{own} own layers are not possible: this network has {len(starts)} convolutions. "
            f"Choose from 1 to {len(starts)}, with which nothing is shared."
        )
    place = [*starts, len(layers)][-1 - own if at_end else own]
    return layers[:place], layers[place:]


def drawing_layers(config: Any) -> nn.Sequential:
    """DCGAN's generator up to maps as large as the image, and one convolution that paints them."""
    channels, *sides = config.shape
    n_maps = config.width // 2
    maps = transposed_convolutions(config.latent_dim, config.width, (n_maps, *sides))[:-1]
    paint = nn.Conv2d(n_maps, channels, 5, padding=2)
    tail = nn.Sequential(nn.BatchNorm2d(n_maps), nn.ReLU(), paint, nn.Tanh()).apply(initialise)
    return nn.Sequential(*maps, *tail)


def scoring_layers(config: Any) -> nn.Sequential:
    """DCGAN's discriminator."""
    features, n_maps = convolutions(config.width, config.shape)
    score = nn.Conv2d(n_maps, 1, layer_sizes(config.shape)[0])
    return nn.Sequential(*features, score.apply(initialise))


class Generators(nn.Module):
    """G_1 and G_2: noise (n, latent_dim) -> images (2, n, *shape) in [-1, 1], one row a domain.

    The first layers, which decide what is drawn, are the same module for both.
    """

    def __init__(self, config: Any):
        super().__init__()
        (self.shared, first), (_, second) = (
            cut(drawing_layers(config), config.own_generator_layers, at_end=True) for _ in range(2)
        )
        self.own = nn.ModuleList([first, second])

    def forward(self, z: Tensor) -> Tensor:
        meaning = self.shared(z[:, :, None, None])  # once: it is the same for both domains
        return torch.stack([own(meaning) for own in self.own])


class Discriminators(nn.Module):
    """D_1 and D_2: images (2, n, *shape) -> logits (2, n), one row a domain, higher is more real.

    The last layers, which judge what is drawn, are the same module for both.
    """

    def __init__(self, config: Any):
        super().__init__()
        (first, self.shared), (second, _) = (
            cut(scoring_layers(config), config.own_discriminator_layers, at_end=False)
            for _ in range(2)
        )
        self.own = nn.ModuleList([first, second])

    def forward(self, pair: Tensor) -> Tensor:
        # One pass a domain, so that batch normalisation never mixes their statistics.
        scores = [self.shared(own(x)) for own, x in zip(self.own, pair, strict=True)]
        return torch.stack(scores).flatten(1)
