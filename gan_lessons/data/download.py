"""Downloads: afterwards a file is there, complete and checked, or nothing of it is.

The proxies are those of the environment (`https_proxy` and the like) at that moment.
"""

import contextlib
import hashlib
import os
import queue
import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit

import platformdirs
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from gan_lessons.arguments import as_path
from gan_lessons.budgets import wished
from gan_lessons.messages import say

ANSWER_SECONDS = 5.0  # how long a server may take to answer before we count ourselves offline
CHECKSUMS = {32: partial(hashlib.md5, usedforsecurity=False), 64: hashlib.sha256}  # by their length


@dataclass(frozen=True)
class File:
    """A file that somebody publishes: where it is, and what it must be."""

    urls: tuple[str, ...]  # the same file, on one server or more
    size: int | None  # in bytes; None where only the checksum is known
    checksum: str | None  # md5 or sha256, in hex digits; None where nobody has published one

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.urls[0].rpartition("/")[2]

    def is_at(self, path: Path) -> bool:
        """Whether the file at `path` has the published checksum."""
        if self.checksum is None or not path.is_file():
            return False
        return checksum_of(path, len(self.checksum)) == self.checksum


def cache_dir() -> Path:
    """Folder of downloaded data: GAN_LESSONS_DATA, else the user's cache directory."""
    chosen = os.environ.get("GAN_LESSONS_DATA")
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_cache_path("gan_lessons", appauthor=False)


def data_root(data_dir: str | Path | None) -> tuple[Path, str]:
    """The folder in which data sets are looked for, and what messages call it."""
    if data_dir is None:
        return cache_dir(), "the cache folder"
    return as_path("data_dir", data_dir), "data_dir"


def stays_off_disk(data_dir: str | Path | None) -> bool:
    """Whether neither disk nor network may be used: under the smoke budget, unless told where."""
    return data_dir is None and wished() == "smoke"


def checksum_of(path: Path, length: int = 64) -> str:
    """The checksum of a file that has so many hex digits: its sha256, or with 32 its md5."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, CHECKSUMS[length]).hexdigest()


def fetch(file: File, folder: Path) -> None:
    """Bring `file` into `folder`; one that is there is replaced unless its checksum is right.

    Raises OSError with a message of one line, and leaves nothing half-done.
    """
    target = folder / file.name
    with one_at_a_time(target):
        if file.is_at(target):
            return  # another kernel was faster
        with received(file, folder) as complete:
            os.replace(complete, target)


@contextlib.contextmanager
def one_at_a_time(target: Path) -> Iterator[None]:
    """Let one kernel bring `target` into place; the others wait, and find it there.

    The lock is a courtesy, which saves the others a download: what is put into place by renaming
    is complete even where the system knows no locks.
    """
    name = hashlib.sha256(str(target.absolute()).encode()).hexdigest()[:16]
    # Not beside the data: their folder may not be there yet, and a lock would stay in it for good.
    lock = FileLock(Path(tempfile.gettempdir(), f"gan-lessons-{name}.lock"))
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.acquire(timeout=1))
        except Timeout:
            say(f"Waiting for another kernel, which downloads {target.name}.")
            stack.enter_context(lock.acquire())
        except (OSError, NotImplementedError):
            pass
        yield


@contextlib.contextmanager
def received(file: File, folder: Path) -> Iterator[Path]:
    """Download `file`, complete and checked, to a temporary place in `folder`, and clean up later.

    Nothing is written before a server answers. Raises OSError with a message of one line, also
    where the caller cannot put the file, or what was in it, into place.
    """
    urls = first_to_answer(file.urls)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        # In the same folder, because only on one disk is a rename atomic.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary:
            target = Path(temporary, file.name)
            _receive(file, urls, target)
            yield target
    except OSError as error:
        if error.errno is None:  # one of ours
            raise
        raise OSError(f"the folder cannot be written to: {error.strerror}") from error


def first_to_answer(urls: Sequence[str]) -> list[str]:
    """The addresses with the one that answers first in front; OSError if none does in time.

    Threads, because the look-up of a name and its many addresses do not obey a timeout.
    """
    answers = queue.SimpleQueue()

    def ask(url: str) -> None:
        failure = None
        try:
            _open(url, "HEAD").close()
        except HTTPError as error:
            error.close()  # a server that does not like the question is there, too
        except Exception as error:  # whatever else goes wrong, this one does not answer
            failure = error
        answers.put((url, failure))

    for url in urls:
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    deadline = time.monotonic() + ANSWER_SECONDS
    failure = f"no answer in {ANSWER_SECONDS:g} seconds"
    with contextlib.suppress(queue.Empty):
        for _ in urls:
            first, failure = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            if failure is None:
                return sorted(urls, key=lambda url: url != first)
    raise _network_error(urls[0], failure) if len(urls) == 1 else OSError("no mirror answers")


def _receive(file: File, urls: Sequence[str], target: Path) -> None:
    """Write the file to `target` from the first address that sends it complete and right."""
    for url in urls:
        try:
            _receive_from(url, file, target)
            return
        except OSError as error:
            if error.errno is not None:  # the disk's, not the network's
                raise
            failure = error
    if len(urls) == 1:
        raise failure
    raise OSError(f"no mirror sent a complete {file.name}") from failure


def _receive_from(url: str, file: File, target: Path) -> None:
    received = 0
    bar = tqdm(total=file.size, desc=file.name, unit="B", unit_scale=True, leave=False, delay=1.0)
    with target.open("wb") as out, bar:
        for part in _parts(url):
            out.write(part)
            bar.update(len(part))
            received += len(part)
            if file.size is not None and received > file.size:
                break
    if file.size is not None and received != file.size:
        raise OSError(f"{file.name} arrived with {received:,} bytes, not {file.size:,}")
    if file.checksum is not None and not file.is_at(target):
        raise OSError(f"{file.name} arrived with a wrong checksum, sha256 {checksum_of(target)}")


def _parts(url: str) -> Iterator[bytes]:
    """What comes from `url`, in parts; OSError without a number if the network fails."""
    try:
        with _open(url) as response:
            while part := response.read(1 << 20):
                yield part
    except (OSError, HTTPException) as error:
        raise _network_error(url, error) from error


def _open(url: str, method: str = "GET"):
    """The server's answer."""
    # Some servers refuse Python's usual name.
    request = urllib.request.Request(url, headers={"User-Agent": "gan-lessons"}, method=method)
    # A new opener each time: that of urlopen keeps the proxies that were set at its first call.
    return urllib.request.build_opener().open(request, timeout=2 * ANSWER_SECONDS)


def _network_error(url: str, error: Exception | str) -> OSError:
    return OSError(f"{urlsplit(url).hostname}: {getattr(error, 'reason', error)}")


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left of a download more than a day ago."""
    for old in folder.glob(".download-*"):
        # Another kernel's folder may be gone by now.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > 86_400:
                shutil.rmtree(old, ignore_errors=True)
