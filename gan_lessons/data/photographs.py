"""The photographs of pix2pix and CycleGAN: facades with their label maps, apples and oranges."""

from dataclasses import replace
from pathlib import Path

from gan_lessons.data.archives import Archive, find_or_fetch, is_official
from gan_lessons.data.folders import side_by_side, two_folders
from gan_lessons.data.pictures import LARGEST
from gan_lessons.data.sets import Pairs, TwoDomains
from gan_lessons.data.tensors import KINDS, check_size
from gan_lessons.messages import say

# No checksum of this archive has been published. Its size is known from many logs of downloads; the
# sum of the first download is written down beside it, and every later one is compared with that.
FACADES = Archive(
    folder="facades",
    url="https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz",
    size=30_168_306,
    sha256=None,
    counts={"train": 400, "val": 100, "test": 106},
)
# Size and checksum as TensorFlow Datasets publishes them, in url_checksums/cycle_gan.txt.
APPLE2ORANGE = Archive(
    folder="apple2orange",
    url="https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/apple2orange.zip",
    size=78_456_409,
    sha256="845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    counts={"trainA": 995, "trainB": 1019, "testA": 266, "testB": 248},
)


class FacadesUnavailable(FileNotFoundError):
    """The facades can neither be read nor be downloaded; the message says why and what to do."""


class Apple2OrangeUnavailable(FileNotFoundError):
    """The pictures can neither be read nor be downloaded; the message says why and what to do."""


def facades(
    split: str = "train",
    size: int = 64,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
) -> Pairs:
    """Label maps of facades and the photographs, (3, size, size) each; prints what it loaded.

    `split` is "train" (400 pairs), "val" (100) or "test" (106). They are read from the folder
    `facades` in the cache folder, or in `data_dir`, else the official archive is downloaded and
    unpacked there. A folder that was put there by hand may be another edition: its name then says
    "a copy". `size` is 28..64, or up to 72 to crop from.

    Raises ValueError for an unknown split or size, and `FacadesUnavailable`, a FileNotFoundError,
    where there is no folder, no download, or under the smoke budget.

    Source: Tylecek and Sara 2013, the CMP Facade Database, as cut for pix2pix by Isola et al. 2017.
    """
    if split not in FACADES.counts:
        raise ValueError(f'split is {split!r}: choose "train", "val" or "test".')
    check_size(size, largest=LARGEST)
    folder = find_or_fetch(FACADES, [split], data_dir, download, FacadesUnavailable)
    pairs = side_by_side(folder / split, size, input_side="right")
    edition, kind = _edition(FACADES, folder), KINDS[split]
    say(f"Facades: {len(pairs):,} {kind} pairs at {size} x {size} ({edition}).")
    return Pairs(
        replace(pairs.inputs, name="label maps"),
        replace(pairs.targets, name=f"facades, {len(pairs):,} {kind} photographs ({edition})"),
    )


def apple2orange(
    split: str = "train",
    size: int = 64,
    *,
    data_dir: str | Path | None = None,
    download: bool = True,
) -> TwoDomains:
    """Photographs of apples and of oranges, (3, size, size), unpaired; prints what it loaded.

    `split` is "train" (995 and 1,019 pictures) or "test" (266 and 248). They are read from the
    folder `apple2orange` in the cache folder, or in `data_dir`, else the official archive is
    downloaded with its checksum and unpacked there. A folder that was put there by hand may be
    another edition, with other numbers: its name then says "a copy". `size` is 28..64, or up to 72
    to crop from.

    Raises ValueError for an unknown split or size, and `Apple2OrangeUnavailable`, a
    FileNotFoundError, where there is no folder, no download, or under the smoke budget.

    Source: pictures from ImageNet, as collected for CycleGAN by Zhu et al. 2017.
    """
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    check_size(size, largest=LARGEST)
    parts = [f"{split}A", f"{split}B"]
    folder = find_or_fetch(APPLE2ORANGE, parts, data_dir, download, Apple2OrangeUnavailable)
    data = two_folders(folder, split, size)
    edition, kind = _edition(APPLE2ORANGE, folder), KINDS[split]
    apples, oranges = len(data.first), len(data.second)
    say(f"{apples:,} apples, {oranges:,} oranges, {kind}, {size} x {size} ({edition}).")
    return TwoDomains(
        replace(data.first, name=f"apples, {apples:,} {kind} photographs ({edition})"),
        replace(data.second, name=f"oranges, {oranges:,} {kind} photographs ({edition})"),
    )


def _edition(archive: Archive, folder: Path) -> str:
    return "official archive" if is_official(archive, folder) else "a copy"
