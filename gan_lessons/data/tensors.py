"""A whole data set as one tensor, so that a batch is one indexing operation on the device."""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gan_lessons.arguments import is_whole, of_kind, whole
from gan_lessons.messages import shown

SIZES = range(28, 65)  # the sides of an image that the book's networks and its judge take
# How names and messages call a split.
KINDS = {"train": "training", "val": "validation", "test": "test"}


class Batch(NamedTuple):
    """Samples `x`, float32 (n, C, H, W) in [-1, 1] or points (n, D), and what comes with them.

    `y` is their labels, int64 (n,), or None where the data have no labels; where only a few samples
    are labelled, they come first in `x`, and `y` has no more entries than that. From two domains,
    `y` is samples of the second one, of the shape of `x` and drawn independently of it; from pairs,
    the target of each row of `x`.
    """

    x: Tensor
    y: Tensor | None


# Tensors have no single truth value, so a generated __eq__ would raise: compare by identity.
@dataclass(frozen=True, eq=False)
class TensorData:
    """A data set held as one tensor on one device.

    `values` are images, uint8 (N, C, H, W) in 0..255, or points, float32 (N, D). `labels` are int64
    (N,) or None, `classes` their names. `name` says what the data are and is printed beside every
    number. Mixtures of Gaussians also carry their `modes` (K, D) and the `std` around each.

    Raises TypeError for a wrong dtype and ValueError for a wrong shape, length or label.
    """

    values: Tensor
    labels: Tensor | None = None
    name: str = "unnamed data"
    classes: tuple[str, ...] = ()
    modes: Tensor | None = None
    std: float | None = None

    made_by: ClassVar[str] = "digits(), folder(path) or ring()"

    def __post_init__(self) -> None:
        _check_values(self.values)
        if self.labels is not None:
            _check_labels(self.labels, self.values, self.classes)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"TensorData({self.name!r}, shape={self.shape}, device={str(self.device)!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) or (D,)."""
        return tuple(self.values.shape[1:])

    @property
    def is_images(self) -> bool:
        """True for images, False for points."""
        return self.values.dtype == torch.uint8

    @property
    def device(self) -> torch.device:
        """Where the tensors are, and where batches are drawn."""
        return self.values.device

    def to(self, device: torch.device | str) -> "TensorData":
        """The same data on another device."""
        try:
            moved = {
                key: None if tensor is None else tensor.to(device)
                for key, tensor in (
                    ("values", self.values),
                    ("labels", self.labels),
                    ("modes", self.modes),
                )
            }
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"The data cannot be moved to {device!r}: {error}") from error
        return replace(self, **moved)

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """Draw `n` samples with replacement; a `generator` must be on the data's device."""
        # With replacement there is no epoch to keep track of and no permutation to store.
        index = torch.randint(len(self), (whole("n", n),), device=self.device, generator=generator)
        return Batch(self.floats(index), None if self.labels is None else self.labels[index])

    def floats(self, index=slice(None)) -> Tensor:
        """Samples as float32: a byte v becomes v / 127.5 - 1, in [-1, 1]; points stay unchanged."""
        chosen = self.values[index]
        return chosen.float().div_(127.5).sub_(1) if self.is_images else chosen

    def subset(self, index) -> "TensorData":
        """The samples at `index` (slice, list, index or mask tensor) as a data set of its own."""
        try:
            values = self.values[index]
        except (IndexError, TypeError) as error:
            raise ValueError(
                f"index {shown(index)} chooses nothing from {len(self):,} samples: {error}"
            ) from error
        labels = None if self.labels is None else self.labels[index]
        return replace(self, values=values, labels=labels, name=f"{len(values):,} of: {self.name}")


def to_bytes(samples: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8, the inverse of `TensorData.floats`; points (N, D) as they are.

    What lies beyond the range is cut off. Anything but floats raises TypeError.
    """
    of_kind("samples", samples, Tensor)
    if not samples.is_floating_point():
        raise TypeError(f"samples are {samples.dtype}: give floats, images in [-1, 1] or points.")
    samples = samples.detach().float()
    if samples.dim() < 4:
        return samples
    return ((samples + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def check_size(size: int, largest: int = SIZES.stop - 1) -> None:
    """Raise ValueError unless `size` is a whole number in 28..64, or up to `largest`."""
    if is_whole(size) and SIZES.start <= size <= largest:
        return
    message = (
        f"size is {size!r}: choose a whole number of pixels from {SIZES.start} to "
        f"{SIZES.stop - 1}, the range that the book's networks and its judge take."
    )
    if largest >= SIZES.stop:
        message += f" Up to {largest} is possible where crop={SIZES.stop - 1} cuts it down."
    raise ValueError(message)


def _check_values(values: Tensor) -> None:
    if not isinstance(values, Tensor):
        raise TypeError(f"values must be a torch tensor, not {type(values).__name__}.")
    like_images = values.dim() in (3, 4) and values.is_floating_point()
    if like_images or values.dtype not in (torch.uint8, torch.float32):
        raise TypeError(
            f"values are {values.dtype} of shape {tuple(values.shape)}: give images (N, C, H, W) "
            "as torch.uint8 in 0..255 and points (N, D) as torch.float32. Float images x in "
            "[-1, 1] become bytes by ((x + 1) * 127.5).round().to(torch.uint8)."
        )
    wanted = (4, "images (N, C, H, W)") if values.dtype == torch.uint8 else (2, "points (N, D)")
    if values.dim() != wanted[0]:
        raise ValueError(
            f"values of dtype {values.dtype} must be {wanted[1]}, but their shape is "
            f"{tuple(values.shape)}: add or remove dimensions with reshape."
        )
    if values.numel() == 0:
        raise ValueError(f"values are empty, shape {tuple(values.shape)}: give one sample or more.")
    if values.is_floating_point() and not values.isfinite().all():
        raise ValueError("values contain NaN or infinity: remove these points first.")


def _check_labels(labels: Tensor, values: Tensor, classes: tuple[str, ...]) -> None:
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        found = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels must be a torch.int64 tensor, not {found}: use labels.long().")
    if labels.shape != (len(values),):
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, but there are {len(values):,} samples: "
            f"give one label each, shape ({len(values)},)."
        )
    if labels.device != values.device:
        raise ValueError(
            f"labels are on {labels.device} and values on {values.device}: put both on one device."
        )
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or (classes and high >= len(classes)):
        allowed = f"0..{len(classes) - 1}" if classes else "0 and up"
        raise ValueError(f"labels run from {low} to {high}, allowed are {allowed}.")
