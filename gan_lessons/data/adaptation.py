"""Two domains, and labels of the first one only: what domain adaptation learns from."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan_lessons.arguments import of_kind
from gan_lessons.data.backgrounds import on_photographs, on_textures
from gan_lessons.data.digits import digits
from gan_lessons.data.made import digits_and_usps, halves
from gan_lessons.data.sets import _TwoSets
from gan_lessons.data.tensors import Batch, TensorData


@dataclass(frozen=True, eq=False, repr=False)
class Adaptation(_TwoSets):
    """Labelled samples, `source`, and samples of another domain, `target`.

    The target may carry labels: they are there for a test afterwards, and no batch has them. Raises
    TypeError for anything but `TensorData`, and ValueError if the source has no labels, or for
    samples of two shapes or on two devices.
    """

    source: TensorData
    target: TensorData

    made_by = "mnist_to_mnist_m(), mnist_to_usps() or Adaptation(source, target)"
    parts = ("source", "target")

    def __post_init__(self) -> None:
        for name, part in zip(self.parts, self._both, strict=True):
            of_kind(name, part, TensorData, hint="mnist_to_usps() makes both at once.")
        if self.source.labels is None:
            raise ValueError("source has no labels: without them there is nothing to be taught.")
        ours, theirs = ((part.shape, part.device) for part in self._both)
        if ours != theirs:
            raise ValueError(f"source has shape and device {ours}, target {theirs}: make equal.")

    def __len__(self) -> int:
        """The number of samples in the smaller domain."""
        return min(len(self.source), len(self.target))

    @property
    def name(self) -> str:
        """What is adapted to what."""
        return f"{self.source.name} to {self.target.name}"

    @property
    def labels(self) -> Tensor:
        """The labels of the source, int64: all that training may know."""
        return self.source.labels

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` samples of the source and behind them `n` of the target, drawn independently, as x.

        `y` holds the labels of the first half, int64 (n,).
        """
        source = self.source.batch(n, generator)
        index = torch.randint(len(self.target), (n,), device=self.device, generator=generator)
        return Batch(torch.cat([source.x, self.target.floats(index)]), source.y)


def mnist_to_mnist_m(split: str = "train", size: int = 32, photographs: bool = True) -> Adaptation:
    """Grey digits with labels, and other digits blended with backgrounds, (3, size, size).

    The second half of the digits is blended, the first is not: no digit is in both domains. The
    backgrounds are BSDS500's photographs; the test split takes photographs that training never
    shows. Where they are not there, or without `photographs`, drawn textures take their place, and
    the name says so. `size` and errors as in `digits`.
    """
    first, second = halves(digits(split, size))
    grey = replace(first, values=first.values.expand(-1, 3, -1, -1).contiguous())
    return Adaptation(grey, (on_photographs if photographs else on_textures)(second, split))


def mnist_to_usps(split: str = "train", size: int = 32) -> Adaptation:
    """MNIST with its labels, and USPS, (1, size, size); what stands in: see `digits_and_usps`."""
    both = digits_and_usps(split, size)
    return Adaptation(both.first, both.second)
