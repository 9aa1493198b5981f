"""Networks that are told a label, or have to name it: CGAN's two ways, and ACGAN's discriminator.

Sources: Mirza, Osindero 2014, https://arxiv.org/abs/1411.1784; Odena, Olah, Shlens, ICML 2017,
https://arxiv.org/abs/1610.09585.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks.convolutions import (
    Discriminator,
    Generator,
    convolutions,
    initialise,
    layer_sizes,
    transposed_convolutions,
)
from gan_lessons.networks.perceptrons import perceptron


class InputGenerator(Generator):
    """G: noise (n, latent_dim), one-hot y (n, classes) -> samples; images in [-1, 1]."""

    def __init__(self, config: Any):
        super().__init__(replace(config, latent_dim=config.latent_dim + config.classes))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return super().forward(torch.cat([z, y], dim=1))


class InputDiscriminator(Discriminator):
    """D: samples, one-hot y -> scores (n,). For images each class is one more channel of 0 or 1."""

    def __init__(self, config: Any):
        channels, *sides = config.shape
        shape = (channels + config.classes, *sides)
        super().__init__(replace(config, shape=shape), batch_norm=True)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        y = y.view(*y.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        return super().forward(torch.cat([x, y], dim=1))


class HiddenGenerator(nn.Module):
    """G: noise and one-hot y become feature maps, each by a layer of its own, and are joined."""

    def __init__(self, config: Any):
        super().__init__()
        layers = transposed_convolutions(config.latent_dim, config.width, config.shape)
        first, joint, n_maps = layers[0], layers[3], config.hidden_label
        self.from_noise = layers[:3]  # transposed convolution, batch normalisation, ReLU
        self.from_label = nn.Sequential(
            nn.ConvTranspose2d(config.classes, n_maps, first.kernel_size, bias=False),
            nn.BatchNorm2d(n_maps),
            nn.ReLU(),
        ).apply(initialise)
        joint = nn.ConvTranspose2d(
            joint.in_channels + n_maps, joint.out_channels, 4, stride=2, padding=1, bias=False
        )
        self.layers = nn.Sequential(joint.apply(initialise), *layers[4:])

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        z, y = z[:, :, None, None], y[:, :, None, None]
        return self.layers(torch.cat([self.from_noise(z), self.from_label(y)], dim=1))


class HiddenDiscriminator(nn.Module):
    """D: image and one-hot y become feature maps, each by a layer of its own, and are joined."""

    def __init__(self, config: Any):
        super().__init__()
        layers, n_features = convolutions(config.width, config.shape)
        joint, n_maps = layers[2], config.hidden_label
        self.from_image = layers[:2]  # convolution, leaky ReLU
        self.from_label = nn.Sequential(nn.Linear(config.classes, n_maps), nn.LeakyReLU(0.2))
        joint = nn.Conv2d(
            joint.in_channels + n_maps, joint.out_channels, 4, stride=2, padding=1, bias=False
        )
        self.features = nn.Sequential(joint.apply(initialise), *layers[3:])
        self.score = nn.Conv2d(n_features, 1, layer_sizes(config.shape)[0]).apply(initialise)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        maps = self.from_image(x)
        planes = self.from_label(y)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        return self.score(self.features(torch.cat([maps, planes], dim=1))).flatten()


class NamingDiscriminator(nn.Module):
    """D: samples alone -> scores (n,) and class logits (n, classes), from the same features."""

    def __init__(self, config: Any):
        super().__init__()
        heads = 1 + config.classes
        if len(config.shape) == 3:
            features, maps = convolutions(config.width, config.shape)
            last = nn.Conv2d(maps, heads, layer_sizes(config.shape)[0]).apply(initialise)
            self.layers = nn.Sequential(*features, last)
        else:
            self.layers = perceptron([*config.shape, *config.hidden, heads], nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        numbers = self.layers(x).flatten(1)
        return numbers[:, 0], numbers[:, 1:]
