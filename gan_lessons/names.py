"""Which classes a file may name: a model, or its settings, and nothing else that can be called."""

import dataclasses
import importlib
import sys
from typing import Any

from gan_lessons.model import Model


def name_of(cls: type) -> str:
    """How a file names a class: module:class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def class_of(name: str, base: type, own_module: str | None = None) -> type:
    """A class by the name in a file: of gan_lessons, or of the module of the reader's own model.

    It must be a model, or a dataclass of settings, that this very module defines: a file must not
    choose what else gets imported or called.
    """
    module, _, qualname = name.partition(":")
    if module == own_module:
        found = getattr(sys.modules[module], qualname, None)
    elif module.startswith("gan_lessons."):
        found = getattr(importlib.import_module(module), qualname, None)
    else:
        raise ValueError(
            f"its class {name} is not part of gan_lessons; pass it: load_run(folder, model_class)"
        )
    wanted = issubclass(found, base) if isinstance(found, type) else False
    if (
        not wanted
        or found.__module__ != module
        or not (base is Model or dataclasses.is_dataclass(found))
    ):
        raise ValueError(f"{name} is neither a model nor the settings of one")
    return found


def config_of(config_class: type, values: dict[str, Any]) -> Any:
    """Settings from a file, every one of them and no other."""
    names = {field.name for field in dataclasses.fields(config_class)}
    if unknown := sorted(set(values) - names):
        raise ValueError(f"this version knows no settings {', '.join(unknown)}")
    if missing := sorted(names - set(values)):
        raise ValueError(f"it does not have the settings {', '.join(missing)}")
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return config_class(**tuples)
