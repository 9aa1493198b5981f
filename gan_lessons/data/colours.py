"""Digits in two colours: unpaired for training, yet the true map between them is known."""

import torch
from torch import Tensor

from gan_lessons.data.digits import digits
from gan_lessons.data.domains import TwoDomains, halves, redrawn
from gan_lessons.data.tensors import TensorData

# Two colourings, (background, ink) in bytes: light digits on blue, dark ones on pale green.
COLOURS = {
    "first": ((20, 40, 100), (255, 200, 60)),
    "second": ((230, 240, 210), (130, 20, 90)),
}


def _background_and_ink(domain: str, like: Tensor) -> tuple[Tensor, Tensor]:
    """Both colours of a domain in [-1, 1], each (3, 1, 1)."""
    if domain not in COLOURS:
        raise ValueError(f'domain is {domain!r}: choose "first" or "second".')
    return tuple((torch.tensor(COLOURS[domain]).to(like) / 127.5 - 1)[:, :, None, None])


def _check_images(images: Tensor, channels: int) -> None:
    if images.dim() != 4 or images.shape[1] != channels or not images.is_floating_point():
        raise ValueError(
            f"images have shape {tuple(images.shape)} and are {images.dtype}: give floats "
            f"(N, {channels}, H, W) in [-1, 1]; floats() of a data set makes some."
        )


def coloured(images: Tensor, domain: str) -> Tensor:
    """Grey floats (N, 1, H, W) in [-1, 1] in the colours of "first" or "second", (N, 3, H, W).

    Black becomes the background's colour, white that of the ink, grey lies between, on a line.
    Raises ValueError for another domain or other images.
    """
    _check_images(images, 1)
    background, ink = _background_and_ink(domain, images)
    amount = (images + 1) / 2
    return background + amount * (ink - background)


def _amount_of_ink(images: Tensor, domain: str) -> Tensor:
    """How far along the line from background to ink a pixel lies, from 0 to 1: (N, 1, H, W).

    A colour beside the line counts as the nearest one on it.
    """
    _check_images(images, 3)
    background, ink = _background_and_ink(domain, images)
    line = ink - background
    return ((images - background) * line).sum(1, keepdim=True) / line.square().sum()


def to_grey(images: Tensor, domain: str) -> Tensor:
    """Digits in the colours of "first" or "second", (N, 3, H, W), to grey, (N, 1, H, W).

    Undoes `coloured`; the result is kept in [-1, 1], so that the judge can read it.
    """
    return (2 * _amount_of_ink(images, domain) - 1).clamp(-1, 1)


def to_second(images: Tensor) -> Tensor:
    """The true map from the first colouring to the second, pixel by pixel, (N, 3, H, W)."""
    return coloured(2 * _amount_of_ink(images, "first") - 1, "second")


def to_first(images: Tensor) -> Tensor:
    """The true map from the second colouring to the first; undoes `to_second`."""
    return coloured(2 * _amount_of_ink(images, "second") - 1, "first")


def digits_in_two_colours(split: str = "train", size: int = 32, **options) -> TwoDomains:
    """Half of the digits light on blue, the other half dark on pale green, (3, size, size).

    No digit is in both domains, so there is no pair to be found; but `to_second` and `to_first`
    know what each image would be in the other domain, up to the rounding to bytes. Both domains
    have labels. `options` are those of `digits`, and so are the errors.
    """
    first, second = halves(digits(split, size, **options))
    return TwoDomains(_coloured_data(first, "first"), _coloured_data(second, "second"))


def _coloured_data(data: TensorData, domain: str) -> TensorData:
    kind = "light on blue" if domain == "first" else "dark on green"
    return redrawn(data, lambda images: coloured(images, domain), kind)
