"""Containers of two data sets: pairs, two domains without pairs, and data with few labels."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from gan_lessons.arguments import of_kind
from gan_lessons.data.augment import check_augmentation, cropped_shape, flip_and_crop
from gan_lessons.data.tensors import Batch, TensorData


@dataclass(frozen=True, eq=False, repr=False)
class _TwoSets:
    """What holds for all of them: two `TensorData` with samples of one shape, on one device."""

    made_by: ClassVar[str]  # how to get one, for the messages of errors
    parts: ClassVar[tuple[str, str]]  # the names of both fields

    @property
    def _both(self) -> tuple[TensorData, TensorData]:
        first, second = (getattr(self, part) for part in self.parts)
        return first, second

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"{kind}({self.name!r}, shape={self.shape}, device={str(self.device)!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample in a batch, the same on both sides."""
        return self._both[0].shape

    @property
    def is_images(self) -> bool:
        """True for images, False for points."""
        return self._both[0].is_images

    @property
    def device(self) -> torch.device:
        """Where both data sets are, and where batches are drawn."""
        return self._both[0].device

    @property
    def labels(self) -> Tensor | None:
        """The labels that batches come with: none."""
        return None

    def to(self, device: torch.device | str) -> Self:
        """The same data on another device."""
        return replace(self, **{part: getattr(self, part).to(device) for part in self.parts})


@dataclass(frozen=True, eq=False, repr=False)
class _Augmented(_TwoSets):
    """Two data sets of images that a batch may flip and crop at random."""

    flip: bool = field(default=False, kw_only=True)
    crop: int | None = field(default=None, kw_only=True)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample in a batch, the same on both sides: after the crop."""
        return cropped_shape(super().shape, self.crop)

    def augmented(self, *, flip: bool = True, crop: int | None = None) -> Self:
        """The same data, flipped and cropped at random in every batch."""
        return replace(self, flip=flip, crop=crop)


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(_Augmented):
    """Two data sets of one length, shape and device, of which row i belongs to row i.

    With `flip`, a batch is mirrored left to right by a coin for each pair; with `crop`, a random
    square of so many pixels is cut from it. Input and target always share coin and place.

    Raises TypeError for anything but `TensorData` and ValueError for two lengths, shapes or
    devices, or for a crop larger than the images.
    """

    inputs: TensorData
    targets: TensorData

    made_by = "toy_facades(), side_by_side(path) or facades()"
    parts = ("inputs", "targets")

    def __post_init__(self) -> None:
        for name in self.parts:
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

    @property
    def name(self) -> str:
        """What is turned into what."""
        return f"{self.inputs.name} to {self.targets.name}"

    def subset(self, index) -> "Pairs":
        """The pairs at `index` (slice, list, index or mask tensor) as data of their own."""
        return replace(self, inputs=self.inputs.subset(index), targets=self.targets.subset(index))

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` inputs as x and their targets as y, drawn with replacement, row by row a pair."""
        index = torch.randint(len(self), (n,), device=self.device, generator=generator)
        x, y = self.inputs.floats(index), self.targets.floats(index)
        if not self.flip and self.crop is None:
            return Batch(x, y)
        # Side by side along the channels, so that one coin decides for both.
        both = flip_and_crop(torch.cat([x, y], dim=1), self.flip, self.crop, generator)
        return Batch(*both.chunk(2, dim=1))


@dataclass(frozen=True, eq=False, repr=False)
class TwoDomains(_Augmented):
    """Two data sets with samples of one shape, on one device; which belongs to which is unknown.

    With `flip`, each image of a batch is mirrored left to right by a coin of its own; with `crop`,
    a random square of so many pixels is cut from each.

    Raises TypeError for anything but `TensorData`, and ValueError for two shapes or two devices, or
    for a crop larger than the images.
    """

    first: TensorData
    second: TensorData = None  # no default: the check says better than Python what is missing

    made_by = "TwoDomains(first, second), two_folders(path) or digits_in_two_styles()"
    parts = ("first", "second")

    def __post_init__(self) -> None:
        for name in self.parts:
            if isinstance(getattr(self, name), Pairs):
                raise TypeError(
                    f"{name} is a Pairs, whose rows belong together; what learns from two domains "
                    "must not see that. Give the inputs of one half and the targets of the other: "
                    "TwoDomains(pairs.subset(slice(0, k)).inputs, "
                    "pairs.subset(slice(k, None)).targets)."
                )
            if not isinstance(getattr(self, name), TensorData):
                raise TypeError(
                    f"{name} must be a TensorData, not {type(getattr(self, name)).__name__}: "
                    "digits(), folder(…) and from_torchvision(…) make some."
                )
        if self.first.shape != self.second.shape or self.first.is_images != self.second.is_images:
            raise ValueError(
                f"Samples of the first domain have shape {self.first.shape}, those of the second "
                f"{self.second.shape}: load both with one size=… and one channels=…."
            )
        if self.first.device != self.second.device:
            raise ValueError(
                f"The first domain is on {self.first.device}, the second on {self.second.device}: "
                "move both with to(device)."
            )
        check_augmentation(self.flip, self.crop, self.first.shape)

    def __len__(self) -> int:
        """The number of samples in the smaller domain."""
        return min(len(self.first), len(self.second))

    @property
    def name(self) -> str:
        """The names of both domains."""
        return f"{self.first.name} / {self.second.name}"

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` samples of the first domain as x and `n` of the second as y, drawn independently."""
        x, y = self.first.batch(n, generator).x, self.second.batch(n, generator).x
        if not self.flip and self.crop is None:
            return Batch(x, y)
        # One call each: coins and places of the two domains have nothing to do with each other.
        return Batch(*(flip_and_crop(v, self.flip, self.crop, generator) for v in (x, y)))


@dataclass(frozen=True, eq=False, repr=False)
class FewLabels(_TwoSets):
    """Samples of which a few have a label: `labelled`, and all of them without, `others`.

    Raises ValueError if the labels are missing, or for samples of two shapes or on two devices.
    """

    labelled: TensorData
    others: TensorData

    made_by = "few_labels(data)"
    parts = ("labelled", "others")

    def __post_init__(self) -> None:
        for name, part in zip(self.parts, self._both, strict=True):
            of_kind(name, part, TensorData, hint="few_labels(data) makes a fitting set.")
        if self.labelled.labels is None:
            raise ValueError("labelled has no labels: few_labels(data) makes a fitting set.")
        ours, theirs = ((part.shape, part.device) for part in self._both)
        if ours != theirs:
            raise ValueError(f"labelled has shape and device {ours}, others {theirs}: make equal.")

    def __len__(self) -> int:
        return len(self.others)

    @property
    def name(self) -> str:
        """The name of all samples, and how many labels there are."""
        return f"{self.others.name}, {len(self.labelled):,} of them labelled"

    @property
    def labels(self) -> Tensor:
        """The labels that are known, int64, one for each sample of `labelled`."""
        return self.labelled.labels

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """A quarter of `n` samples with a label, and after them `n` without, drawn independently.

        `y` holds the labels of the first `len(y)` rows of x, which come from `labelled`. The `n`
        rows behind them, `x[len(y):]`, are drawn evenly from all samples, `others`: a model that is
        to learn from the data without labels looks at these alone, or it would see the few labelled
        samples far more often than the rest. Both draws are with replacement; at least one sample
        has a label.
        """
        known = self.labelled.batch(max(1, n // 4), generator)
        return Batch(torch.cat([known.x, self.others.batch(n, generator).x]), known.y)
