"""The networks that all variants of the objectives part share: only their losses differ.

For images they are DCGAN's, for points in the plane multilayer perceptrons. Batch normalisation in
the discriminator is a choice, because a penalty on its slope and a bound on its weights both need
scores that depend on one sample alone.
"""

from typing import Any

from torch import Tensor, nn

from gan_lessons.foundations.dcgan import (
    convolutions,
    initialise,
    layer_sizes,
    transposed_convolutions,
)
from gan_lessons.foundations.gan import perceptron


class Generator(nn.Module):
    """G: noise (n, latent_dim) -> samples (n, *shape); images in [-1, 1], points unbounded.

    The config has `shape` and `latent_dim`, and `width` for images or `hidden` for points. Without
    `tanh`, images are unbounded, too.
    """

    def __init__(self, config: Any, tanh: bool = True):
        super().__init__()
        self.images = len(config.shape) == 3
        if self.images:
            layers = transposed_convolutions(config.latent_dim, config.width, config.shape)
            self.layers = layers if tanh else layers[:-1]
        else:
            sizes = [config.latent_dim, *config.hidden, *config.shape]
            self.layers = perceptron(sizes, nn.ReLU())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None] if self.images else z)


class Discriminator(nn.Module):
    """D: samples (n, *shape) -> one score (n,), a real number: higher means more real.

    Each score depends on its own sample alone, unless `batch_norm` is set.
    """

    def __init__(self, config: Any, batch_norm: bool = False):
        super().__init__()
        if len(config.shape) == 3:
            norm = nn.BatchNorm2d if batch_norm else None
            features, maps = convolutions(config.width, config.shape, norm)
            score = nn.Conv2d(maps, 1, layer_sizes(config.shape)[0])
            if batch_norm:
                score.apply(initialise)
            self.layers = nn.Sequential(*features, score)
        else:
            self.layers = perceptron([*config.shape, *config.hidden, 1], nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
