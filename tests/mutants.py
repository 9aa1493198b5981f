"""Planted mistakes: a piece of the package is replaced, and a test must notice.

A test file lists the mistakes that its tests catch: found in public GAN code, or easy to make::

    MUTANTS = mutants(
        "objectives.wgan_gp",
        ("one norm for the whole batch", ".norm(dim=1)", ".norm()[None]", "test_each_point_…"),
    )

    def test_planted_mistakes_are_caught():
        assert not survivors(__file__, MUTANTS)

The old text must stand in the module exactly once. Besides functions and methods, defaults of a
config, presets, class attributes and constants of the module may be mutated.

What `generated` gives are slips of every kind that a machine can make, in all losses and steps of a
variant: a sign, two arguments exchanged, a `detach` or `frozen` left out, a sum for a mean, another
constant. They are caught by any test of the file, or by the contract that holds for every model.

`python -m tests.mutants` prints the planted ones as a table.
"""

import ast
import contextlib
import dataclasses
import importlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
import torch
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = "tests/test_contract.py"


@dataclass(frozen=True)
class Mutant:
    """One mistake in a module, and the test that is to catch it; any test of the file without."""

    what: str  # what is wrong, in the words of somebody who made it
    module: str  # where it is, below gan_lessons
    old: str  # a text that stands exactly once in the module …
    new: str  # … and what stands there instead; the whole module if `old` is empty
    test: str = ""


def mutants(module: str, *rows: tuple[str, str, str, str]) -> list[Mutant]:
    """Mistakes in one module below gan_lessons: (what, old, new, the test that catches it)."""
    return [Mutant(what, module, old, new, test) for what, old, new, test in rows]


# --- planting ----------------------------------------------------------------------------------


def mutated(mutant: Mutant) -> tuple[ModuleType, str]:
    """The module, and its source with the mistake; AssertionError if it has no such place."""
    path = ROOT / "gan_lessons" / f"{mutant.module.replace('.', '/')}.py"
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    assert path.exists(), f"{mutant.what}: there is no module {mutant.module}"
    module = importlib.import_module(f"gan_lessons.{mutant.module}")
    if not mutant.old:
        return module, mutant.new
    source = path.read_text(encoding="utf-8")
    count = source.count(mutant.old)
    assert count == 1, f"{mutant.what}: {mutant.old!r} is {count} times in {mutant.module}"
    return module, source.replace(mutant.old, mutant.new)


@contextlib.contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Inside, the package has the mistake, wherever its functions and classes were imported to.

    Functions, classes and dictionaries stay the same objects and get other contents, so that nobody
    keeps the healthy ones. Other values are replaced in their module.
    """
    module, text = mutated(mutant)
    ill = {name: value for name, value in vars(module).items() if name.startswith("__")}
    exec(compile(text, str(module.__file__), "exec"), ill)
    with contextlib.ExitStack() as cure:
        _infect(module, ill, cure)
        yield


def _infect(module: ModuleType, ill: dict[str, Any], cure: contextlib.ExitStack) -> None:
    for name, value in list(vars(module).items()):
        if name.startswith("__") or name not in ill or isinstance(value, ModuleType):
            continue
        if inspect.isclass(value) and value.__module__ == module.__name__:
            for key, member in list(vars(value).items()):
                other = vars(ill[name]).get(key)
                if not _swap(member, other, cure) and _plain(member, other):
                    cure.callback(setattr, value, key, member)
                    setattr(value, key, other)
            for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
                cure.callback(setattr, field, "default", field.default)
                field.default = ill[name].__dataclass_fields__[field.name].default
        elif isinstance(value, dict) and isinstance(ill[name], dict):
            healthy = dict(value)
            cure.callback(lambda kept, old: (kept.clear(), kept.update(old)), value, healthy)
            for key, new in ill[
                name
            ].items():  # configs of the healthy class, with the ill settings
                config = dataclasses.is_dataclass(new) and key in healthy
                value[key] = type(healthy[key])(**vars(new)) if config else new
        elif not _swap(value, ill[name], cure) and _plain(value, ill[name]):
            cure.callback(setattr, module, name, value)
            setattr(module, name, ill[name])


def _plain(value: Any, other: Any) -> bool:
    """Whether two values are of the kinds that a mutant may change, and differ."""
    kinds = bool | int | float | str | tuple
    return isinstance(value, kinds) and isinstance(other, kinds) and value != other


def _swap(healthy: Any, ill: Any, cure: contextlib.ExitStack) -> bool:
    """Give a function, method or property of the package the code of its ill twin."""
    healthy, ill = (getattr(f, "fget", None) or getattr(f, "__func__", f) for f in (healthy, ill))
    healthy, ill = (inspect.unwrap(f) if callable(f) else f for f in (healthy, ill))
    if not isinstance(healthy, FunctionType) or not isinstance(ill, FunctionType):
        return False
    if healthy.__code__.co_filename not in (ill.__code__.co_filename, "<string>"):
        return True  # imported: another module's
    for part in ("__code__", "__defaults__", "__kwdefaults__"):
        cure.callback(setattr, healthy, part, getattr(healthy, part))
        setattr(healthy, part, getattr(ill, part))
    return True


# --- running -----------------------------------------------------------------------------------


def survivors(file: str, found: Iterable[Mutant]) -> list[str]:
    """What is wrong and goes unnoticed by its test.

    Without a test of its own, a mutant may be caught by any test of `file`, or by the contract for
    the models of its module.
    """
    found = list(found)
    assert found, "no mistakes to look for"
    runner = _Runner(found)
    others = [] if all(mutant.test for mutant in found) else [str(ROOT / CONTRACT)]
    options = ["--noconftest", "-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts="]
    options += [
        "--import-mode=importlib",
        "--rootdir",
        str(ROOT),
        "-p",
        "no:xdist",
        "-p",
        "no:nbval",
    ]
    pytest.main([*options, str(Path(file).resolve()), *others], plugins=[runner])
    assert runner.done, f"{file}: the tests could not be collected, or the runner failed"
    return runner.alive


class _Runner:
    """A pytest plugin that runs, for each mutant, the tests that may catch it, until one does."""

    def __init__(self, found: list[Mutant]):
        self.found, self.alive, self.done = found, [], False
        self.sick: dict[str, bool] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = [i for i in session.items if "mistakes_are_caught" not in i.name]
        items.sort(key=lambda item: "test_each_update_has" not in item.name)  # catches the most
        for mutant in self.found:
            chosen = [item for item in items if _may_catch(item, mutant)]
            if not chosen:
                self.alive.append(f"{mutant.what}: there is no {mutant.test}")
                continue
            try:
                mutated(mutant)
            except AssertionError as error:
                self.alive.append(str(error))
                continue
            try:
                with planted(mutant):
                    killer = next((item for item in chosen if _fails(item)), None)
            except Exception as error:
                self.alive.append(f"{mutant.what}: cannot be planted: {error!r}")
                continue
            if killer is None:
                self.alive.append(f"{mutant.what} ({mutant.module})")
            else:  # what caught one mistake is the first to try on the next
                self.check_health(killer)
                items.remove(killer)
                items.insert(0, killer)
        self.done = True
        return True

    def check_health(self, item: pytest.Item) -> None:
        """A test that fails without any mistake catches none."""
        if item.nodeid not in self.sick:
            self.sick[item.nodeid] = _fails(item)
        if self.sick[item.nodeid]:
            self.alive.append(f"{item.nodeid} fails without any mistake")


def _may_catch(item: pytest.Item, mutant: Mutant) -> bool:
    if mutant.test:
        return mutant.test == getattr(item, "originalname", item.name)
    if not item.nodeid.startswith(CONTRACT):
        return True
    cls = item.callspec.params.get("cls") if hasattr(item, "callspec") else None
    return getattr(cls, "__module__", None) == f"gan_lessons.{mutant.module}"


def _fails(item: pytest.Item) -> bool:
    """Run one test; whether it fails."""
    item._initrequest()  # fresh fixtures: the same test may run many times
    torch.manual_seed(0)
    reports = runtestprotocol(item, log=False, nextitem=None)
    return any(report.failed for report in reports)


# --- generating --------------------------------------------------------------------------------


def generated(module: ModuleType, equivalent: dict[str, str] | None = None) -> list[Mutant]:
    """One slip of each kind at each place in the losses, penalties and steps of a variant's module.

    `equivalent` are those that change nothing, by their `what`, with the reason; one that does not
    occur is an error.
    """
    equivalent = equivalent or {}
    path = module.__name__.removeprefix("gan_lessons.")
    source = inspect.getsource(module)
    result: dict[str, Mutant] = {}
    for function in _places(ast.parse(source)):
        for number in range(len(list(_slips(function)))):
            tree = ast.parse(source)
            twin = next(f for f in _places(tree) if f.lineno == function.lineno)
            line, what, make = list(_slips(twin))[number]
            before = ast.unparse(line)
            make()
            label = f"{twin.name}: {what} in `{before.splitlines()[0]}`"
            while label in result:
                label += " (again)"
            result[label] = Mutant(label, path, "", ast.unparse(tree))
    strange = set(equivalent) - set(result)
    assert not strange, f"not among the generated mistakes: {strange}"
    return [mutant for label, mutant in result.items() if label not in equivalent]


def _places(tree: ast.AST) -> list[ast.FunctionDef]:
    """The losses, penalties and steps in a module."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [
        f for f in functions if f.name.endswith(("_loss", "_penalty", "_step")) or f.name == "step"
    ]


def _slips(function: ast.FunctionDef) -> Iterator[tuple[ast.stmt, str, Any]]:
    """(statement, what is wrong, how to do it) for each slip that can be made in a function."""
    for statement in ast.walk(function):
        if not isinstance(statement, ast.stmt) or statement is function:
            continue
        if isinstance(statement, ast.With):
            for item in statement.items:
                if getattr(getattr(item.context_expr, "func", None), "id", "") == "frozen":
                    yield statement, "not frozen", _unfreeze(item)
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        if isinstance(statement, ast.For | ast.If):
            parts = [statement.iter if isinstance(statement, ast.For) else statement.test]
        else:
            parts = [statement]
        for part in parts:
            for node in ast.walk(part):
                for what, make in _slips_at(node):
                    yield statement, what, make


def _slips_at(node: ast.AST) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "minus left out", lambda: setattr(node, "op", ast.UAdd())
    if isinstance(node, ast.BinOp):
        others = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
        if isinstance(node.op, ast.BitOr) and all(map(_is_step, (node.left, node.right))):
            left, right = node.left, node.right
            yield (
                "the order exchanged",
                lambda: setattr(node, "left", right) or setattr(node, "right", left),
            )
        if type(node.op) in others and not _is_text(node):
            other = others[type(node.op)]
            yield (
                f"{type(node.op).__name__} becomes {other.__name__}",
                (lambda: setattr(node, "op", other())),
            )
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "detach" and isinstance(node.func, ast.Attribute):
            yield "no detach", lambda: setattr(node.func, "attr", "contiguous")
        if name in ("mean", "sum") and isinstance(node.func, ast.Attribute):
            other = {"mean": "sum", "sum": "mean"}[name]
            yield f"{name} becomes {other}", lambda: setattr(node.func, "attr", other)
        if len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args):
            first, second = (ast.unparse(a) for a in node.args[:2])
            if first != second:
                yield (
                    f"{first} and {second} exchanged",
                    lambda: node.args.__setitem__(slice(0, 2), node.args[1::-1]),
                )
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield (
            f"{node.value} becomes {node.value + 1}",
            lambda: setattr(node, "value", node.value + 1),
        )


def _is_step(node: ast.AST) -> bool:
    return any(getattr(n, "attr", "").endswith("_step") for n in ast.walk(node))


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(side, ast.JoinedStr) for side in (node.left, node.right))


def _unfreeze(item: ast.withitem) -> Any:
    empty = ast.parse("__import__('contextlib').nullcontext()", mode="eval").body
    return lambda: setattr(item, "context_expr", empty)


if __name__ == "__main__":
    print("| planted mistake | where | caught by |\n|---|---|---|")
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for mutant in getattr(importlib.import_module(name), "MUTANTS", ()):
            print(f"| {mutant.what} | `gan_lessons.{mutant.module}` | `{name}::{mutant.test}` |")
