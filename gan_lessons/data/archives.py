"""Data sets that come as one archive: all of their pictures, or none."""

import gzip
import os
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from gan_lessons.data.download import (
    File,
    checksum_of,
    data_root,
    one_at_a_time,
    received,
    stays_off_disk,
)
from gan_lessons.messages import say

ORIGIN = "ORIGIN.txt"


@dataclass(frozen=True)
class Archive:
    """Where an archive is, what it must be, and how many pictures it has in which folder."""

    folder: str  # the folder inside the archive, and its name in the cache folder
    url: str
    size: int  # in bytes
    sha256: str | None  # None where nobody has published one
    counts: dict[str, int]  # pictures in each folder

    @property
    def file(self) -> File:
        """The archive as a file to download."""
        return File((self.url,), self.size, self.sha256)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.file.name


def find_or_fetch(
    archive: Archive,
    parts: Sequence[str],
    data_dir: str | Path | None,
    download: bool,
    unavailable: type[FileNotFoundError],
) -> Path:
    """A data set with its `parts`: its folder in the cache folder or `data_dir`, or downloaded.

    Raises `unavailable` where it is not there and cannot be downloaded, where a part is missing,
    and under the smoke budget unless `data_dir` is given.
    """
    what = archive.folder
    if stays_off_disk(data_dir):
        raise unavailable(f"{what} is not used under the smoke budget: no disk, no network.")
    root, place = data_root(data_dir)
    folder = root / what
    if not folder.is_dir() and all((root / part).is_dir() for part in parts):
        raise unavailable(
            f"{place} holds {' and '.join(parts)} itself: give the folder above, in which this one "
            f"is called {what}."
        )
    if not folder.is_dir():
        missing = f"The folder {what} is not in {place}"
        if not download:
            raise unavailable(f"{missing}: put it there, or call with download=True.")
        try:
            fetch_archive(archive, root)
        except OSError as error:
            raise unavailable(
                f"{missing} and could not be downloaded ({error}): unpack {archive.url} there."
            ) from error
    absent = [part for part in parts if not (folder / part).is_dir()]
    if absent:
        there = sorted(p.name for p in folder.iterdir() if p.is_dir())
        raise unavailable(
            f"The folder {what} in {place} has no folder {' and no folder '.join(absent)} (its "
            f"folders: {', '.join(there[:8]) or 'none'}), and the whole set has "
            f"{', '.join(archive.counts)}: complete it, or remove {what} and call with "
            "download=True."
        )
    return folder


def fetch_archive(archive: Archive, root: Path) -> None:
    """Download `archive` and put its pictures into a folder in `root`: all of them, or none.

    The size, the checksum and the number of pictures are compared with what is known. Where no
    checksum has been published, the one of the first download is written down in `root`, and later
    downloads must have it, too. Raises OSError with a message of one line.
    """
    folder, record = root / archive.folder, root / f"{archive.name}.sha256"
    with one_at_a_time(folder):
        if folder.is_dir():
            return  # another kernel was faster
        host = urlsplit(archive.url).hostname
        say(f"Downloading {archive.name}, {archive.size / 1e6:.0f} MB, from {host}.")
        with received(archive.file, root) as file:
            checksum = checksum_of(file)
            if archive.sha256 is None:
                _compare_with_the_first(archive, checksum, record)
            unpacked = file.parent / archive.folder
            _unpack(archive, file, unpacked)
            if archive.sha256 is None:
                record.write_text(f"{checksum}  {archive.name}\n", encoding="ascii")
            (unpacked / ORIGIN).write_text(
                f"{archive.url}\n{archive.size} bytes\nsha256 {checksum}\n", encoding="ascii"
            )
            _put(unpacked, folder)


def is_official(archive: Archive, folder: Path) -> bool:
    """Whether a folder was downloaded by `fetch_archive`, and is not a copy of unknown origin."""
    try:
        return (folder / ORIGIN).read_text(encoding="utf-8").startswith(archive.url)
    except (OSError, UnicodeDecodeError):
        return False


def _compare_with_the_first(archive: Archive, checksum: str, record: Path) -> None:
    """Raise OSError unless the checksum is that of the first download, or this is the first."""
    if not record.is_file():
        return
    known = record.read_text(encoding="ascii", errors="replace").split()[:1]
    if known != [checksum]:
        raise OSError(
            f"{archive.name} is not what it was at the first download; if you trust the new one, "
            f"delete {record.name}"
        )


def _unpack(archive: Archive, file: Path, target: Path) -> None:
    """Write the pictures of the archive, and nothing else that may be in it, below `target`."""
    found = Counter()
    try:
        for name, content in _members(file):
            # Only these folders and plain names: no entry can reach another place.
            parts = PurePosixPath(name).parts
            if len(parts) != 3 or parts[0] != archive.folder or parts[1] not in archive.counts:
                continue
            if not re.fullmatch(r"\w[\w.-]*", parts[2]):
                continue
            (target / parts[1]).mkdir(parents=True, exist_ok=True)
            (target / parts[1] / parts[2]).write_bytes(content)
            found[parts[1]] += 1
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise OSError(f"{archive.name} is damaged: {error}") from error
    if found != Counter(archive.counts):
        raise OSError(f"{archive.name} holds {dict(found)} pictures, not {archive.counts}")


def _members(file: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a .zip or .tar.gz archive."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    yield entry.filename, packed.read(entry)
        return
    with gzip.open(file) as whole:  # tarfile stops before the checksum at the end of gzip's stream
        while whole.read(1 << 20):
            pass
    with tarfile.open(file) as packed:
        for entry in packed:
            if entry.isfile():
                yield entry.name, packed.extractfile(entry).read()


def _put(folder: Path, target: Path) -> None:
    """Rename `folder` to `target`, unless another kernel was faster."""
    try:
        os.replace(folder, target)
    except OSError:
        if not target.is_dir():
            raise
