"""Checks of single arguments, for every part of the package; they import nothing heavy."""

import math
import operator
import os
from pathlib import Path
from typing import Any

from gan_lessons.messages import shown


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number of Python, NumPy or torch, and neither True nor False."""
    kind = str(getattr(value, "dtype", type(value)))  # such as torch.bool
    if "bool" in kind or getattr(value, "ndim", 0):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of Python, NumPy or torch as an int.

    Another type raises `TypeError`, a number below `least` `ValueError`, with the name.
    """
    if not is_whole(value):
        raise TypeError(f"{name} must be a whole number, not {shown(value)}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, but is {value}.")
    return operator.index(value)


def as_path(name: str, value: Any) -> Path:
    """A path from a string or a path, `~` resolved; anything else raises `TypeError`."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise TypeError(f"{name} must be a path, as a string or a Path, not {shown(value)}.")
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:  # there is no such user
        raise ValueError(f"{name} {str(value)!r} begins with a user who is not here.") from error
    if "\0" in str(path):
        raise ValueError(f"{name} {str(value)!r} has a zero byte, which no path can have.")
    return path


def number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number from `least` to `most`; else `TypeError` or `ValueError` with the name."""
    if isinstance(value, bool) or getattr(value, "ndim", 0) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, not {shown(value)}.")
    if not (math.isfinite(value) and least <= value <= most):
        above = "" if least == -math.inf else f", {least:g} or more"
        below = "" if most == math.inf else f", {most:g} at most"
        raise ValueError(f"{name} is {value}: give a finite number{above}{below}.")
    return float(value)


def of_kind(name: str, value: Any, *kinds: type, hint: str = "") -> None:
    """Raise `TypeError` with the name, and a hint, unless the value is of one of these classes."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be a {wanted}, not {shown(value)}.{hint and ' ' + hint}")


def function(name: str, value: Any) -> None:
    """Raise `TypeError` with the name unless the value can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, not {shown(value)}.")
