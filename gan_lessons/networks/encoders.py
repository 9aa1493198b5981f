"""Encoders, which read a code off a sample, and the judge of pairs: BiGAN's and ClusterGAN's.

They stand beside DCGAN's generator, and take its settings.

Sources: Donahue, Krähenbühl, Darrell, ICLR 2017, https://arxiv.org/abs/1605.09782; Mukherjee,
Asnani, Lin, Kannan, AAAI 2019, https://arxiv.org/abs/1809.03627.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, max_pool2d, pad

from gan_lessons.networks.convolutions import Norm, convolutions, layer_sizes
from gan_lessons.networks.perceptrons import perceptron


def reading_layers(
    config: Any, outputs: int, norm: Norm | None, activation: nn.Module
) -> nn.Sequential:
    """From samples (n, *shape) to rows of numbers (n, outputs).

    Convolutions with `norm` for images, a perceptron with `activation` for points.
    """
    if len(config.shape) == 3:
        features, maps = convolutions(config.width, config.shape, norm)
        last = nn.Conv2d(maps, outputs, layer_sizes(config.shape)[0])
        return nn.Sequential(*features, last, nn.Flatten())
    return perceptron([*config.shape, *config.hidden, outputs], activation)


class Encoder(nn.Module):
    """E: samples (n, *shape) -> codes (n, latent_dim), unbounded as the normal prior is."""

    def __init__(self, config: Any):
        super().__init__()
        self.layers = reading_layers(config, config.latent_dim, nn.BatchNorm2d, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class PairDiscriminator(nn.Module):
    """D: pairs of a sample (n, *shape) and a code (n, latent_dim) -> one score (n,), a logit.

    Higher means more like (x, E(x)) than (G(z), z). Sample and code pass through layers of their
    own, and then, with the products of what comes out, through common ones: only there can a pair
    be judged as a pair.
    """

    def __init__(self, config: Any):
        super().__init__()
        width = config.pair_width
        self.from_sample = reading_layers(config, width, None, nn.LeakyReLU(0.2))
        self.from_code = perceptron([config.latent_dim, width, width], nn.LeakyReLU(0.2))
        common = perceptron([3 * width, width, width, 1], nn.LeakyReLU(0.2))
        self.common = nn.Sequential(nn.LeakyReLU(0.2), *common)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        sample, code = self.from_sample(x), self.from_code(z)
        pair = torch.cat([sample, code, sample * code], dim=1)
        return self.common(pair).squeeze(1)


class ClusterEncoder(nn.Module):
    """E: samples (n, *shape) -> noise (n, latent_dim) and logits of the cluster (n, classes).

    Built as the discriminator, but without normalisation: a code depends on its sample alone.
    """

    def __init__(self, config: Any):
        super().__init__()
        self.sizes = [config.latent_dim, config.classes]
        self.layers = reading_layers(config, sum(self.sizes), None, nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        noise, logits = self.layers(x).split(self.sizes, dim=1)
        return noise, logits


def distorted(x: Tensor, bend: float, stroke: float) -> Tensor:
    """T: each image with thicker or thinner lines, and turned, sheared, scaled and shifted.

    ClusterGAN reads the cluster of an image from such a copy. What is done to each of the images
    (n, C, H, W) is drawn at random: lines of a bright drawing on a dark ground get up to `stroke`
    <= 1 pixels thicker or thinner, each entry of an affine map differs from the identity's by up to
    `bend`, and the shift is up to a sixth of that, in sides. Points (n, D) stay as they are.
    """
    if x.dim() != 4:
        return x
    x = x.to(torch.promote_types(x.dtype, torch.float32))  # not in half precision
    n, device = len(x), x.device
    thicker = max_pool2d(pad(x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
    thinner = -max_pool2d(pad(-x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
    towards = torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, thicker, thinner)
    x = x.lerp(towards, stroke * torch.rand(n, 1, 1, 1, device=device))
    limits = bend * torch.tensor([1.0, 1.0, 1 / 3], device=device)  # of an image whose side is 2
    maps = torch.eye(2, 3, device=device) + limits * (2 * torch.rand(n, 2, 3, device=device) - 1)
    places = affine_grid(maps, x.shape, align_corners=False)
    return grid_sample(x, places, padding_mode="border", align_corners=False)
