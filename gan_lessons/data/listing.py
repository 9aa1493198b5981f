"""Which pictures a folder holds, and what is left out of it: nothing of that goes unsaid."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gan_lessons.arguments import as_path
from gan_lessons.messages import printable, say

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
# Pictures, too, but nothing here reads them.
FOREIGN = (
    *(".ai", ".arw", ".cr2", ".cr3", ".dng", ".eps", ".exr", ".hdr", ".heic", ".heif", ".hif"),
    *(".ico", ".jxl", ".nef", ".orf", ".pcx", ".psd", ".raf", ".raw", ".rw2", ".svg", ".xcf"),
)


@dataclass
class _Found:
    """Paths from the root, with slashes, by what is to be done with them."""

    pictures: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)  # pictures of other formats
    closed: list[str] = field(default_factory=list)  # folders that may not be opened
    astray: list[str] = field(default_factory=list)  # links to nothing, or back to where they are
    others: Counter = field(default_factory=Counter)  # how many files of each other kind


def open_folder(path: str | Path) -> Path:
    """The folder at `path`, or FileNotFoundError, NotADirectoryError or PermissionError."""
    root = as_path("path", path)
    try:
        root = root.resolve()
        os.scandir(root).close()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no folder {str(path)!r}, seen from {str(Path.cwd())!r}: check the spelling, "
            "or give the full path. In Colab, upload the pictures first (Files, on the left)."
        ) from error
    except NotADirectoryError as error:
        raise NotADirectoryError(
            f"{str(path)!r} is a file: give the folder with the pictures; unpack an archive first."
        ) from error
    except PermissionError as error:
        raise PermissionError(
            f"You may not open the folder {str(path)!r}: give yourself the right to read it, or "
            "copy the pictures to a folder of your own."
        ) from error
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        raise ValueError(f"{str(path)!r} cannot be opened as a folder: {error}.") from error
    return root


def picture_files(root: Path) -> list[str]:
    """Pictures below `root`, as paths from there with slashes, in their order.

    Links to folders and files are followed. Hidden files, and files that are no pictures, are
    passed over; pictures of unknown formats, folders that may not be opened and links that lead
    nowhere are named, in one printed line each. ValueError if there is no picture.
    """
    found = _Found()
    _walk(root, "", (), found)
    left_out = [
        f"{counted(len(names), noun)} {why}: {some(sorted(names))}"
        for names, noun, why in (
            (found.closed, "folder", "you may not open"),
            (found.foreign, "picture", f"in another format than {', '.join(SUFFIXES)}"),
            (found.astray, "link", "that lead nowhere, or back to a folder above"),
        )
        if names
    ]
    if not found.pictures:
        kinds = found.others + Counter(_kind(name) for name in found.foreign)
        there = ", ".join(f"{n} x {kind}" for kind, n in kinds.most_common(3))
        more = "".join(f" Left out: {line}." for line in left_out)
        raise ValueError(
            f"There is no picture in {str(root)!r} (found: {there or 'no visible file at all'}). "
            f"Known are {', '.join(SUFFIXES)}: save yours as PNG or JPEG.{more}"
        )
    for line in left_out:
        say(f"Left out {line}.")
    return sorted(found.pictures)


def _walk(folder: Path | str, prefix: str, above: tuple[tuple[int, int], ...], found: _Found):
    """File everything visible below `folder`; `above` are the folders that lead to it."""
    try:
        with os.scandir(folder) as entries:
            inside = list(entries)
        here = os.stat(folder)
    except OSError:
        found.closed.append(prefix.rstrip("/"))
        return
    above = (*above, (here.st_dev, here.st_ino))
    for entry in inside:
        name = prefix + entry.name
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            # Only a link can lead back, and is asked for that.
            place = os.stat(entry.path) if entry.is_symlink() else None
            if place and (place.st_dev, place.st_ino) in above:
                found.astray.append(name)
            else:
                _walk(entry.path, name + "/", above, found)
        elif not entry.is_file():
            if entry.is_symlink():
                found.astray.append(name)
        elif (kind := _kind(entry.name)) in SUFFIXES:
            found.pictures.append(name)
        elif kind in FOREIGN:
            found.foreign.append(name)
        else:
            found.others[kind] += 1


def _kind(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "no ending"


def spread(items: Sequence, limit: int | None) -> Sequence:
    """At most `limit` items, evenly from the whole: the first ones may all be of one class."""
    if limit is None:
        return items
    n = min(limit, len(items))
    return [items[i * len(items) // n] for i in range(n)]


def counted(n: int, noun: str) -> str:
    """A number and its noun: "1 picture", "1,200 pictures"."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def some(names: list[str]) -> str:
    """The first five names, and how many more there are."""
    more = len(names) - 5
    return printable(", ".join(names[:5])) + (f" and {more:,} more" if more > 0 else "")
