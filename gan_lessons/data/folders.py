"""The reader's own pictures: from folders in several layouts, and from torchvision's data sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_lessons.data.listing import counted, open_folder, spread
from gan_lessons.data.pictures import (
    LARGEST,
    Rows,
    UnfitPicture,
    as_picture,
    check_channels,
    check_limit,
    check_picture_options,
    read_pictures,
    square,
)
from gan_lessons.data.sets import Pairs, TwoDomains
from gan_lessons.data.tensors import TensorData, check_size
from gan_lessons.messages import printable


def folder(
    path: str | Path, size: int = 64, *, channels: int = 3, limit: int | None = None
) -> TensorData:
    """All pictures below `path` as (channels, size, size), sorted by path.

    Each one is turned upright, put on white where it is transparent, cut to the square in its
    middle and resized. `size` is 28..64, or up to 72 to crop from, `channels` 3 (colour) or 1
    (grey). With `limit`, at most so many, taken evenly from the list. If every picture lies in a
    folder directly below `path`, these folders' names are the classes; otherwise there are no
    labels. Links to folders and files are followed. Hidden files and files that are no pictures are
    left out. Pictures that cannot be read or are of an unknown format, folders that may not be
    opened and links that lead nowhere are named and skipped.

    Raises FileNotFoundError, NotADirectoryError or PermissionError for a wrong path, and ValueError
    for a wrong option or if no picture is left.
    """
    check_picture_options(size, channels, limit)

    def convert(picture: Image.Image) -> tuple[Tensor]:
        # JPEGs decode at a fraction of their size, which is several times faster.
        picture.draft(None, (2 * size, 2 * size))
        return (square(picture, size, channels),)

    root = open_folder(path)
    files, (values,) = read_pictures(root, limit, convert)
    labels, classes = _folder_labels(files)
    name = f"{printable(root.name)}, {counted(len(files), 'picture')} of your own"
    return TensorData(values, labels, name, classes)


def two_folders(
    path: str | Path,
    split: str = "train",
    size: int = 64,
    *,
    channels: int = 3,
    limit: int | None = None,
) -> TwoDomains:
    """Unpaired pictures in the layout of CycleGAN's data sets: trainA, trainB, testA, testB.

    `split` is "train" or "test": the pictures of its folder A are the first domain, those of B the
    second. The other options are those of `folder`, and so are the errors; `limit` holds for each
    domain. A missing folder raises FileNotFoundError. Any two folders do as well:
    `TwoDomains(folder(one), folder(other))`.
    """
    if split not in ("train", "test"):
        raise ValueError(
            f'split is {split!r}: choose "train" or "test". Two folders of your own are '
            "TwoDomains(folder(…), folder(…))."
        )
    root = open_folder(path)
    wanted = [f"{split}A", f"{split}B"]
    missing = [name for name in wanted if not (root / name).is_dir()]
    if missing:
        there = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] not in "._")
        listed = printable(", ".join(there[:8])) or "none"
        raise FileNotFoundError(
            f"There is no folder {' and no folder '.join(missing)} in {str(path)!r} (its folders: "
            f"{listed}). Put one kind of pictures into {wanted[0]} and the "
            f"other into {wanted[1]}, or give any two folders: TwoDomains(folder(…), folder(…))."
        )
    first, second = (folder(root / name, size, channels=channels, limit=limit) for name in wanted)
    return TwoDomains(
        replace(first, name=f"{printable(root.name)}, {first.name}"),
        replace(second, name=f"{printable(root.name)}, {second.name}"),
    )


def side_by_side(
    path: str | Path,
    size: int = 64,
    *,
    input_side: str = "right",
    channels: int = 3,
    limit: int | None = None,
) -> Pairs:
    """All pictures below `path`, each one an input and its target, two squares side by side.

    That is how the data sets of pix2pix are stored. `input_side` says where the input is: "right"
    for facades, "left" for edges2shoes. Both squares are resized to (channels, size, size); `size`
    is 28..64, or up to 72 to crop from, `channels` 3 (colour) or 1 (grey). With `limit`, at most so
    many, taken evenly from the list. Pictures that cannot be read, and those that are not twice as
    wide as high, are named and skipped.

    Raises FileNotFoundError, NotADirectoryError or PermissionError for a wrong path, and ValueError
    for a wrong option, for a folder that holds training and test pictures, or if no picture is
    left.
    """
    check_picture_options(size, channels, limit)
    if input_side not in ("left", "right"):
        raise ValueError(f'input_side is {input_side!r}: choose "left" or "right".')
    root = open_folder(path)
    _refuse_whole_data_sets(root)
    in_order = 1 if input_side == "left" else -1

    def convert(picture: Image.Image) -> tuple[Tensor, ...]:
        picture = ImageOps.exif_transpose(picture)
        width, height = picture.size
        if width != 2 * height:
            raise UnfitPicture(f"{width} x {height}")
        halves = (picture.crop((left, 0, left + height, height)) for left in (0, height))
        return tuple(square(half, size, channels) for half in halves)[::in_order]

    files, (inputs, targets) = read_pictures(
        root,
        limit,
        convert,
        "twice as wide as high",
        "Here input and target are two squares in one picture. Pictures that nobody has paired "
        "are for two_folders(…) or TwoDomains(folder(…), folder(…)).",
    )
    name = f"{printable(root.name)}, {len(files):,} of your own"
    return Pairs(
        TensorData(inputs, None, f"the {input_side} side"), TensorData(targets, None, name)
    )


def from_torchvision(
    dataset, size: int = 32, *, channels: int | None = None, limit: int | None = None
) -> TensorData:
    """A torchvision image data set, or any sequence of (image, label), as one tensor.

    Images may be PIL pictures, arrays (H, W) or (H, W, C) of bytes, or tensors (H, W) or (C, H, W)
    of bytes or of floats in [0, 1]. They are cut and resized as in `folder`. `channels` None keeps
    what the first image has, grey or colour. With `limit`, at most so many, taken evenly. Labels
    are kept if all are whole numbers from 0 on, with the names in `dataset.classes`.

    Raises TypeError for a data set without length and index or an unknown kind of image, and
    ValueError for a wrong option, an empty data set, or floats outside [0, 1].
    """
    check_size(size, largest=LARGEST)
    if channels is not None:
        check_channels(channels)
    check_limit(limit)
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            f"{type(dataset).__name__} has no length or no index: give a data set for which "
            "len(dataset) and dataset[0] work, not a loader or an iterator."
        )
    indices = spread(range(len(dataset)), limit)
    if not indices:
        raise ValueError("The data set is empty: check its split and its folder.")
    images, labels = Rows(len(indices)), []
    for index in indices:
        item = dataset[index]
        image, *rest = item if isinstance(item, tuple | list) else (item,)
        picture = as_picture(image)
        channels = channels or (1 if _is_grey(picture) else 3)
        images.append(square(picture, size, channels))
        labels.append(_as_label(rest[0]) if rest else None)
    name = f"{type(dataset).__name__}, {counted(len(labels), 'image')}"
    if None in labels:
        return TensorData(images.tensor(), None, name)
    classes = tuple(str(name) for name in getattr(dataset, "classes", None) or ())
    if max(labels) >= len(classes):
        classes = ()
    return TensorData(images.tensor(), torch.tensor(labels), name, classes)


def _folder_labels(files: list[str]) -> tuple[Tensor | None, tuple[str, ...]]:
    parts = [file.split("/") for file in files]
    if any(len(part) != 2 for part in parts):
        return None, ()
    numbers = {name: i for i, name in enumerate(sorted({name for name, _ in parts}))}
    labels = torch.tensor([numbers[name] for name, _ in parts])
    return labels, tuple(printable(name) for name in numbers)


def _refuse_whole_data_sets(root: Path) -> None:
    """Training must not see the test pictures, so the folder that holds both is not one to read."""
    found = {folder.name for folder in root.iterdir() if folder.is_dir()}
    parts = sorted(found & {"train", "val", "test", "trainA", "trainB", "testA", "testB"})
    if len(parts) > 1:
        hint = "two_folders(path) reads it, unpaired" if "trainA" in parts else "give one of them"
        raise ValueError(
            f"{str(root)!r} holds a whole data set, in {', '.join(parts)}: {hint}. Training must "
            "not see the test pictures."
        )


def _as_label(label) -> int | None:
    """The label as an int, or None if it is no whole number from 0 on."""
    if isinstance(label, Tensor | np.ndarray) and label.ndim == 0:
        label = label.item()
    return int(label) if isinstance(label, int | np.integer) and label >= 0 else None


def _is_grey(picture: Image.Image) -> bool:
    return Image.getmodebase(picture.mode) == "L"
