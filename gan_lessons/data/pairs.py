"""Pairs of images that belong together: an input and the picture that it should become."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_lessons.data.augment import check_augmentation, cropped_shape, flip_and_crop
from gan_lessons.data.pictures import (
    UnfitPicture,
    check_picture_options,
    open_folder,
    read_pictures,
    square,
)
from gan_lessons.data.tensors import Batch, TensorData


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two data sets of one length, shape and device, of which row i belongs to row i.

    With `flip`, a batch is mirrored left to right by a coin for each pair; with `crop`, a random
    square of so many pixels is cut from it. Input and target always share coin and place.

    Raises TypeError for anything but `TensorData` and ValueError for two lengths, shapes or
    devices, or for a crop larger than the images.
    """

    inputs: TensorData
    targets: TensorData
    flip: bool = field(default=False, kw_only=True)
    crop: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            if not isinstance(getattr(self, name), TensorData):
                raise TypeError(
                    f"{name} must be a TensorData, not {type(getattr(self, name)).__name__}: "
                    "side_by_side(…) and toy_facades() make both at once."
                )
        first, second = self.inputs, self.targets
        if len(first) != len(second):
            raise ValueError(
                f"There are {len(first):,} inputs and {len(second):,} targets: give one target for "
                "each input, in the same order. Images that nobody has paired are "
                "TwoDomains(first, second)."
            )
        if first.shape != second.shape or first.is_images != second.is_images:
            raise ValueError(
                f"Inputs have shape {first.shape}, targets {second.shape}: load both with one "
                "size=… and one channels=…."
            )
        if first.device != second.device:
            raise ValueError(
                f"The inputs are on {first.device}, the targets on {second.device}: move both "
                "with to(device)."
            )
        check_augmentation(self.flip, self.crop, first.shape)

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        return f"Pairs({self.name!r}, shape={self.shape}, device={str(self.device)!r})"

    @property
    def name(self) -> str:
        """What is turned into what."""
        return f"{self.inputs.name} to {self.targets.name}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, and of one target, in a batch: after the crop."""
        return cropped_shape(self.inputs.shape, self.crop)

    @property
    def is_images(self) -> bool:
        """True for images, False for points."""
        return self.inputs.is_images

    @property
    def device(self) -> torch.device:
        """Where inputs and targets are, and where batches are drawn."""
        return self.inputs.device

    def to(self, device: torch.device | str) -> "Pairs":
        """The same data on another device."""
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))

    def subset(self, index) -> "Pairs":
        """The pairs at `index` (slice, list, index or mask tensor) as data of their own."""
        return replace(self, inputs=self.inputs.subset(index), targets=self.targets.subset(index))

    def augmented(self, *, flip: bool = True, crop: int | None = None) -> "Pairs":
        """The same data, flipped and cropped at random in every batch."""
        return replace(self, flip=flip, crop=crop)

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` inputs as x and their targets as y, drawn with replacement, row by row a pair."""
        index = torch.randint(len(self), (n,), device=self.device, generator=generator)
        x, y = self.inputs.floats(index), self.targets.floats(index)
        if not self.flip and self.crop is None:
            return Batch(x, y)
        # Side by side along the channels, so that one coin decides for both.
        both = flip_and_crop(torch.cat([x, y], dim=1), self.flip, self.crop, generator)
        return Batch(*both.chunk(2, dim=1))


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
    check_picture_options(size, channels)
    if input_side not in ("left", "right"):
        raise ValueError(f'input_side is {input_side!r}: choose "left" or "right".')
    root = open_folder(path)
    _refuse_whole_data_sets(root)
    in_order = 1 if input_side == "left" else -1

    def convert(picture: Image.Image) -> Tensor:
        picture = ImageOps.exif_transpose(picture)
        width, height = picture.size
        if width != 2 * height:
            raise UnfitPicture(f"{width} x {height}")
        halves = (picture.crop((left, 0, left + height, height)) for left in (0, height))
        return torch.stack([square(half, size, channels) for half in halves][::in_order])

    read = read_pictures(
        root,
        limit,
        convert,
        "twice as wide as high",
        "Here input and target are two squares in one picture. Pictures that nobody has paired "
        "are for two_folders(…) or TwoDomains(folder(…), folder(…)).",
    )
    inputs, targets = torch.stack(list(read.values()), dim=1)
    name = f"{root.name}, {len(read):,} of your own"
    return Pairs(
        TensorData(inputs, None, f"the {input_side} side"), TensorData(targets, None, name)
    )


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
