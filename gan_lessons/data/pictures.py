"""Pictures of any kind as tensors of bytes: from files, and from what data sets yield."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_lessons.data.tensors import check_size

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)

LARGEST = 72  # 64 pixels are cut from so many: 286 and 256 in the paper of pix2pix


class UnfitPicture(ValueError):
    """A picture can be read, but is not what is asked for; the message says what it is."""


def check_picture_options(size: int, channels: int) -> None:
    """Raise ValueError for a size that a picture cannot have here, or other than 1 or 3 channels.

    Pictures may be a little larger than what the networks take, so that a square of 64 can be cut
    from them at random.
    """
    check_size(size, largest=LARGEST)
    check_channels(channels)


def open_folder(path: str | Path) -> Path:
    """The folder at `path`, or FileNotFoundError, NotADirectoryError or PermissionError."""
    root = Path(path).expanduser().resolve()
    try:
        os.scandir(root).close()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no folder {str(path)!r}, seen from {str(Path.cwd())!r}: check the spelling, "
            "or give the full path. In Colab, upload the pictures first (Files, on the left)."
        ) from error
    except NotADirectoryError as error:
        raise NotADirectoryError(
            f"{str(path)!r} is a file: give the folder with the pictures; unpack an archive first."
        ) from error
    except PermissionError as error:
        raise PermissionError(
            f"You may not open the folder {str(path)!r}: give yourself the right to read it, or "
            "copy the pictures to a folder of your own."
        ) from error
    return root


def read_pictures(
    root: Path,
    limit: int | None,
    convert: Callable[[Image.Image], Tensor],
    wanted: str = "fit",
    advice: str = "",
) -> dict[Path, Tensor]:
    """What `convert` makes of each picture below `root`, by its path from there, in their order.

    Pictures that cannot be read, and those for which `convert` raises `UnfitPicture`, are named and
    skipped, in one printed line each. `wanted` and `advice` complete the sentences about the second
    kind. Raises ValueError if no picture is left.
    """
    files = spread(_picture_files(root), limit)

    def load(file: Path) -> Tensor | UnfitPicture | None:
        try:
            with Image.open(file) as picture:
                return convert(picture)
        except UnfitPicture as reason:
            return reason
        except Exception:  # each format's decoder raises errors of its own on a broken file
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(
            zip((f.relative_to(root) for f in files), pool.map(load, files), strict=True)
        )
    broken = [file.as_posix() for file, result in results.items() if result is None]
    unfit = [
        f"{file.as_posix()} ({result})"
        for file, result in results.items()
        if isinstance(result, UnfitPicture)
    ]
    many = counted(len(files), "picture")
    if len(broken) == len(files):
        raise ValueError(
            f"None of the {many} in {str(root)!r} can be read: {_some(broken)}. "
            "Open them in an image viewer and save them again as PNG or JPEG."
        )
    if len(broken) + len(unfit) == len(files):
        raise ValueError(
            f"None of the {many} in {str(root)!r} is {wanted}: {_some(unfit)}. {advice}"
        )
    if broken:
        print(f"Skipped {counted(len(broken), 'picture')} that cannot be read: {_some(broken)}.")
    if unfit:
        verb = "is" if len(unfit) == 1 else "are"
        print(f"Skipped {counted(len(unfit), 'picture')} that {verb} not {wanted}: {_some(unfit)}.")
    return {file: result for file, result in results.items() if isinstance(result, Tensor)}


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


def _picture_files(root: Path) -> list[Path]:
    """Pictures below `root` in the order of their paths; ValueError if there is none."""
    files = [
        file
        for file in root.rglob("*")
        if not any(part.startswith((".", "__")) for part in file.relative_to(root).parts)
        and file.is_file()
    ]
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not pictures:
        kinds = Counter(file.suffix.lower() or "no ending" for file in files).most_common(3)
        there = ", ".join(f"{n} x {kind}" for kind, n in kinds) or "no visible file at all"
        raise ValueError(
            f"There is no picture in {str(root)!r} (found: {there}). Known are "
            f"{', '.join(SUFFIXES)}: save yours as PNG or JPEG."
        )
    return sorted(pictures, key=lambda file: file.relative_to(root).as_posix())


def spread(items: Sequence, limit: int | None) -> Sequence:
    """At most `limit` items, evenly from the whole: the first ones may all be of one class.

    Raises ValueError for a limit below 1.
    """
    if limit is None:
        return items
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit is {limit!r}: give a whole number, 1 or more, or None for all.")
    n = min(limit, len(items))
    return [items[i * len(items) // n] for i in range(n)]


def check_channels(channels: int) -> None:
    """Raise ValueError unless `channels` is 1 or 3."""
    if channels not in (1, 3):
        raise ValueError(f"channels is {channels!r}: choose 3 for colour or 1 for grey.")


def counted(n: int, noun: str) -> str:
    """A number and its noun: "1 picture", "1,200 pictures"."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def _some(names: list[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more:,} more" if more > 0 else "")
