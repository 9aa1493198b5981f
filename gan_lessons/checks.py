"""What a training is checked for before it starts: settings, data, seed."""

import dataclasses
import math
import numbers
import typing
from typing import Any

from gan_lessons.model import Model, check_labels

SEEDS = 2**63  # seeds are below


def checked_config(config: Any) -> Any:
    """The settings with plain numbers; what no training can have raises.

    Whole numbers must be whole, counts and widths at least 1 (or the `least` in the field's
    metadata), everything finite, rates not negative, betas and the decay of the average in [0, 1).
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
        if name.endswith("_rate") and part[0] < 0:
            raise ValueError(f"config.{name} must not be negative, but is {value}.")
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
            raise TypeError(f"{name} must be a tuple, not {_shown(value)}.")
        if inner[-1] is Ellipsis:
            inner = (inner[0],) * len(value)
        if len(inner) != len(value):
            raise ValueError(f"{name} must have {len(inner)} numbers, but is {value}.")
        places = zip(value, inner, strict=True)
        return tuple(_checked(f"{name}[{i}]", v, k, least) for i, (v, k) in enumerate(places))
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, not {_shown(value)}.")
        return value
    if kind not in (int, float):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()  # of NumPy or torch
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {_shown(value)}.")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, but is {value}.")
    if kind is float:
        return float(value)
    if value != int(value):
        raise ValueError(f"{name} must be a whole number, but is {value}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, but is {value}.")
    return int(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) < 40 else text[:36] + ' …'} ({type(value).__name__})"


def checked_seed(seed: Any) -> int:
    """A whole number from 0 to below 2^63; else `TypeError` or `ValueError`."""
    if hasattr(seed, "item") and getattr(seed, "ndim", 1) == 0:
        seed = seed.item()
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, not {_shown(seed)}.")
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed must lie from 0 to 2**63 - 1, but is {seed}.")
    return seed


def plain_number(name: str, value: Any) -> float | int:
    """A number that a file can hold, from Python, NumPy or a tensor of one number."""
    if getattr(value, "ndim", 1) == 0 or getattr(value, "numel", lambda: 0)() == 1:
        value = value.item()
    if isinstance(value, numbers.Real):
        return value if isinstance(value, int | float) else float(value)
    raise TypeError(f"monitor must return numbers by name, but {name} is {_shown(value)}.")


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
