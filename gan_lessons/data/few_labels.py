"""Data of which only a few samples have a label."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan_lessons.data.tensors import Batch, TensorData


@dataclass(frozen=True, eq=False)
class FewLabels:
    """Samples of which a few have a label: `labelled`, and all of them without, `others`.

    Raises ValueError if the labels are missing, or for samples of two shapes or on two devices.
    """

    labelled: TensorData
    others: TensorData

    def __post_init__(self) -> None:
        if self.labelled.labels is None:
            raise ValueError("labelled has no labels: few_labels(data) makes a fitting set.")
        ours, theirs = (self.labelled.shape, self.labelled.device), (self.shape, self.device)
        if ours != theirs:
            raise ValueError(f"labelled has shape and device {ours}, others {theirs}: make equal.")

    def __len__(self) -> int:
        return len(self.others)

    @property
    def name(self) -> str:
        """The name of all samples, and how many labels there are."""
        return f"{self.others.name}, {len(self.labelled):,} of them labelled"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.others.shape

    @property
    def device(self) -> torch.device:
        """Where the tensors are, and where batches are drawn."""
        return self.others.device

    @property
    def labels(self) -> Tensor:
        """The labels that are known, int64, one for each sample of `labelled`."""
        return self.labelled.labels

    def to(self, device: torch.device | str) -> "FewLabels":
        """The same data on another device."""
        return FewLabels(self.labelled.to(device), self.others.to(device))

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` samples, the first quarter from `labelled`; `y` has the labels of that quarter."""
        known = self.labelled.batch(n // 4, generator)
        others = self.others.batch(n - n // 4, generator)
        return Batch(torch.cat([known.x, others.x]), known.y)


def few_labels(data: TensorData, n: int = 100, seed: int = 0) -> FewLabels:
    """`data` with the labels of `n` samples only, equally many of each class, drawn with `seed`.

    Raises ValueError for data without labels, for an `n` that is no multiple of the number of
    classes, and if a class has too few samples.
    """
    if data.labels is None:
        raise ValueError(f"{data.name} has no labels; choose data with labels, such as digits().")
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    shuffled, classes = data.labels.cpu()[order], data.labels.unique().tolist()
    chosen = torch.cat([order[shuffled == y][: n // len(classes)] for y in classes])
    if n < 1 or len(chosen) != n:
        raise ValueError(
            f"n is {n}, but {len(classes)} classes share the labels equally, and each must have "
            f"enough samples; choose a multiple of {len(classes)} that is small enough."
        )
    return FewLabels(data.subset(chosen.to(data.device)), replace(data, labels=None))
