"""The networks of the translation part: a discriminator of patches, and generators of pictures.

How far the discriminator sees is a number, [PIX2PIX-RF], computed from its layers and measured by
its gradient.
"""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan_lessons.foundations.dcgan import Norm, initialise, layer_sizes

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


class UNet(nn.Module):
    """G: images (n, *shape) -> images (n, *shape) in [-1, 1], through a bottleneck and around it.

    Each halving's features also go across to the doubling of the same size: the skip connections.
    Without `skips`, everything must pass through the bottleneck. Dropout in the innermost doublings
    is the noise z; `noise_on` keeps it on in evaluation. The bottleneck has no normalisation. A
    side that `layer_sizes` does not take raises `ValueError`.
    """

    def __init__(
        self, shape: tuple[int, ...], width: int, dropout: float = 0.5, skips: bool = True
    ):
        super().__init__()
        self.skips = skips
        halvings = len(layer_sizes(shape)) - 1
        widths = [width * min(2**i, 8) for i in range(halvings)]
        self.down = nn.ModuleList([nn.Conv2d(shape[0], width, 4, 2, 1)])
        for i, (n_in, n_out) in enumerate(pairwise(widths), start=2):
            conv = nn.Conv2d(n_in, n_out, 4, 2, 1, bias=i == halvings)
            norm = [nn.BatchNorm2d(n_out)] if i < halvings else []
            self.down.append(nn.Sequential(nn.LeakyReLU(0.2), conv, *norm))
        self.up = nn.ModuleList()
        noisy = min(3, max(1, halvings - 2))
        for i, (n_in, n_out) in enumerate(pairwise(widths[::-1])):
            conv = nn.ConvTranspose2d(self._joined(n_in, i), n_out, 4, 2, 1, bias=False)
            noise = [nn.Dropout(dropout)] if i < noisy else []
            self.up.append(nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(n_out), *noise))
        paint = nn.ConvTranspose2d(self._joined(width, halvings - 1), shape[0], 4, 2, 1)
        self.up.append(nn.Sequential(nn.ReLU(), paint, nn.Tanh()))
        self.apply(initialise)

    def _joined(self, n: int, depth: int) -> int:
        return 2 * n if self.skips and depth else n  # the bottleneck has nothing to be joined with

    def encode(self, x: Tensor) -> list[Tensor]:
        """The features after each halving, from the largest to the bottleneck."""
        features = []
        for layer in self.down:
            x = layer(x)
            features.append(x)
        return features

    def decode(self, features: list[Tensor]) -> Tensor:
        """The image from the bottleneck, `features[-1]`, and from what goes across, the others."""
        *across, x = features
        for layer, skip in zip(self.up, [None, *reversed(across)], strict=True):
            x = layer(x if skip is None or not self.skips else torch.cat([x, skip], dim=1))
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def noise_on(network: nn.Module) -> None:
    """Let dropout go on in a network that is otherwise in evaluation: here it is the noise z."""
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.train()


class ResidualBlock(nn.Module):
    """x + c(x): what two convolutions want to change is added to their input.

    Nothing follows the sum: a ReLU there would only let a block add.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class ResidualGenerator(nn.Module):
    """G: images (n, channels, H, W) -> images of the same shape in [-1, 1].

    `halvings` convolutions of stride 2, `blocks` residual blocks, as many doublings. Images go on
    beyond their border as in a mirror, and instance normalisation takes each image by itself. Sides
    that cannot be halved so often raise `ValueError`.
    """

    def __init__(self, channels: int, width: int, halvings: int = 1, blocks: int = 3):
        super().__init__()
        self.factor = 2**halvings
        widths = [width * 2**i for i in range(halvings + 1)]
        # Padding is half of the kernel, 3 of 7, so that the side stays.
        layers = [nn.Conv2d(channels, width, 7, padding=3, padding_mode="reflect", bias=False)]
        layers += [nn.InstanceNorm2d(width), nn.ReLU()]
        for n_in, n_out in pairwise(widths):
            layers += [nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False)]
            layers += [nn.InstanceNorm2d(n_out), nn.ReLU()]
        layers += [ResidualBlock(widths[-1]) for _ in range(blocks)]
        for n_in, n_out in pairwise(reversed(widths)):
            layers += [nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, output_padding=1, bias=False)]
            layers += [nn.InstanceNorm2d(n_out), nn.ReLU()]
        layers += [nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect"), nn.Tanh()]
        self.layers = nn.Sequential(*layers).apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % self.factor or x.shape[-2] % self.factor:
            raise ValueError(
                f"Images of {x.shape[-2]} x {x.shape[-1]} pixels cannot be halved to whole sides "
                f"and back: take sides that are multiples of {self.factor}, with size=…."
            )
        return self.layers(x)
