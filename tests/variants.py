"""The variants of the book, found by looking into the package, and data of the kind each takes."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import gan_lessons
from gan_lessons.data import Adaptation, Pairs, TensorData, TwoDomains
from gan_lessons.model import Model
from gan_lessons.training import Run
from tests.helpers import adaptation, images, pairs, two_domains


def _modules() -> list[ModuleType]:
    found = []
    for info in pkgutil.walk_packages(gan_lessons.__path__, "gan_lessons."):
        module = importlib.import_module(info.name)
        if hasattr(module, "PRESETS") and hasattr(module, "train"):
            found.append(module)
    return found


def models_of(module: ModuleType) -> list[type[Model]]:
    """The model classes that a variant's module defines."""
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass)]
    return [c for c in classes if c.__module__ == module.__name__ and issubclass(c, Model)]


def name_of(thing: Any) -> str:
    """The short name of a module or a class."""
    return thing.__name__.rpartition(".")[2]


def main_model(module: ModuleType) -> type[Model]:
    """The model that `train` of a module trains by default."""
    default = inspect.signature(module.train).parameters.get("model_class")
    if default is not None:
        return default.default
    (only,) = (
        c for c in models_of(module) if f"fit({c.__name__}," in inspect.getsource(module.train)
    )
    return only


def data_for(thing: Any, n: int = 40, shape: tuple[int, ...] = (1, 32, 32)) -> Any:
    """Random images of the kind that a variant's module, or a model class, takes."""
    cls = main_model(thing) if inspect.ismodule(thing) else thing
    makers = {TensorData: images, TwoDomains: two_domains, Pairs: pairs, Adaptation: adaptation}
    return makers[cls.takes[0]](n, shape)


def sampled(run: Run, n: int, **options: Any):
    """`n` samples of a run; a variant that translates gets the inputs of its snapshots."""
    inputs = {name: value[:n] for name, value in run.fixed_inputs.items() if name == "x"}
    return run.sample(n, **options, **inputs)


MODULES = _modules()
MODELS = [(module, cls) for module in MODULES for cls in models_of(module)]
