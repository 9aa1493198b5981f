"""Random flips and crops of whole batches, with one coin for each image."""

import torch
from torch import Tensor

from gan_lessons.arguments import is_whole, of_kind


def flip_and_crop(
    images: Tensor,
    flip: bool = False,
    crop: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Images (n, C, H, W), each one flipped left to right or not, and cut to (n, C, crop, crop).

    Each image has a coin and a place of its own. What must be treated alike goes in side by side
    along the channels. A `generator` must be on the images' device.
    """
    n, channels, height, width = images.shape
    device = images.device
    if flip:
        coin = torch.rand(n, 1, 1, 1, device=device, generator=generator) < 0.5
        images = torch.where(coin, images.flip(-1), images)
    if crop is None:
        return images
    # randint leaves out its upper end: without the + 1 the last row would never be seen.
    top, left = (
        torch.randint(side - crop + 1, (n, 1), device=device, generator=generator)
        for side in (height, width)
    )
    steps = torch.arange(crop, device=device)
    rows, columns = (top + steps)[:, None, :, None], (left + steps)[:, None, None, :]
    sample = torch.arange(n, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[None, :, None, None]
    return images[sample, channel, rows, columns]


def check_augmentation(flip: bool, crop: int | None, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless samples of `shape` can be flipped and cropped like that."""
    of_kind("flip", flip, bool)
    if len(shape) != 3 and (flip or crop is not None):
        raise ValueError(f"flip and crop are for images, not for samples of shape {shape}.")
    if crop is None:
        return
    if not is_whole(crop) or not 1 <= crop <= min(shape[1:]):
        raise ValueError(
            f"crop is {crop!r}, and the images are {shape[1]} x {shape[2]}: choose a whole number "
            f"of pixels from 1 to {min(shape[1:])}, or load the images with a larger size=…."
        )


def cropped_shape(shape: tuple[int, ...], crop: int | None) -> tuple[int, ...]:
    """The shape of a sample after the crop."""
    return shape if crop is None else (shape[0], crop, crop)
