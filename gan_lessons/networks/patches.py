"""The discriminator of patches, and how far it sees.

That is a number, [PIX2PIX-RF], computed from its layers and measured by its gradient.

Source: Isola, Zhu, Zhou, Efros, CVPR 2017, https://arxiv.org/abs/1611.07004.
"""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gan_lessons.networks.convolutions import Norm, initialise
from gan_lessons.networks.perceptrons import perceptron

NORMS = (nn.BatchNorm2d, nn.InstanceNorm2d)


class PatchDiscriminator(nn.Module):
    """D: images (n, c, H, W) -> one logit for each patch (n, h, w); higher means more real.

    `halvings` convolutions of stride 2 and two of stride 1, all 4 x 4: each logit sees a patch of
    16, 34 or 70 pixels for 1, 2 or 3 halvings. Several images of one size, as in D(x, y), are
    stacked along their channels, which add up to `channels`. `norm` is left out of the first layer,
    which sees colours, and of the last. Less than one halving raises `ValueError`.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        halvings: int = 1,
        norm: Norm | None = nn.BatchNorm2d,
    ):
        super().__init__()
        if halvings < 1:
            raise ValueError(f"halvings is {halvings}; choose 1, 2 or 3 for 16, 34 or 70 pixels.")
        widths = [width * min(2**i, 8) for i in range(halvings + 1)]
        layers = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, (n_in, n_out) in enumerate(pairwise(widths), start=1):
            stride = 2 if i < halvings else 1
            layers += [nn.Conv2d(n_in, n_out, 4, stride, 1, bias=norm is None)]
            layers += [norm(n_out)] if norm else []
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        if norm:
            self.apply(initialise)

    def forward(self, *images: Tensor) -> Tensor:
        return self.layers(torch.cat(images, dim=1)).squeeze(1)


def patch_discriminator(config: Any) -> nn.Module:
    """One score for each patch of an image, or for each point; settings: `ResidualSettings`.

    Every image is normalised by itself, so that its scores depend on no other.
    """
    if len(config.shape) == 3:
        halvings, norm = config.discriminator_halvings, nn.InstanceNorm2d
        return PatchDiscriminator(config.shape[0], config.discriminator_width, halvings, norm)
    return perceptron([*config.shape, *config.hidden, 1], nn.LeakyReLU(0.2))


def receptive_field(network: nn.Module) -> int:
    """1 + sum_i (k_i - 1) prod_{j < i} s_j.  [PIX2PIX-RF]

    The side of the patch that one output of a chain of convolutions depends on, from their kernels
    k and strides s.
    """
    side, stride = 1, 1
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            side += (layer.kernel_size[0] - 1) * stride
            stride *= layer.stride[0]
    return side


def measured_receptive_field(network: nn.Module, size: int = 160) -> int:
    """The side of the box of pixels at which the gradient of one output is not zero.

    For an image of `size` pixels; a box that reaches its border raises `ValueError`. Normalisation
    is taken out, because its statistics make every output depend on every pixel, and all weights
    are made positive, so that nothing cancels.
    """
    network = _without_norms(deepcopy(network)).double()
    for parameter in network.parameters():
        parameter.data.abs_()
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    image = torch.ones(1, first.in_channels, size, size, requires_grad=True, dtype=torch.float64)
    scores = network(image)
    middle = scores[..., scores.shape[-2] // 2, scores.shape[-1] // 2].sum()
    (slope,) = torch.autograd.grad(middle, image)
    rows, columns = slope.abs().sum((0, 1)).nonzero().T
    low = min(int(rows.min()), int(columns.min()))
    high = max(int(rows.max()), int(columns.max()))
    if low == 0 or high == size - 1:
        raise ValueError(f"The patch is cut off in {size} pixels: pass a larger size=….")
    return high - low + 1


def _without_norms(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        setattr(network, name, nn.Identity() if isinstance(child, NORMS) else _without_norms(child))
    return network
