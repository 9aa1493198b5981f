"""What a training is checked for before it starts: settings, data, seed."""

import dataclasses
import math
import numbers
import typing
from typing import Any

from gan_lessons.arguments import is_whole
from gan_lessons.messages import shown
from gan_lessons.model import Model, check_labels

SEEDS = 2**63  # seeds are below
MOST = 10**9  # the largest whole number of a setting
# Where the numbers of a setting lie, by its name or by the end of it.
RANGES = {
    "_rate": (0, math.inf),
    "_weight": (0, math.inf),
    "noise_scale": (0, math.inf),
    "clip": (0, math.inf),
    "slope": (0, math.inf),
    "power": (0, math.inf),
    "gamma": (0, math.inf),
    "gain": (0, math.inf),
    "bend": (0, math.inf),
    "stroke": (0, math.inf),
    "dropout": (0, 1),
    "decay_from": (0, 1),
}


def checked_config(config: Any) -> Any:
    """The settings with plain numbers; what no training can have raises.

    Whole numbers must be whole, counts and widths at least 1 (or the `least` in the field's
    metadata), everything finite and in its range (RANGES), betas and the decay of the average in
    [0, 1).
    A wrong type raises `TypeError`, a wrong value `ValueError`, with the name of the setting.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"config must be a dataclass of settings, not {type(config).__name__}.")
    kinds = typing.get_type_hints(type(config))
    values = {}
    for field in dataclasses.fields(config):
        name, value = field.name, getattr(config, field.name)
        values[name] = _checked(
            f"config.{name}", value, kinds[name], field.metadata.get("least", 1)
        )
        part = values[name] if isinstance(values[name], tuple) else (values[name],)
        low, high = next((r for end, r in RANGES.items() if name.endswith(end)), (None, None))
        if low is not None and not low <= part[0] <= high:
            limits = f"lie from {low} to {high}" if high < math.inf else "not be negative"
            raise ValueError(f"config.{name} must {limits}, but is {value}.")
        if name in ("betas", "average_decay") and not all(0 <= v < 1 for v in part):
            raise ValueError(f"config.{name} must lie from 0 to below 1, but is {value}.")
    return dataclasses.replace(config, **values)


def _checked(name: str, value: Any, kind: Any, least: int) -> Any:
    """One value of the kind that its annotation names, as a plain Python object."""
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        if isinstance(value, list):
            value = tuple(value)
        if not isinstance(value, tuple):
            raise TypeError(f"{name} must be a tuple, not {shown(value)}.")
        if inner[-1] is Ellipsis:
            inner = (inner[0],) * len(value)
        if len(inner) != len(value):
            raise ValueError(f"{name} must have {len(inner)} numbers, but is {value!r}.")
        places = zip(value, inner, strict=True)
        return tuple(_checked(f"{name}[{i}]", v, k, least) for i, (v, k) in enumerate(places))
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {shown(value)}.")
        return value
    if kind not in (int, float):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()  # of NumPy or torch
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {shown(value)}.")
    if kind is float:
        return _finite(name, value)
    if _finite(name, value) != int(value):
        raise ValueError(f"{name} must be a whole number, but is {value}.")
    if not least <= value <= MOST:
        limit = f"at least {least}" if value < least else f"at most {MOST:,}"
        raise ValueError(f"{name} must be {limit}, but is {value}.")
    return int(value)


def _finite(name: str, value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:  # a whole number of Python has no largest one
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, but is {number}.")
    return number


def checked_seed(seed: Any) -> int:
    """A whole number from 0 to below 2^63; else `TypeError` or `ValueError`."""
    if not is_whole(seed):
        raise TypeError(f"seed must be a whole number, not {shown(seed)}.")
    seed = int(seed)
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed must lie from 0 to 2**63 - 1, but is {seed}.")
    return seed


def plain_number(name: str, value: Any) -> float | int:
    """A number that a file can hold, from Python, NumPy or a tensor of one number."""
    if getattr(value, "ndim", 1) == 0 or getattr(value, "numel", lambda: 0)() == 1:
        value = value.item()
    if isinstance(value, numbers.Real):
        return value if isinstance(value, int | float) else float(value)
    raise TypeError(f"monitor must return numbers by name, but {name} is {shown(value)}.")


def check_data(model_class: type[Model], config: Any, data: Any) -> None:
    """Data must be of the kind that the model declares, with labels where it needs them."""
    wanted = model_class.takes
    if not isinstance(data, wanted):
        names = " or ".join(kind.__name__ for kind in wanted)
        raise TypeError(
            f"{model_class.__name__} takes {names}, not {type(data).__name__}: try "
            f"{' or '.join(kind.made_by for kind in wanted)}."
        )
    if not model_class.needs_labels:
        return
    if data.labels is None:
        raise ValueError(
            f"{model_class.__name__} needs labels, and {data.name} has none; sort the images into "
            "one folder a class."
        )
    check_labels(data.labels, len(data.labels), config.classes)
