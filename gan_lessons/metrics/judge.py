"""The judge: a small digit classifier whose features say how real a digit looks.

`scripts/train_judge.py` trains it on MNIST and writes `gan_lessons/judge.safetensors`.
"""

from functools import cache
from importlib.resources import as_file, files
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_lessons.devices import pick_device
from gan_lessons.files import read_tensors

WEIGHTS = "judge.safetensors"
SIZE = 32  # the judge looks at 32 x 32 pixels


class Judge(nn.Module):
    """Three strided convolutions, 64 features, 10 classes.

    Takes grey digits (N, 1, H, W) in [-1, 1], H = W from 28 to 64; `forward` returns logits
    (N, 10), `features` the activations (N, 64) of the last hidden layer, after its ReLU.
    """

    num_features = 64

    def __init__(self):
        super().__init__()
        widths = (1, 16, 32, 64)
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(widths)
        ]
        self.body = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(64 * 4 * 4, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)
        self.facts: dict[str, str] = {}  # what the file says: accuracy, seed, versions

    def features(self, images: Tensor) -> Tensor:
        """Features (N, 64), none below zero, of images (N, 1, H, W)."""
        return self.body(_to_judge_size(images))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 10) of images (N, 1, H, W)."""
        return self.head(self.features(images))


def _to_judge_size(images: Tensor) -> Tensor:
    size = images.shape[-1]
    if size == SIZE:
        return images
    if size < SIZE:  # MNIST's own 28 x 28: a border, as the data have it, keeps the pixels
        first = (SIZE - size) // 2
        last = SIZE - size - first
        return F.pad(images, (first, last, first, last), value=-1.0)
    return F.interpolate(images, size=SIZE, mode="bilinear", antialias=True)


def load_judge(device: str | torch.device | None = None) -> Judge:
    """The trained judge, in evaluation mode and frozen, on `device` (None: the CPU).

    `judge.facts` has the accuracy, seed, versions and script that belong to the weights. A file
    whose contents do not have their checksum raises ValueError with its path.
    """
    return _load(str(pick_device(device or "cpu")))


@cache
def _load(device: str) -> Judge:
    with as_file(files("gan_lessons") / WEIGHTS) as path:
        weights, facts = read_tensors(path)
    judge = Judge()
    judge.load_state_dict(weights)
    judge.facts = facts
    return judge.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)


@torch.no_grad()
def features(images: Tensor, batch: int = 500) -> Tensor:
    """Judge features (N, 64) as float64 on the CPU.

    `images` are grey digits (N, 1, H, W) in [-1, 1], 28 to 64 pixels wide. A two-dimensional tensor
    (N, D) is taken for features, or points, and comes back as float64. Raises TypeError or
    ValueError for anything else, for values out of range, and for NaN.
    """
    values = check_digits(images)
    if values.dim() == 2:
        return values.detach().cpu().double()
    judge = load_judge(values.device)
    return torch.cat([judge.features(part.float()).cpu() for part in values.split(batch)]).double()


@torch.no_grad()
def classify(images: Tensor) -> Tensor:
    """The class 0..9 that the judge sees in each image, or in each row of features: int64 (N,).

    Raises as `features`, and ValueError for rows that are not 64 wide.
    """
    rows = features(images)
    if rows.shape[1] != Judge.num_features:
        raise ValueError(
            f"rows have {rows.shape[1]} numbers, the judge's features {Judge.num_features}: "
            "pass images (N, 1, H, W), or what gan_lessons.metrics.features returned."
        )
    return load_judge().head(rows.float()).argmax(dim=1)


def check_samples(samples: Tensor, name: str = "samples") -> Tensor:
    """Return `samples` if they are a finite float tensor with one sample a row; else raise."""
    if hasattr(samples, "floats"):
        samples = samples.floats()
    if not isinstance(samples, Tensor):
        raise TypeError(
            f"{name} must be a torch tensor or TensorData, not {type(samples).__name__}: "
            "use torch.as_tensor(...)."
        )
    if not samples.is_floating_point():
        raise TypeError(
            f"{name} are {samples.dtype}: pass floats; bytes become floats by x / 127.5 - 1."
        )
    if samples.numel() == 0:
        raise ValueError(f"{name} are empty: pass one sample or more.")
    if not samples.isfinite().all():
        bad = int((~samples.reshape(len(samples), -1).isfinite().all(dim=1)).sum())
        raise ValueError(
            f"{bad:,} of {len(samples):,} {name} contain NaN or infinity: the training has "
            "diverged, or the samples were computed in too low a precision."
        )
    return samples


def check_images(samples: Tensor, name: str = "samples") -> Tensor:
    """As `check_samples`, for images (N, C, H, W) in [-1, 1]."""
    samples = check_samples(samples, name)
    if samples.dim() != 4:
        raise ValueError(
            f"{name} have shape {tuple(samples.shape)}: pass images (N, C, H, W); "
            "reshape flat ones with x.view(-1, 1, 32, 32)."
        )
    low, high = (float(v) for v in samples.aminmax())
    if low < -1.01 or high > 1.01:
        raise ValueError(
            f"{name} range from {low:.3g} to {high:.3g}, but images lie in [-1, 1]: "
            "end the generator in tanh, or scale 0..255 by x / 127.5 - 1."
        )
    if low == 0 and high > 0.5:  # a generator's tanh does not end at 0 exactly
        raise ValueError(
            f"{name} range from 0 to {high:.3g}: they look like images in [0, 1]; "
            "use 2 * x - 1, so that black is -1."
        )
    return samples


def check_digits(samples: Tensor, name: str = "samples") -> Tensor:
    """As `check_images`, for what the judge can see; rows of features (N, D) pass as well."""
    samples = check_samples(samples, name)
    if samples.dim() == 2:
        return samples
    samples = check_images(samples, name)
    channels, height, width = samples.shape[1:]
    if channels != 1:
        raise ValueError(
            f"{name} have {channels} channels, but the judge knows grey digits only: "
            "it cannot rate colour pictures. Use nearest_neighbours, or features of your own."
        )
    if height != width or not 28 <= width <= 64:
        raise ValueError(
            f"{name} are {height} x {width} pixels: the judge takes squares of 28 to 64; "
            "resize them with torch.nn.functional.interpolate."
        )
    return samples


def check_labels(labels: Tensor, count: int, name: str = "labels", classes: int = 10) -> Tensor:
    """Return `labels` on the CPU if they are `count` whole numbers in 0..classes-1; else raise."""
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        found = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"{name} must be a tensor of whole numbers, not {found}: use x.long().")
    if labels.shape != (count,):
        raise ValueError(
            f"{name} have shape {tuple(labels.shape)} for {count:,} samples: "
            f"pass one number a sample, shape ({count},)."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{name} range from {int(labels.min())} to {int(labels.max())}: "
            f"classes are numbered 0 to {classes - 1}."
        )
    return labels.cpu().long()
