"""Made from digits: halves, two styles, two colours whose true map is known, and few labels."""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lessons.arguments import of_kind, whole
from gan_lessons.data.digits import USPSUnavailable, builtin_digits, digits, usps
from gan_lessons.data.sets import FewLabels, TwoDomains
from gan_lessons.data.tensors import TensorData, to_bytes
from gan_lessons.messages import say


def halves(data: TensorData, seed: int = 0) -> tuple[TensorData, TensorData]:
    """Two random halves of `data` that share no sample; same seed, same halves."""
    of_kind("data", data, TensorData)
    order = _order(data, seed)
    middle = len(data) // 2
    return data.subset(order[:middle].to(data.device)), data.subset(order[middle:].to(data.device))


def few_labels(data: TensorData, n: int = 100, seed: int = 0) -> FewLabels:
    """`data` with the labels of `n` samples only, equally many of each class, drawn with `seed`.

    Raises ValueError for data without labels, for an `n` that is no multiple of the number of
    classes, and if a class has too few samples.
    """
    of_kind("data", data, TensorData)
    if data.labels is None:
        raise ValueError(f"{data.name} has no labels; choose data with labels, such as digits().")
    whole("n", n, least=-len(data))
    order = _order(data, seed)
    shuffled, classes = data.labels.cpu()[order], data.labels.unique().tolist()
    chosen = torch.cat([order[shuffled == y][: n // len(classes)] for y in classes])
    if n < 1 or len(chosen) != n:
        raise ValueError(
            f"n is {n}, but {len(classes)} classes share the labels equally, and each must have "
            f"enough samples; choose a multiple of {len(classes)} that is small enough."
        )
    return FewLabels(data.subset(chosen.to(data.device)), replace(data, labels=None))


def _order(data: TensorData, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(whole("seed", seed, least=0))
    return torch.randperm(len(data), generator=generator)


def negative(images: Tensor) -> Tensor:
    """Floats in [-1, 1] with black and white exchanged; doing it twice changes nothing."""
    _check_floats(images)
    return -images


def edges(images: Tensor) -> Tensor:
    """Floats (N, C, H, W) in [-1, 1] to their outer edges, in [-1, 1]: dilated minus original.

    A pixel becomes bright if one of its eight neighbours is brighter than itself.
    """
    _check_floats(images)
    if images.dim() != 4:
        raise ValueError(f"images have shape {tuple(images.shape)}: give (N, C, H, W).")
    return F.max_pool2d(images, 3, stride=1, padding=1) - images - 1


STYLES: dict[str, Callable[[Tensor], Tensor]] = {"negative": negative, "edges": edges}


def restyled(data: TensorData, style: str) -> TensorData:
    """All images of `data` in a style, "negative" or "edges", with their labels.

    Raises ValueError for another style, or for points.
    """
    of_kind("data", data, TensorData)
    if style not in STYLES:
        names = " or ".join(f'"{name}"' for name in STYLES)
        raise ValueError(f"style is {style!r}: choose {names}.")
    if not data.is_images:
        raise ValueError(f"{data.name} are points, and a style is for images: try digits().")
    return redrawn(data, STYLES[style], style)


def redrawn(data: TensorData, change: Callable[[Tensor], Tensor], name: str) -> TensorData:
    """What `change` makes of all images of `data`, floats (N, C, H, W), with their labels."""
    parts = [
        to_bytes(change(data.floats(index)))
        for index in torch.arange(len(data), device=data.device).split(5000)
    ]
    return TensorData(torch.cat(parts), data.labels, f"{data.name}, {name}", data.classes)


def digits_in_two_styles(
    style: str = "negative", split: str = "train", size: int = 32, **options
) -> TwoDomains:
    """Half of the digits as they are, the other half in a style, "negative" or "edges".

    No digit is in both domains, so there is no pair to be found. `options` are those of `digits`,
    and so are the errors; an unknown style raises ValueError.
    """
    first, second = halves(digits(split, size, **options))
    return TwoDomains(first, restyled(second, style))


def digits_and_usps(split: str = "train", size: int = 32) -> TwoDomains:
    """MNIST and USPS, two collections of digits by other writers; prints what it loaded.

    Where USPS cannot be had, scikit-learn's digits take its place, and a line says so. Where MNIST
    cannot be had either, each domain has half of those.
    """
    first = digits(split, size)
    try:
        return TwoDomains(first, usps(split, size))
    except USPSUnavailable as reason:
        say(str(reason))
    if not first.name.startswith("MNIST"):
        return TwoDomains(*halves(first))
    return TwoDomains(first, builtin_digits(split, size, "in place of USPS"))


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


def _check_floats(images: Tensor) -> None:
    of_kind("images", images, Tensor, hint="floats() of a data set makes some.")
    if not images.is_floating_point():
        raise TypeError(f"images are {images.dtype}: give floats in [-1, 1], as floats() does.")


def _check_images(images: Tensor, channels: int) -> None:
    of_kind("images", images, Tensor, hint="floats() of a data set makes some.")
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
