"""The bad input that scripts/try_bad_input.py tries: variants, their runs, and all the rest."""

import dataclasses
import importlib
import inspect
import pkgutil
import tempfile
import typing
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from bad_calls import calls
from torch import Tensor

import gan_lessons
from gan_lessons.data import Adaptation, Pairs, TensorData, TwoDomains, few_labels, ring
from gan_lessons.evaluation.codes import encode
from gan_lessons.model import Model
from gan_lessons.runs import Run, load_run
from gan_lessons.training import fit, resume

NAN, INF = float("nan"), float("inf")
SHAPE = (1, 32, 32)
NUMBERS = ("3", None, [3], NAN, INF, True, 1j)  # no number, or none to compute with
# Settings for which a number below 0, or 0, is as good as any other.
ANY_SIGN = ("a", "b", "c", "coding")


class Case(NamedTuple):
    """Something to try: `bad` input must be refused, other input may be."""

    area: str
    name: str
    bad: bool
    call: Callable[[], Any]


def all_cases() -> Iterator[Case]:
    """All of them, area by area."""
    for module, cls in models():
        yield from variant(module, cls)
    for area, name, bad, call in calls():
        yield Case(area, name, bad, call)


def models() -> list[tuple[ModuleType, type[Model]]]:
    """The variants' modules and the model classes that each defines."""
    found = []
    for info in pkgutil.walk_packages(gan_lessons.__path__, "gan_lessons."):
        module = importlib.import_module(info.name)
        if hasattr(module, "PRESETS") and hasattr(module, "train"):
            classes = [c for _, c in inspect.getmembers(module, inspect.isclass)]
            own = [c for c in classes if c.__module__ == info.name and issubclass(c, Model)]
            found += [(module, cls) for cls in own]
    return found


def images(n: int = 20, shape: tuple[int, ...] = SHAPE) -> TensorData:
    """Random images of ten classes."""
    values = torch.randint(0, 256, (n, *shape), dtype=torch.uint8)
    return TensorData(values, torch.arange(n) % 10, "random images")


def data_for(cls: type[Model], make: Callable[[], TensorData] = images) -> Any:
    """Data of the kind that a model takes."""
    kind = cls.takes[0]
    return make() if kind is TensorData else kind(make(), make())


def variant(module: ModuleType, cls: type[Model]) -> Iterator[Case]:
    """Settings, data, options, samples, saving and loading of one variant."""
    part = module.__name__.split(".")[1]
    config = dataclasses.replace(module.PRESETS["smoke"], steps=1)
    data = data_for(cls)
    train = partial(fit, cls, progress=False, snapshots=0)
    run = train(config, data, device="cpu")

    def cases(area: str, found: Iterator[tuple[str, bool, Callable]]) -> Iterator[Case]:
        return (Case(f"{part}, {area}", f"{cls.__name__}: {n}", b, c) for n, b, c in found)

    yield from cases("settings", settings(config, lambda changed: train(changed, data)))
    yield from cases("data", wrong_data(cls, lambda wrong: train(config, wrong)))
    yield from cases("options", options(module, partial(train, config, data), run, data))
    yield from cases("samples", samples(run, data))
    yield from cases("files", files(run, data))


Tries = Iterator[tuple[str, bool, Callable[[], Any]]]


def settings(config: Any, train: Callable[[Any], Any]) -> Tries:
    """Wrong values of each field."""
    kinds = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        for value, bad in _wrong_values(field, kinds[field.name]):
            call = partial(_with, train, config, field.name, value)
            yield f"{field.name}={value!r}", bad, call


def _with(train: Callable[[Any], Any], config: Any, name: str, value: Any) -> None:
    train(dataclasses.replace(config, **{name: value}))


def _wrong_values(field: dataclasses.Field, kind: Any) -> Iterator[tuple[Any, bool]]:
    if kind is bool:
        values = {1: True, "yes": True, NAN: True}
    elif kind is int:
        bad = (*NUMBERS[:2], 2.5, NAN, INF, -1, 10**30, -(10**30))
        values = dict.fromkeys(bad, True) | {0: field.metadata.get("least", 1) > 0}
        values |= {True: True} if 0 in values else {}
    elif kind is float:
        values = {"a": True, None: True, NAN: True, INF: True, 10**400: True, 1j: True}
        values |= {-1.0: field.name not in ANY_SIGN, 0.0: False, 1e30: False}
    elif kind is str:
        values = {"nonsense": True, "": True, 3: True, None: True}
    elif typing.get_args(kind) == (float, ...):
        values = {3: True, None: True, "ab": True, (None,): True, (NAN,): True, ("a",): True}
        values |= {(0.1,) * 7: True, (0.5,): False}
    elif typing.get_args(kind)[-1] is Ellipsis:
        for wrong in (["a"], {"a": 1}, (2.5,), (0,), (-1,), (None,), (NAN,), (10**30,), ((2,),)):
            yield wrong, True
        values = {3: True, None: True, "ab": True, (True,): True}
    else:
        count = len(typing.get_args(kind))
        many = [(x,) * count for x in ("a", None, NAN, INF)]
        values = dict.fromkeys([0.5, None, (0.5,), (0.5,) * (count + 1), *many], True)
        values |= {(-1.0,) * count: field.name not in ANY_SIGN}
        values |= {(1.0,) * count: field.name == "betas"}
    yield from values.items()


def wrong_data(cls: type[Model], train: Callable[[Any], Any]) -> Tries:
    """Other kinds of data, other shapes, labels that are missing or wrong."""
    grey = images()
    kinds = {
        "images": grey,
        "pairs": Pairs(grey, grey),
        "two domains": TwoDomains(grey, grey),
        "few labels": few_labels(grey, 10),
        "adaptation": Adaptation(grey, grey),
    }
    for name, data in kinds.items():
        yield name, not isinstance(data, cls.takes), partial(train, data)
    for wrong in (None, "digits", 3, grey.values, grey.values.numpy(), [grey], torch.zeros(4, 2)):
        yield f"data of {type(wrong).__name__}", True, partial(train, wrong)
    for shape in ((1, 30, 30), (2, 32, 32), (1, 28, 32), (1, 8, 8), (1, 72, 72), (3, 64, 64)):
        yield f"images {shape}", False, partial(train, data_for(cls, partial(images, 4, shape)))
    yield "points", False, partial(train, data_for(cls, partial(ring, n=64)))
    yield "one sample", False, partial(train, data_for(cls, partial(images, 1)))
    bare = dataclasses.replace(grey, labels=None)
    yield "no labels", cls.needs_labels, lambda: train(data_for(cls, lambda: bare))
    far = dataclasses.replace(grey, labels=torch.full((20,), 12))
    yield "labels of 12", cls.needs_labels, partial(train, data_for(cls, lambda: far))


def options(module: ModuleType, train: Callable[..., Run], run: Run, data: Any) -> Tries:
    """Options of `train`, `fit` and `resume`."""
    tries: dict[str, tuple] = {
        "seed": ("a", None, 1.5, NAN, -1, True, 2**63, [1]),
        "device": ("gpu", "cuda:99", "", 3.5, [], "meta"),
        "precision": ("float16", None, 16, torch.bfloat16),
        "progress": ("yes", None, 2),
        "snapshots": (-1, 2.5, "3", None, True),
        "monitor": (3, "loss", lambda run: 3, lambda run: {"a": "b"}, dict, lambda run: None),
        "monitor_every": (0, -1, 1.5, "3", True),
        "checkpoint": (3, b"x", True, "a\0b", "/dev/null/runs", __file__),
        "every": (0, -1, 1.5, "3", True),
        "unknown": (1,),
    }
    for name, values in tries.items():
        for value in values:
            shown = "a function" if callable(value) else repr(value)
            yield f"{name}={shown}", True, partial(train, **{name: value})
    for config in ("fast", 3, {}, [], object(), Path("x"), True, module.Config):
        yield f"train({config!r})", True, partial(module.train, config, data)
    for steps in (1, 0, -1, 1.5, "3", NAN, True, 10**30):
        yield f"resume(steps={steps!r})", True, partial(resume, run, data, steps)
    for wrong in (None, "run", {}, run.model):
        yield f"resume({type(wrong).__name__})", True, partial(resume, wrong, data, 2)
    for wrong in (None, 3, ring(n=20), data_for(type(run.model), partial(images, 20, (3, 28, 28)))):
        yield f"resume(data={wrong!r})", True, partial(resume, run, wrong, 2)
    yield "resume(unknown=1)", True, partial(resume, run, data, 2, unknown=1)


def samples(run: Run, data: Any) -> Tries:
    """Counts, noise, labels and inputs of `Run.sample` and of the model's own."""
    given = {name: value[:4] for name, value in run.fixed_inputs.items()}
    translates = "x" in given
    for n in (0, -1, 2.5, "3", None, NAN, True, [3]):
        yield f"sample({n!r})", True, partial(run.sample, n, **given)
    for seed in ("a", 1.5, -1, NAN, True, 2**70):
        yield f"sample(seed={seed!r})", True, partial(run.sample, 4, seed=seed, **given)
    for chunk in (0, -1, 1.5, "3", None):
        yield f"sample(chunk={chunk!r})", True, partial(run.sample, 4, chunk=chunk, **given)
    yield "sample(3) of 4 rows", True, partial(run.sample, 3, **given)
    yield "sample(words=3)", True, partial(run.sample, 4, words=torch.zeros(4))
    yield "sample(nothing)", translates, partial(run.sample, 4)
    for name, value in given.items():
        for shown, wrong in _wrong_inputs(name, value):
            inputs = given | {name: wrong}
            yield f"sample({name}: {shown})", True, partial(run.sample, 4, **inputs)
            yield f"model.sample({name}: {shown})", True, partial(run.averaged.sample, **inputs)
    if hasattr(run.averaged, "encode") and not type(run.averaged).needs_labels:
        x = data.floats()[:4]
        for shown, wrong in _wrong_inputs("x", x):
            yield f"encode({shown})", True, partial(encode, run, wrong)


def _wrong_inputs(name: str, value: Tensor) -> Iterator[tuple[str, Any]]:
    """What is wrong, and an input like `value` that is."""
    yield "a list", value.tolist()
    yield "an array", value.numpy()
    yield "a number", 3
    yield "a string", "four"
    yield "no dimension", torch.tensor(3).to(value.dtype)
    yield "one dimension more", value[:, None]
    yield "float64", value.double()
    yield "bool", value > 0
    yield "complex", value.to(torch.complex64)
    yield "bytes", value.to(torch.uint8)
    if value.is_floating_point():
        yield "whole numbers", value.long()
        yield "NaN", value * NAN
        yield "one row flat", value[0]
        yield "too wide", torch.cat([value, value], dim=1)
        yield "too narrow", value[:, :0]
        if name == "x":
            yield "0 to 255", (value + 1) * 127.5
    else:
        yield "negative", value - 100
        yield "too large", value + 100


def files(run: Run, data: Any) -> Tries:
    """Folders that are none, and files that are damaged, missing or of somebody else."""
    folder = Path(tempfile.mkdtemp(prefix="bad-input-"))
    run.save(folder / "good")
    whole = (folder / "good" / "run.safetensors").read_bytes()
    (folder / "file").write_text("text")
    other = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "one bit": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        "header": whole[:20] + b"\xff" + whole[21:],
        "foreign": b"PK\x03\x04" + bytes(200),
    }
    for name, content in other.items():
        (folder / name).mkdir()
        (folder / name / "run.safetensors").write_bytes(content)
        yield f"load_run: {name}", True, partial(load_run, folder / name)
    (folder / "nested" / "run.safetensors").mkdir(parents=True)
    paths = (None, 3, b"x", "", "a\0b", "no such folder", folder / "file", folder / "nested")
    for path in paths:
        shown = path.name if isinstance(path, Path) else repr(path)
        yield f"load_run({shown})", True, partial(load_run, path)
    for path in (None, 3, b"x", "a\0b", folder / "file", folder / "file" / "run"):
        shown = path.name if isinstance(path, Path) else repr(path)
        yield f"save({shown})", True, partial(run.save, path)
    for device in ("gpu", "cuda:99", 3.5):
        yield (
            f"load_run(device={device!r})",
            True,
            partial(load_run, folder / "good", device=device),
        )
    for cls in (3, "GAN", dict, Model):
        yield f"load_run(model_class={cls!r})", True, partial(load_run, folder / "good", cls)
    yield "load_run", False, partial(load_run, folder / "good")
