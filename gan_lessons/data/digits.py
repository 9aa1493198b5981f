"""Handwritten digits: MNIST from the cache or by download, else the digits inside scikit-learn.

The cache has torchvision's layout (`MNIST/raw/train-images-idx3-ubyte.gz` …), and torchvision does
the download. The files are read here and not by torchvision's own class, because that one trusts
any unpacked file it finds, half ones included, and writes into the cache to unpack.
"""

import contextlib
import gzip
import hashlib
import importlib.metadata
import os
import queue
import shutil
import socket
import tempfile
import threading
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path

import numpy as np
import platformdirs
import torch
import torch.nn.functional as F
from torch import Tensor

from gan_lessons.data.tensors import TensorData

SIZES = range(28, 65)
MIRROR_SECONDS = 5.0  # how long a mirror may take to answer before we count ourselves offline

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
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
DIGITS = tuple("0123456789")


class MNISTUnavailable(OSError):
    """MNIST can neither be read nor be downloaded; the message says why, on one line."""


def cache_dir() -> Path:
    """Folder of downloaded data: GAN_LESSONS_DATA, else the user's cache directory."""
    chosen = os.environ.get("GAN_LESSONS_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("gan_lessons", appauthor=False)


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

    Source: LeCun, Cortes, Burges, The MNIST database, through torchvision.
    """
    if split not in FILES:
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    check_size(size)
    if data_dir is None and os.environ.get("GAN_LESSONS_BUDGET") == "smoke":
        return _builtin_digits(split, size, "smoke budget: no disk, no network")
    place = "the cache folder" if data_dir is None else "data_dir"
    root = cache_dir() if data_dir is None else Path(data_dir).expanduser()
    try:
        images, labels = _read_mnist(root / "MNIST" / "raw", split, place, download)
    except MNISTUnavailable as reason:
        return _builtin_digits(split, size, str(reason))
    kind = "training" if split == "train" else "test"
    name = f"MNIST, {len(images):,} {kind} images"
    print(f"Digits: {name} at {size} x {size}.")
    return TensorData(_to_size(images, size), labels, name, DIGITS)


def check_size(size: int, largest: int = SIZES.stop - 1) -> None:
    """Raise ValueError unless `size` is a whole number in 28..64, or up to `largest`."""
    if size in range(SIZES.start, largest + 1):
        return
    message = (
        f"size is {size!r}: choose a whole number of pixels from {SIZES.start} to "
        f"{SIZES.stop - 1}, the range that the book's networks and its judge take."
    )
    if largest >= SIZES.stop:
        message += f" Up to {largest} is possible where crop={SIZES.stop - 1} cuts it down."
    raise ValueError(message)


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
            _download(folder, wanted)
        except (OSError, ImportError) as error:
            failure = error
        # Read even after a failure: another kernel may have been there in the meantime.
        contents |= {name: _read_verified(folder, name, []) for name in wanted}
        if None in contents.values():
            raise MNISTUnavailable(f"{what} and could not be downloaded: {failure}")
        if damaged:
            print(f"Replaced a damaged file of MNIST in {place}: {', '.join(damaged)}.")
    images, labels = (
        torch.from_numpy(np.frombuffer(bytearray(contents[name]), np.uint8, offset=header))
        for name, header in zip(FILES[split], (16, 8), strict=True)
    )
    return images.view(-1, 1, 28, 28), labels.long()


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


def _download(folder: Path, names: list[str]) -> None:
    """Download the `.gz` of each name into `folder`; a file is complete and checked, or not there.

    Raises OSError or ImportError with a one-line message.
    """
    datasets = import_torchvision().datasets
    mirrors = _reachable_first(datasets.MNIST.mirrors)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        # Several kernels may download at once: each has its own folder, and a rename is atomic.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            for name in names:
                _download_one(datasets.utils.download_url, mirrors, temporary, f"{name}.gz")
                os.replace(Path(temporary, f"{name}.gz"), folder / f"{name}.gz")
    except OSError as error:
        if error.errno is None:  # one of ours, about the mirrors
            raise
        raise OSError(f"the folder cannot be written to ({error.strerror})") from error


def _download_one(download_url, mirrors: list[str], folder: str, archive: str) -> None:
    before = socket.getdefaulttimeout()
    # torchvision opens its connections without a timeout of its own.
    socket.setdefaulttimeout(2 * MIRROR_SECONDS)
    try:
        for mirror in mirrors:
            try:
                return download_url(f"{mirror}{archive}", folder, archive, md5=MD5[archive])
            except (OSError, RuntimeError, HTTPException):
                continue
    finally:
        socket.setdefaulttimeout(before)
    raise OSError(f"no mirror sent a complete {archive}")


def _reachable_first(mirrors: list[str]) -> list[str]:
    """The mirrors with the one that answers first in front; OSError if none does in time.

    Threads, because the look-up of a name and its many addresses do not obey urlopen's timeout.
    """
    answers = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        request = urllib.request.Request(f"{mirror}{FILES['test'][1]}.gz", method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=MIRROR_SECONDS):
                answers.put(mirror)
        except Exception:  # whatever goes wrong here, this mirror does not answer
            answers.put(None)

    for mirror in mirrors:
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline = time.monotonic() + MIRROR_SECONDS
    for _ in mirrors:
        try:
            first = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if first is not None:
            return sorted(mirrors, key=lambda mirror: mirror != first)
    raise OSError("no mirror answers")


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left of a download more than a day ago."""
    for old in folder.glob(".download-*"):
        # Another kernel's folder may be gone by now.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > 86_400:
                shutil.rmtree(old, ignore_errors=True)


def import_torchvision():
    """The torchvision module, or ImportError that says which pair of versions is wrong."""
    try:
        import torchvision
    except Exception as error:  # a wrong pair raises RuntimeError, OSError or ImportError
        major, minor = torch.__version__.split(".")[:2]
        fix = f'pip install "torchvision=={int(major) - 2}.{int(minor) + 15}.*"'
        try:
            version = importlib.metadata.version("torchvision")
        except importlib.metadata.PackageNotFoundError:
            raise ImportError(f"torchvision is not installed: {fix}") from error
        raise ImportError(
            f"torchvision {version} does not work with torch {torch.__version__}: {fix}"
        ) from error
    return torchvision


def _builtin_digits(split: str, size: int, reason: str) -> TensorData:
    """scikit-learn's digits, made to look like MNIST: enlarged, in a black frame of 28 x 28."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    print(f"Using the 1,797 8x8 digits of scikit-learn ({reason}).")
    pixels, targets = load_digits(return_X_y=True)
    # Stratified: the file counts 0, 1, 2, …, so that every fifth image would be a 0 or a 5.
    parts = train_test_split(np.arange(1797), test_size=360, random_state=0, stratify=targets)
    index = np.sort(parts[0] if split == "train" else parts[1])
    small = torch.from_numpy(pixels[index]).float().view(-1, 1, 8, 8) / 16
    # At 18 x 18 in 28 x 28 the mean brightness is MNIST's, -0.74 on the scale from -1 to 1.
    enlarged = F.interpolate(small, size=18, mode="bicubic", align_corners=False)
    images = F.pad((enlarged * 255).round().clamp(0, 255).to(torch.uint8), (5, 5, 5, 5))
    kind = "training" if split == "train" else "test"
    name = f"scikit-learn digits, {len(index):,} {kind} images, enlarged from 8 x 8"
    return TensorData(_to_size(images, size), torch.from_numpy(targets[index]).long(), name, DIGITS)


def _to_size(images: Tensor, size: int) -> Tensor:
    """28 x 28 bytes to size x size: a black border up to 32, enlarged from there."""
    border = min(size, 32) - 28
    first, last = border // 2, border - border // 2
    images = F.pad(images, (first, last, first, last))
    if size <= 32:
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False)
