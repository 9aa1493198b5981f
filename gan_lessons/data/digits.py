"""Handwritten digits: MNIST or the digits inside scikit-learn in its place, and USPS.

MNIST is stored as torchvision stores it (`MNIST/raw/train-images-idx3-ubyte.gz` …). The files are
read here and not by torchvision's own class, because that one trusts any unpacked file it finds,
half ones included, and writes into the cache to unpack.
"""

import bz2
import gzip
import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lessons.data.download import File, data_root, fetch, stays_off_disk
from gan_lessons.data.tensors import KINDS, TensorData, check_size
from gan_lessons.messages import say

DIGITS = tuple("0123456789")
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
BYTES = {
    "train-images-idx3-ubyte.gz": 9_912_422,
    "train-labels-idx1-ubyte.gz": 28_881,
    "t10k-images-idx3-ubyte.gz": 1_648_877,
    "t10k-labels-idx1-ubyte.gz": 4_542,
}
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


class MNISTUnavailable(OSError):
    """MNIST can neither be read nor be downloaded; the message says why, on one line."""


def digits(
    split: str = "train",
    size: int = 32,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
) -> TensorData:
    """Grey digits (1, size, size) with labels 0..9: MNIST, else scikit-learn's; prints which.

    `split` is "train" (60,000) or "test" (10,000). Up to size 32 the 28 x 28 images get a black
    border and keep their pixels; larger ones are enlarged from 32 x 32. `data_dir` replaces the
    cache folder. The smoke budget takes scikit-learn's digits unless `data_dir` is given.

    Raises ValueError for an unknown split or a size outside 28..64. Files that are missing or
    damaged are downloaded with their checksums; if that fails, scikit-learn's 1,797 digits step in.

    Source: LeCun, Cortes, Burges, The MNIST database; files and checksums as in torchvision.
    """
    if split not in FILES:
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    check_size(size)
    if stays_off_disk(data_dir):
        return builtin_digits(split, size, "smoke budget: no disk, no network")
    root, place = data_root(data_dir)
    try:
        images, labels = _read_mnist(root / "MNIST" / "raw", split, place, download)
    except MNISTUnavailable as reason:
        return builtin_digits(split, size, str(reason))
    name = f"MNIST, {len(images):,} {KINDS[split]} images"
    say(f"Digits: {name} at {size} x {size}.")
    return TensorData(_to_size(images, size), labels, name, DIGITS)


def _read_mnist(folder: Path, split: str, place: str, download: bool) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) and labels (N,) from verified files, downloading what is not there."""
    damaged = []
    contents = {name: _read_verified(folder, name, damaged) for name in FILES[split]}
    wanted = [name for name, content in contents.items() if content is None]
    if wanted:
        what = f"{damaged[0]} in {place} is damaged" if damaged else f"MNIST is not in {place}"
        if not download:
            raise MNISTUnavailable(what)
        failure: object = "what arrived did not stay"
        try:
            for name in wanted:
                fetch(_packed(name), folder)
        except OSError as error:
            failure = error
        # Read even after a failure: another kernel may have been there in the meantime.
        contents |= {name: _read_verified(folder, name, []) for name in wanted}
        if None in contents.values():
            raise MNISTUnavailable(f"{what} and could not be downloaded: {failure}")
        if damaged:
            say(f"Replaced a damaged file of MNIST in {place}: {', '.join(damaged)}.")
    images, labels = (
        torch.from_numpy(np.frombuffer(bytearray(contents[name]), np.uint8, offset=header))
        for name, header in zip(FILES[split], (16, 8), strict=True)
    )
    return images.view(-1, 1, 28, 28), labels.long()


def _packed(name: str) -> File:
    """Where the packed IDX file `name` is published."""
    name = f"{name}.gz"
    return File(tuple(f"{mirror}{name}" for mirror in MIRRORS), BYTES[name], MD5[name])


def _read_verified(folder: Path, name: str, damaged: list[str]) -> bytes | None:
    """Content of the IDX file `name`, packed or not, if its checksum is right; else None.

    Appends the names of files that are there but not right to `damaged`.
    """
    for candidate, unpack in ((f"{name}.gz", gzip.decompress), (name, bytes)):
        try:
            content = (folder / candidate).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            content = b""
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == MD5[candidate]:
            return unpack(content)
        damaged.append(candidate)
    return None


def builtin_digits(split: str, size: int, reason: str) -> TensorData:
    """scikit-learn's digits, made to look like MNIST: enlarged, in a black frame of 28 x 28."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    say(f"Using the 1,797 8x8 digits of scikit-learn ({reason}).")
    pixels, targets = load_digits(return_X_y=True)
    # Stratified: the file counts 0, 1, 2, …, so that every fifth image would be a 0 or a 5.
    parts = train_test_split(np.arange(1797), test_size=360, random_state=0, stratify=targets)
    index = np.sort(parts[0] if split == "train" else parts[1])
    small = torch.from_numpy(pixels[index]).float().view(-1, 1, 8, 8) / 16
    # At 18 x 18 in 28 x 28 the mean brightness is MNIST's, -0.74 on the scale from -1 to 1.
    enlarged = F.interpolate(small, size=18, mode="bicubic", align_corners=False)
    images = F.pad((enlarged * 255).round().clamp(0, 255).to(torch.uint8), (5, 5, 5, 5))
    name = f"scikit-learn digits, {len(index):,} {KINDS[split]} images, enlarged from 8 x 8"
    return TensorData(_to_size(images, size), torch.from_numpy(targets[index]).long(), name, DIGITS)


class USPSUnavailable(FileNotFoundError):
    """USPS can neither be read nor be downloaded; the message says why and what to do."""


USPS_ADDRESS = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"
USPS_FILES = {  # and how many images are in each
    "train": (
        File((f"{USPS_ADDRESS}usps.bz2",), None, "ec16c51db3855ca6c91edd34d0e9b197"),
        7_291,
    ),
    "test": (
        File((f"{USPS_ADDRESS}usps.t.bz2",), None, "8ea070ee2aca1ac39742fdd1ef5ed118"),
        2_007,
    ),
}


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

    Source: Hull 1994, in the form of the LIBSVM collection; checksums as in torchvision.
    """
    if split not in USPS_FILES:
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    check_size(size)
    if stays_off_disk(data_dir):
        raise USPSUnavailable("USPS is not used under the smoke budget: no disk, no network.")
    root, place = data_root(data_dir)
    file, count = USPS_FILES[split]
    path = root / "USPS" / file.name
    if not path.is_file():
        missing = f"USPS/{file.name} is not in {place}"
        if not download:
            raise USPSUnavailable(f"{missing}: put it there, or call with download=True.")
        try:
            fetch(file, path.parent)
        except OSError as error:
            raise USPSUnavailable(
                f"{missing} and could not be downloaded ({error}): put the file there."
            ) from error
    try:
        pixels, labels = _read_usps(path)
        if len(pixels) != count:
            raise ValueError(f"it holds {len(pixels):,} images, not {count:,}")
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise USPSUnavailable(
            f"USPS/{file.name} in {place} is damaged ({error}): delete it and try again."
        ) from error
    name = f"USPS, {count:,} {KINDS[split]} images"
    say(f"Digits: {name} at {size} x {size}.")
    large = F.interpolate(pixels.float(), size=20, mode="bicubic", align_corners=False)
    images = F.pad(large.round().clamp(0, 255).to(torch.uint8), (4, 4, 4, 4))
    return TensorData(_to_size(images, size), labels, name, DIGITS)


def _read_usps(path: Path) -> tuple[Tensor, Tensor]:
    """Bytes (N, 1, 16, 16) and labels (N,) from lines `<digit + 1> 1:<value> … 256:<value>`."""
    with bz2.open(path) as file:
        rows = [line.decode().split() for line in file]
    values = [[cell.split(":")[-1] for cell in row[1:]] for row in rows]
    pixels = np.asarray(values, dtype=np.float32).reshape(-1, 1, 16, 16)  # from -1 to 1
    labels = torch.tensor([int(row[0]) - 1 for row in rows])
    return torch.from_numpy(((pixels + 1) / 2 * 255).astype(np.uint8)), labels


def _to_size(images: Tensor, size: int) -> Tensor:
    """28 x 28 bytes to size x size: a black border up to 32, enlarged from there."""
    border = min(size, 32) - 28
    first, last = border // 2, border - border // 2
    images = F.pad(images, (first, last, first, last))
    if size <= 32:
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)
