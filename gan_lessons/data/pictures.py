"""Pictures of any kind as tensors of bytes: from files, and from what data sets yield."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from gan_lessons.arguments import is_whole
from gan_lessons.data.listing import counted, picture_files, some, spread
from gan_lessons.data.tensors import check_size
from gan_lessons.messages import say

LARGEST = 72  # 64 pixels are cut from so many: 286 and 256 in the paper of pix2pix
PART = 16  # pictures that a thread reads before it reports


class UnfitPicture(ValueError):
    """A picture can be read, but is not what is asked for; the message says what it is."""


def check_picture_options(size: int, channels: int, limit: int | None) -> None:
    """Raise ValueError for a size that a picture cannot have here, a wrong limit or channels.

    Pictures may be a little larger than what the networks take, so that a square of 64 can be cut
    from them at random.
    """
    check_size(size, largest=LARGEST)
    check_channels(channels)
    check_limit(limit)


def read_pictures(
    root: Path,
    limit: int | None,
    convert: Callable[[Image.Image], tuple[Tensor, ...]],
    wanted: str = "fit",
    advice: str = "",
) -> tuple[list[str], tuple[Tensor, ...]]:
    """What `convert` makes of each picture below `root`: their paths from there, and the tensors.

    `convert` gives one or more tensors of bytes, of the same shapes for every picture. Pictures
    that cannot be read, and those for which it raises `UnfitPicture`, are named and skipped, in one
    printed line each. `wanted` and `advice` complete the sentences about the second kind. Raises
    ValueError if no picture is left. After a second, a bar shows how far it is.
    """
    files = spread(picture_files(root), limit)
    names, sets, broken, unfit = [], [], [], []
    for name, result in zip(files, _converted(root, files, convert), strict=True):
        if result is None:
            broken.append(name)
        elif isinstance(result, UnfitPicture):
            unfit.append(f"{name} ({result})")
        else:
            sets = sets or [Rows(len(files)) for _ in result]
            names.append(name)
            for rows, picture in zip(sets, result, strict=True):
                rows.append(picture)
    many = counted(len(files), "picture")
    if len(broken) == len(files):
        raise ValueError(
            f"None of the {many} in {str(root)!r} can be read: {some(broken)}. "
            "Open them in an image viewer and save them again as PNG or JPEG."
        )
    if not names:
        raise ValueError(
            f"None of the {many} in {str(root)!r} is {wanted}: {some(unfit)}. {advice}"
        )
    if broken:
        say(f"Skipped {counted(len(broken), 'picture')} that cannot be read: {some(broken)}.")
    if unfit:
        verb = "is" if len(unfit) == 1 else "are"
        say(f"Skipped {counted(len(unfit), 'picture')} that {verb} not {wanted}: {some(unfit)}.")
    return names, tuple(rows.tensor() for rows in sets)


def _converted(
    root: Path, files: Sequence[str], convert: Callable[[Image.Image], tuple[Tensor, ...]]
) -> Iterator[tuple[Tensor, ...] | UnfitPicture | None]:
    """What `convert` makes of each file, in order, on all cores; stops at once when left."""
    stopped = Event()

    def load(name: str) -> tuple[Tensor, ...] | UnfitPicture | None:
        try:
            with Image.open(root / name) as picture:
                return convert(picture)
        except UnfitPicture as reason:
            return reason
        except Exception:  # each format's decoder raises errors of its own on a broken file
            return None

    def load_part(part: Sequence[str]) -> list[tuple[Tensor, ...] | UnfitPicture | None]:
        return [load(name) for name in part if not stopped.is_set()]

    parts = [files[i : i + PART] for i in range(0, len(files), PART)]
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        with tqdm(total=len(files), unit=" pictures", leave=False, delay=1) as bar:
            for results in pool.map(load_part, parts):
                yield from results
                bar.update(len(results))
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


class Rows:
    """Pictures of one shape in one tensor of bytes: there is never a second copy of them all."""

    def __init__(self, most: int):
        self.most, self.count = most, 0

    def append(self, picture: Tensor) -> None:
        """Write the next picture, (channels, height, width)."""
        if not self.count:
            self.values = np.empty((self.most, *picture.shape), np.uint8)
        self.values[self.count] = picture.numpy()
        self.count += 1

    def tensor(self) -> Tensor:
        """All pictures, (N, channels, height, width)."""
        # In place, which a slice is not: it would keep the room for those that were skipped.
        self.values.resize((self.count, *self.values.shape[1:]), refcheck=False)
        return torch.from_numpy(self.values)


def square(picture: Image.Image, size: int, channels: int) -> Tensor:
    """Any PIL picture as bytes (channels, size, size): upright, on white, centre-cropped."""
    picture = _eight_bits(ImageOps.exif_transpose(picture))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    # Convert first: palette indices and black-and-white pixels cannot be averaged.
    picture = picture.convert("L" if channels == 1 else "RGB")
    # Pillow's filters widen when they shrink a picture, so that nothing aliases.
    picture = ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)
    array = np.array(picture).reshape(size, size, channels)
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of 16 or 32 bits or of floats, scaled to bytes; others unchanged."""
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        return picture
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64)).clip(0)
    # Only "I;16" states its range; the other modes hold whatever the file held.
    tops = (65535,) if picture.mode.startswith("I;16") else (1, 255, 65535, 2**32)
    top = next((top for top in tops if values.max() <= top), tops[-1])
    return Image.fromarray((values * (255 / top)).round().clip(0, 255).astype(np.uint8))


def as_picture(image) -> Image.Image:
    """A PIL picture from what data sets yield."""
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, Tensor):
        array = image.detach().cpu().numpy()
        if array.ndim == 3:
            array = array.transpose(1, 2, 0)
    elif isinstance(image, np.ndarray):
        array = image
    else:
        raise TypeError(
            f"An image of the data set is a {type(image).__name__}: give PIL pictures, arrays or "
            "tensors, and each item as (image, label)."
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ValueError(
            f"An image of the data set has shape {tuple(image.shape)}: give tensors (C, H, W) or "
            "arrays (H, W, C) with 1, 3 or 4 channels."
        )
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise ValueError(
                f"Float images must lie in [0, 1], but run from {array.min():.3g} to "
                f"{array.max():.3g}: leave Normalize out of the data set's transform."
            )
        array = (array * 255).round().astype(np.uint8)
    if array.dtype != np.uint8:
        raise TypeError(f"Images are {array.dtype}: give bytes (uint8) or floats in [0, 1].")
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def check_channels(channels: int) -> None:
    """Raise ValueError unless `channels` is 1 or 3."""
    if not is_whole(channels) or channels not in (1, 3):
        raise ValueError(f"channels is {channels!r}: choose 3 for colour or 1 for grey.")


def check_limit(limit: int | None) -> None:
    """Raise ValueError unless `limit` is None or a whole number, 1 or more."""
    if limit is not None and not (is_whole(limit) and limit >= 1):
        raise ValueError(f"limit is {limit!r}: give a whole number, 1 or more, or None for all.")
