"""Two sets of images that nobody has paired: folders, digits in two styles, MNIST and USPS."""

import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lessons.data.augment import check_augmentation, cropped_shape, flip_and_crop
from gan_lessons.data.digits import (
    DIGITS,
    MIRROR_SECONDS,
    _builtin_digits,
    _to_size,
    cache_dir,
    check_size,
    digits,
    import_torchvision,
)
from gan_lessons.data.pairs import Pairs
from gan_lessons.data.pictures import folder, open_folder
from gan_lessons.data.tensors import Batch, TensorData, to_bytes


@dataclass(frozen=True, eq=False)
class TwoDomains:
    """Two data sets with samples of one shape, on one device; which belongs to which is unknown.

    With `flip`, each image of a batch is mirrored left to right by a coin of its own; with `crop`,
    a random square of so many pixels is cut from each.

    Raises TypeError for anything but `TensorData`, and ValueError for two shapes or two devices, or
    for a crop larger than the images.
    """

    first: TensorData
    second: TensorData = None  # no default: the check says better than Python what is missing
    flip: bool = field(default=False, kw_only=True)
    crop: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("first", "second"):
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

    def __repr__(self) -> str:
        return f"TwoDomains({self.name!r}, shape={self.shape}, device={str(self.device)!r})"

    @property
    def name(self) -> str:
        """The names of both domains."""
        return f"{self.first.name} / {self.second.name}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample of either domain in a batch: after the crop."""
        return cropped_shape(self.first.shape, self.crop)

    @property
    def is_images(self) -> bool:
        """True for images, False for points."""
        return self.first.is_images

    @property
    def device(self) -> torch.device:
        """Where both domains are, and where batches are drawn."""
        return self.first.device

    def to(self, device: torch.device | str) -> "TwoDomains":
        """The same data on another device."""
        return replace(self, first=self.first.to(device), second=self.second.to(device))

    def augmented(self, *, flip: bool = True, crop: int | None = None) -> "TwoDomains":
        """The same data, flipped and cropped at random in every batch."""
        return replace(self, flip=flip, crop=crop)

    def batch(self, n: int, generator: torch.Generator | None = None) -> Batch:
        """`n` samples of the first domain as x and `n` of the second as y, drawn independently."""
        x, y = self.first.batch(n, generator).x, self.second.batch(n, generator).x
        if not self.flip and self.crop is None:
            return Batch(x, y)
        # One call each: coins and places of the two domains have nothing to do with each other.
        return Batch(*(flip_and_crop(v, self.flip, self.crop, generator) for v in (x, y)))


def negative(images: Tensor) -> Tensor:
    """Floats in [-1, 1] with black and white exchanged; doing it twice changes nothing."""
    return -images


def edges(images: Tensor) -> Tensor:
    """Floats (N, C, H, W) in [-1, 1] to their outer edges, in [-1, 1]: dilated minus original.

    A pixel becomes bright if one of its eight neighbours is brighter than itself.
    """
    return F.max_pool2d(images, 3, stride=1, padding=1) - images - 1


STYLES: dict[str, Callable[[Tensor], Tensor]] = {"negative": negative, "edges": edges}


def restyled(data: TensorData, style: str) -> TensorData:
    """All images of `data` in a style, "negative" or "edges", with their labels.

    Raises ValueError for another style, or for points.
    """
    if style not in STYLES:
        names = " or ".join(f'"{name}"' for name in STYLES)
        raise ValueError(f"style is {style!r}: choose {names}.")
    if not data.is_images:
        raise ValueError(f"{data.name} are points, and a style is for images: try digits().")
    return redrawn(data, STYLES[style], style)


def redrawn(data: TensorData, change: Callable[[Tensor], Tensor], name: str) -> TensorData:
    """What `change` makes of all images of `data`, floats (N, C, H, W), with their labels."""
    parts = [
        to_bytes(change(data.floats(index)))
        for index in torch.arange(len(data), device=data.device).split(5000)
    ]
    return TensorData(torch.cat(parts), data.labels, f"{data.name}, {name}", data.classes)


def halves(data: TensorData, seed: int = 0) -> tuple[TensorData, TensorData]:
    """Two random halves of `data` that share no sample; same seed, same halves."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    middle = len(data) // 2
    return data.subset(order[:middle].to(data.device)), data.subset(order[middle:].to(data.device))


def digits_in_two_styles(
    style: str = "negative", split: str = "train", size: int = 32, **options
) -> TwoDomains:
    """Half of the digits as they are, the other half in a style, "negative" or "edges".

    No digit is in both domains, so there is no pair to be found. `options` are those of `digits`,
    and so are the errors; an unknown style raises ValueError.
    """
    first, second = halves(digits(split, size, **options))
    return TwoDomains(first, restyled(second, style))


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
        raise FileNotFoundError(
            f"There is no folder {' and no folder '.join(missing)} in {str(path)!r} (its folders: "
            f"{', '.join(there[:8]) or 'none'}). Put one kind of pictures into {wanted[0]} and the "
            f"other into {wanted[1]}, or give any two folders: TwoDomains(folder(…), folder(…))."
        )
    first, second = (folder(root / name, size, channels=channels, limit=limit) for name in wanted)
    return TwoDomains(
        replace(first, name=f"{root.name}, {first.name}"),
        replace(second, name=f"{root.name}, {second.name}"),
    )


class USPSUnavailable(FileNotFoundError):
    """USPS can neither be read nor be downloaded; the message says why and what to do."""


USPS_FILES = {"train": ("usps.bz2", 7_291), "test": ("usps.t.bz2", 2_007)}


def usps(
    split: str = "train",
    size: int = 32,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
) -> TensorData:
    """USPS, grey digits from envelopes, (1, size, size) with labels 0..9; prints what it loaded.

    `split` is "train" (7,291) or "test" (2,007). The 16 x 16 images are enlarged to 20 x 20 in a
    black frame, the size of MNIST's digits in theirs. They are read
    from `USPS/usps.bz2` and `USPS/usps.t.bz2` in the cache folder, or in `data_dir`, else
    downloaded with their checksums.

    Raises ValueError for an unknown split or a size outside 28..64, and `USPSUnavailable`, a
    FileNotFoundError, where there is no file, no download, or under the smoke budget.

    Source: Hull 1994, in the form of the LIBSVM collection, through torchvision.
    """
    if split not in USPS_FILES:
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    check_size(size)
    if data_dir is None and os.environ.get("GAN_LESSONS_BUDGET") == "smoke":
        raise USPSUnavailable("USPS is not used under the smoke budget: no disk, no network.")
    place = "the cache folder" if data_dir is None else "data_dir"
    root = (cache_dir() if data_dir is None else Path(data_dir).expanduser()) / "USPS"
    name, count = USPS_FILES[split]
    if not (root / name).is_file():
        _download_usps(root, name, split, place, download)
    try:
        data = import_torchvision().datasets.USPS(root, train=split == "train")
        if len(data) != count:
            raise ValueError(f"it holds {len(data):,} images, not {count:,}")
    except ImportError as error:
        raise USPSUnavailable(f"USPS needs torchvision: {error}") from error
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise USPSUnavailable(
            f"USPS/{name} in {place} is damaged ({error}): delete it and try again."
        ) from error
    print(f"Digits: USPS, {count:,} {_kind(split)} images at {size} x {size}.")
    small = torch.from_numpy(data.data)[:, None].float()
    large = F.interpolate(small, size=20, mode="bicubic", align_corners=False)
    images = F.pad(large.round().clamp(0, 255).to(torch.uint8), (4, 4, 4, 4))
    name = f"USPS, {count:,} {_kind(split)} images"
    return TensorData(_to_size(images, size), torch.tensor(data.targets), name, DIGITS)


def digits_and_usps(split: str = "train", size: int = 32) -> TwoDomains:
    """MNIST and USPS, two collections of digits by other writers; prints what it loaded.

    Where USPS cannot be had, scikit-learn's digits take its place, and a line says so. Where MNIST
    cannot be had either, each domain has half of those.
    """
    first = digits(split, size)
    try:
        return TwoDomains(first, usps(split, size))
    except USPSUnavailable as reason:
        print(reason)
    if not first.name.startswith("MNIST"):
        return TwoDomains(*halves(first))
    return TwoDomains(first, _builtin_digits(split, size, "in place of USPS"))


def _kind(split: str) -> str:
    return "training" if split == "train" else "test"


def _download_usps(root: Path, name: str, split: str, place: str, download: bool) -> None:
    """Bring one file into `root`, complete and checked, or raise `USPSUnavailable`."""
    missing = f"USPS/{name} is not in {place}"
    if not download:
        raise USPSUnavailable(f"{missing}: put it there, or call with download=True.")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(2 * MIRROR_SECONDS)  # torchvision opens connections without one
    try:
        datasets = import_torchvision().datasets
        root.mkdir(parents=True, exist_ok=True)
        # A file that breaks off half-way must not stay: torchvision would take it for good.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as folder:
            url, _, md5 = datasets.USPS.split_list[split]
            datasets.utils.download_url(url, folder, name, md5=md5)
            os.replace(Path(folder, name), root / name)
    except (OSError, RuntimeError, ImportError) as error:
        raise USPSUnavailable(
            f"{missing} and could not be downloaded ({error}): put the file there."
        ) from error
    finally:
        socket.setdefaulttimeout(before)
