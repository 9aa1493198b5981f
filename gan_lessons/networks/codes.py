"""A U-Net that takes a code beside its image, and the encoder that reads one: BicycleGAN's.

Source: Zhu, Zhang, Pathak, Darrell, Efros, Wang, Shechtman, NIPS 2017,
https://arxiv.org/abs/1711.11586.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks.convolutions import initialise
from gan_lessons.networks.encoders import reading_layers
from gan_lessons.networks.translators import UNet


class CodeUNet(UNet):
    """G: images (n, *shape) and codes (n, latent_dim) -> images (n, *shape) in [-1, 1].

    The code is tiled to a map of constant channels and joined to the input of every halving.
    There is no dropout: the code is the only noise. Batch normalisation, and not that of single
    images, which would take the constant that a code adds away again.
    """

    def __init__(self, shape: tuple[int, ...], width: int, latent_dim: int):
        super().__init__(shape, width, dropout=0.0)
        widths = [width * min(2**i, 8) for i in range(len(self.down))]
        self.down = nn.ModuleList()
        for i, (n_in, n_out) in enumerate(zip([shape[0], *widths], widths, strict=False)):
            inner = 0 < i < len(widths) - 1  # no normalisation at the image, nor the bottleneck
            conv = nn.Conv2d(n_in + latent_dim, n_out, 4, 2, 1, bias=not inner)
            before = [nn.LeakyReLU(0.2)] if i else []
            norm = [nn.BatchNorm2d(n_out)] if inner else []
            self.down.append(nn.Sequential(*before, conv, *norm))
        self.down.apply(initialise)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        features = []
        for layer in self.down:
            tiled = z.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])
            x = layer(torch.cat([x, tiled], dim=1))
            features.append(x)
        return self.decode(features)


class PictureEncoder(nn.Module):
    """E: images (n, *shape) -> mean and log-variance of a code, each (n, latent_dim).

    Without normalisation, which would take away the colour of an image that a code is to hold.
    """

    def __init__(self, config: Any):
        super().__init__()
        self.layers = reading_layers(config, 2 * config.latent_dim, None, nn.LeakyReLU(0.2))

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layers(y).chunk(2, dim=1)
        return mean, log_variance
