"""Apples and oranges, the photographs of CycleGAN: two kinds of pictures that nobody has paired."""

from dataclasses import replace
from pathlib import Path

from gan_lessons.data.archives import Archive, find_or_fetch, is_official
from gan_lessons.data.digits import check_size
from gan_lessons.data.domains import TwoDomains, two_folders
from gan_lessons.data.pictures import LARGEST

# Size and checksum as TensorFlow Datasets publishes them, in url_checksums/cycle_gan.txt.
ARCHIVE = Archive(
    folder="apple2orange",
    url="https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/apple2orange.zip",
    size=78_456_409,
    sha256="845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    counts={"trainA": 995, "trainB": 1019, "testA": 266, "testB": 248},
)


class Apple2OrangeUnavailable(FileNotFoundError):
    """The pictures can neither be read nor be downloaded; the message says why and what to do."""


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
    folder = find_or_fetch(ARCHIVE, parts, data_dir, download, Apple2OrangeUnavailable)
    data = two_folders(folder, split, size)
    edition = "official archive" if is_official(ARCHIVE, folder) else "a copy"
    kind = "training" if split == "train" else "test"
    apples, oranges = len(data.first), len(data.second)
    print(f"{apples:,} apples, {oranges:,} oranges, {kind}, {size} x {size} ({edition}).")
    return TwoDomains(
        replace(data.first, name=f"apples, {apples:,} {kind} photographs ({edition})"),
        replace(data.second, name=f"oranges, {oranges:,} {kind} photographs ({edition})"),
    )
