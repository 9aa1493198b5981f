"""How much a session may compute: the budget, and the preset of a variant that belongs to it."""

import os
from typing import Any

from gan_lessons.devices import pick_device

BUDGETS = ("smoke", "cpu", "gpu")


def budget() -> str:
    """The budget of this session: "smoke", "cpu" or "gpu".

    The environment variable `GAN_LESSONS_BUDGET` decides; without it, the device does. An unknown
    value raises `ValueError`.
    """
    chosen = wished()
    if not chosen:
        return "cpu" if pick_device().type == "cpu" else "gpu"
    if chosen not in BUDGETS:
        raise ValueError(
            f"GAN_LESSONS_BUDGET is {chosen!r}; set it to one of {', '.join(BUDGETS)}, or unset it."
        )
    return chosen


def wished() -> str:
    """The budget that `GAN_LESSONS_BUDGET` names, in small letters without blanks, or ""."""
    return os.environ.get("GAN_LESSONS_BUDGET", "").strip().lower()


def preset(config: Any, presets: dict[str, Any]) -> Any:
    """The config to train with: a config itself, a preset's name, or None for the budget's preset.

    An unknown name raises `ValueError`, any other type `TypeError`.
    """
    names = ", ".join(repr(name) for name in presets)
    if config is None:
        config = budget()
    if isinstance(config, str):
        if config not in presets:
            raise ValueError(f"There is no preset {config!r}; choose one of {names}.")
        return presets[config]
    expected = type(next(iter(presets.values())))
    if not isinstance(config, expected):
        raise TypeError(
            f"config must be a {expected.__module__}.Config or one of {names}, "
            f"not {type(config).__module__}.{type(config).__name__}."
        )
    return config
