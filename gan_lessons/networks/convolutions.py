"""DCGAN's convolutional networks, and beside them perceptrons of the same use for points.

All variants of the objectives part share them: only their losses differ. Batch normalisation in the
discriminator is a choice, because a penalty on its slope and a bound on its weights both need
scores that depend on one sample alone.

Source: Radford, Metz, Chintala, ICLR 2016, https://arxiv.org/abs/1511.06434.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from gan_lessons.networks.perceptrons import perceptron


@dataclass(frozen=True)
class Settings:
    """What these networks are built with and trained with."""

    shape: tuple[int, ...] = (1, 32, 32)  # of one sample; taken from the data
    latent_dim: int = 64  # length of the noise vector z
    width: int = 24  # images: channels of the layer next to the image; doubles with every halving
    hidden: tuple[int, ...] = (128, 128, 128)  # points: widths of the hidden layers
    learning_rate: float = 1e-3  # of Adam, for both players
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam, for both players
    batch_size: int = 64  # samples in one update
    average_decay: float = 0.995  # of the averaged weights that samples are drawn from


SMOKE = {"width": 4, "hidden": (32, 32), "batch_size": 16}
GPU = {"width": 48, "learning_rate": 5e-4, "batch_size": 128, "average_decay": 0.999}


def layer_sizes(shape: tuple[int, ...]) -> list[int]:
    """The sides of the feature maps from the smallest up to the image, such as [4, 8, 16, 32].

    Each is half the next, down to an odd side or 4 pixels. A shape other than square images with a
    side from 28 to 64 that is a multiple of 4 raises `ValueError`.
    """
    side = shape[-1]
    if len(shape) != 3 or shape[1] != side or side % 4 or not 28 <= side <= 64:
        raise ValueError(
            f"DCGAN takes square images whose side is a multiple of 4 from 28 to 64, not {shape}; "
            "load them with another size=…."
        )
    sizes = [side]
    while sizes[0] % 2 == 0 and sizes[0] >= 8:
        sizes.insert(0, sizes[0] // 2)
    return sizes


def initialise(module: nn.Module) -> None:
    """The paper's start: convolution weights from N(0, 0.02), batch-norm scales from N(1, 0.02).

    Only for networks with batch normalisation: without it, a signal fades behind such weights.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


Norm = Callable[[int], nn.Module]  # makes the normalisation of so many channels


def transposed_convolutions(
    n_inputs: int, width: int, shape: tuple[int, ...], norm: Norm | None = nn.BatchNorm2d
) -> nn.Sequential:
    """From (n, n_inputs, 1, 1) to images (n, *shape); each layer doubles the side.

    `norm` and ReLU everywhere but at the output, which is a tanh.
    """
    sizes = layer_sizes(shape)
    channels = [width * 2**i for i in reversed(range(len(sizes) - 1))]
    bias = norm is None  # a shift that normalisation would take away again
    layers: list[nn.Module] = [nn.ConvTranspose2d(n_inputs, channels[0], sizes[0], bias=bias)]
    for n_in, n_out in zip(channels, [*channels[1:], shape[0]], strict=True):
        layers += [norm(n_in)] if norm else []
        layers += [nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=bias)]
    network = nn.Sequential(*layers, nn.Tanh())
    return network.apply(initialise) if norm else network


def convolutions(
    width: int, shape: tuple[int, ...], norm: Norm | None = nn.BatchNorm2d
) -> tuple[nn.Sequential, int]:
    """From images (n, *shape) to the smallest feature maps, and the number of those maps.

    Leaky ReLU everywhere; `norm` everywhere but at the input layer.
    """
    channels = [width * 2**i for i in range(len(layer_sizes(shape)) - 1)]
    layers = [nn.Conv2d(shape[0], width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for n_in, n_out in pairwise(channels):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1, bias=norm is None)]
        layers += [norm(n_out)] if norm else []
        layers += [nn.LeakyReLU(0.2)]
    network = nn.Sequential(*layers)
    return network.apply(initialise) if norm else network, channels[-1]


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
