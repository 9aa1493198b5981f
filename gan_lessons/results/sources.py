"""A hash of the sources that a stored number depends on, so that a file of results can go stale.

It looks at syntax trees, not at text: a change of comments, docstrings, layout or of the words of
an error changes no number, and leaves the hash as it is.
"""

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import gan_lessons

ROOT = "gan_lessons"  # its own file has the version, which changes no number, and is left out
Place = tuple[str, str]  # a module, and a name in it, or "" for the whole file


@cache
def source_hash(*parts: ModuleType | type | Callable) -> str:
    """A hash of what `parts` of this package, and all that they import from it, consist of.

    A module stands for its file. A class or a function stands for its own lines and those of what
    it uses from the same file: the file of a comparison imports every variant, and the numbers of
    one do not depend on the others. What is imported counts with its whole file.
    """
    places = [_place(part) for part in parts]
    trees = {}
    while places:
        place = places.pop()
        if place not in trees and place[0] != ROOT:
            trees[place] = list(_statements(*place))
            places += _needs(*place)
    text = "\n".join(f"{place}: {_outline(trees[place])}" for place in sorted(trees))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _place(part: ModuleType | type | Callable) -> Place:
    if isinstance(part, ModuleType):
        return part.__name__, ""
    return part.__module__, part.__name__


def _file(module: str) -> Path | None:
    """The file of a module of this package, or None if there is no such module."""
    stem = Path(gan_lessons.__file__).parent.joinpath(*module.split(".")[1:])
    return next((p for p in (stem / "__init__.py", stem.with_suffix(".py")) if p.is_file()), None)


def _is_package(module: str) -> bool:
    return _file(module).name == "__init__.py"


@cache
def _tree(module: str) -> ast.Module:
    return _without_words(ast.parse(_file(module).read_text(encoding="utf-8")))


def _without_words(tree: ast.Module) -> ast.Module:
    """The tree without docstrings and without what errors say."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
    return tree


def _statements(module: str, name: str) -> Iterator[ast.stmt]:
    """All statements of a file, or those that give `name` its value."""
    for statement in _tree(module).body:
        if not name or name in _bound(statement):
            yield statement


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a file defines, other than by import."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return {statement.name}
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    found = {node for target in targets for node in ast.walk(target)}
    return {node.id for node in found if isinstance(node, ast.Name)}


@cache
def _imported(module: str) -> dict[str, Place]:
    """Each name that a file imports from this package, and where it comes from."""
    found = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{ROOT}."):
            for alias in node.names:
                found[alias.asname or alias.name] = _origin(node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(f"{ROOT}.") and alias.asname:
                    found[alias.asname] = alias.name, ""
    return found


def _origin(module: str, name: str) -> Place:
    """The file that defines `name`, looked for through the `__init__` files that hand it on."""
    if _file(f"{module}.{name}"):
        return f"{module}.{name}", ""
    if module != ROOT and _is_package(module) and name in _imported(module):
        return _imported(module)[name]
    return module, ""


def _needs(module: str, name: str) -> set[Place]:
    """What a file, or what defines a name in it, needs from this package."""
    imported, found = _imported(module), set()
    for tree in _statements(module, name):
        taken = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                package, _ = imported.get(node.value.id, ("", ""))
                if package and _is_package(package):
                    taken.add(node.value)  # of metrics.features, only what defines `features`
                    found.add(_origin(package, node.attr))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node not in taken:
                if node.id in imported:
                    found.add(imported[node.id])
                elif name and any(_statements(module, node.id)):
                    found.add((module, node.id))
    if not name:  # used or not, but of packages only those parts
        whole = _is_package(module)
        found |= {place for place in imported.values() if whole or not _is_package(place[0])}
    return found


def _outline(node: object) -> str:
    """A syntax tree as text, the same in every version of Python."""
    if isinstance(node, list):
        return "[" + ", ".join(map(_outline, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, _outline(value)) for name, value in ast.iter_fields(node))
    kept = ", ".join(f"{name}={value}" for name, value in fields if value not in ("None", "[]"))
    return f"{type(node).__name__}({kept})"
