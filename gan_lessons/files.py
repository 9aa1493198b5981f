"""Files of tensors that are complete or not there, and that notice when somebody changed them."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_lessons.arguments import as_path


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write named tensors, and facts that JSON can hold, with a checksum over both.

    The file appears in one move: an interruption leaves the old one, or none.
    """
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = json.dumps(facts)
    metadata = {"facts": text, "sha256": _checksum(plain, text)}
    with replacing(path) as fresh:
        save_file(plain, fresh, metadata=metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts that `write_tensors` wrote.

    Nothing in the file is executed. Whatever is wrong with it raises `ValueError` with the path: no
    tensor comes back with another value than was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text, expected = metadata["facts"], metadata["sha256"]
        facts = json.loads(text)
        found = _checksum(tensors, text)
    except Exception as error:  # safetensors and JSON raise types of their own for damaged files
        raise ValueError(
            f"{path} is damaged, or was not written by gan_lessons: {type(error).__name__}: {error}"
        ) from error
    if found != expected:
        raise ValueError(f"{path} is damaged: its contents do not have their checksum any more.")
    return tensors, facts


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    """SHA-256 over the facts and over name, type, shape and bytes of every tensor."""
    total = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(value.contiguous().flatten().view(torch.uint8).numpy())
    return total.hexdigest()


def make_folder(folder: str | Path) -> Path:
    """The folder, made where it is not there; a path that cannot be one raises `ValueError`."""
    path = as_path("folder", folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{str(folder)!r} cannot be made a folder: {error}.") from error
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` that takes its place only when it is complete.

    It has the permissions that any new file has. What killed processes have left is swept.
    """
    _sweep(path)
    fresh = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    fresh.touch()
    mode = fresh.stat().st_mode
    try:
        yield fresh
        fresh.chmod(mode)  # who writes the file may have made another one in its place
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove temporary neighbours of `path` whose process does not live any more."""
    for leftover in path.parent.glob(f".{path.name}-*-*"):
        owner = leftover.name.removeprefix(f".{path.name}-").partition("-")[0]
        if owner.isdecimal() and not _alive(int(owner)):
            with contextlib.suppress(OSError):  # another process may be sweeping, too
                leftover.unlink()


def _alive(process: int) -> bool:
    if os.name == "nt":  # there, signal 0 is Ctrl-C: better keep a leftover
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, and belongs to somebody else; or the system cannot tell
        return True
    return True
