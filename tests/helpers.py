"""Small things that several test files need."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from PIL import Image
from torch import Tensor, nn

from gan_lessons.data import Adaptation, Pairs, TensorData, TwoDomains


def images(n: int = 40, shape: tuple[int, ...] = (1, 32, 32), classes: int = 10) -> TensorData:
    """Random images with labels, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, classes, (n,), generator=generator)
    return TensorData(values, labels, "random images", tuple(str(i) for i in range(classes)))


def two_domains(n: int = 40, shape: tuple[int, ...] = (1, 32, 32)) -> TwoDomains:
    """Random images in two domains, dark ones and bright ones, always the same."""
    data = images(2 * n, shape)
    dark = TensorData(data.values[:n] // 2, data.labels[:n], "dark images", data.classes)
    bright = TensorData(255 - data.values[n:] // 2, data.labels[n:], "bright images", data.classes)
    return TwoDomains(dark, bright)


def pairs(n: int = 40, shape: tuple[int, ...] = (1, 32, 32)) -> Pairs:
    """Random images, and the negative of each as its target, always the same."""
    inputs = images(n, shape)
    return Pairs(inputs, TensorData(255 - inputs.values, None, "their negatives"))


def adaptation(n: int = 40, shape: tuple[int, ...] = (1, 32, 32)) -> Adaptation:
    """Labelled dark images to bright ones, always the same."""
    both = two_domains(n, shape)
    return Adaptation(both.first, both.second)


FRUIT = {"trainA": "red", "trainB": "orange", "testA": "darkred", "testB": "yellow"}


def four_folders(path: Path) -> Path:
    """`path`/fruit: four folders, pictures of one colour each, of different sizes and numbers."""
    for k, (name, colour) in enumerate(FRUIT.items()):
        (path / "fruit" / name).mkdir(parents=True)
        for i in range(2 + k):
            picture = Image.new("RGB", (40 + 30 * i, 64), colour)
            picture.save(path / "fruit" / name / f"{i}.png")
    return path / "fruit"


def moved(model: nn.Module, action: Callable[[], object]) -> set[str]:
    """The names of the model's networks of which `action` changes a parameter.

    A network that moves must move as a whole: a parameter left behind is a failure.
    """
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    action()
    changed = {n: not torch.equal(before[n], p) for n, p in model.named_parameters()}
    networks = {name.split(".")[0] for name in changed}
    result = set()
    for network in networks:
        own = {n: c for n, c in changed.items() if n.startswith(f"{network}.")}
        if any(own.values()):
            left = sorted(n for n, c in own.items() if not c)
            assert not left, f"parameters of {network} that did not move: {left}"
            result.add(network)
    return result


def load_script(name: str) -> ModuleType:
    """A fresh copy of scripts/`name`.py as a module."""
    path = Path(__file__).resolve().parent.parent / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same(a: Tensor, b: Tensor) -> bool:
    """True when both tensors are equal to the last bit."""
    return a.shape == b.shape and torch.equal(a, b)
