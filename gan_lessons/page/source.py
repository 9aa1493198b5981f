"""What a chapter shows of its code: source, what changed from one variant to the next, settings."""

import ast
import dataclasses
import difflib
import inspect
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from gan_lessons.page import display


def show_source(*objects: Any, title: str | None = None) -> None:
    """Display the source of functions, classes or modules, highlighted, with the file it is from.

    The text is exactly what `inspect.getsource` returns, without common indentation. Neighbours
    from one file share a block. TypeError for an object that has no source of its own.
    """
    if not objects:
        raise TypeError("Name at least one function, class or module to show.")
    blocks: list[tuple[str, list[str]]] = []
    for thing in objects:
        text, path = _source(thing), _path(thing)
        if blocks and blocks[-1][0] == path:
            blocks[-1][1].append(text)
        else:
            blocks.append((path, [text]))
    parts = [f"**{title}**"] if title else []
    for path, texts in blocks:
        parts += [f"From `{path}`:", _fence("\n\n".join(texts), "python")]
    plain = "\n\n".join(text for _, texts in blocks for text in texts)
    display.publish({"text/markdown": "\n\n".join(parts), "text/plain": plain})


def show_diff(old: Any, new: Any, *, context: int = 2, docstrings: bool = False) -> None:
    """Display what changed from one function, class or module to another, as a unified diff.

    `context` is the number of unchanged lines around a change. Docstrings are left out unless
    asked for. TypeError for an object that has no source of its own.
    """
    texts = [_source(thing) for thing in (old, new)]
    if not docstrings:
        texts = [_without_docstrings(text) for text in texts]
    names = [f"{_path(thing)}: {_name(thing)}" for thing in (old, new)]
    before, after = (text.splitlines() for text in texts)
    lines = list(difflib.unified_diff(before, after, *names, n=context, lineterm=""))
    if not lines:
        text = f"The code of `{names[0]}` and `{names[1]}` is the same."
        display.publish({"text/markdown": text, "text/plain": text})
        return
    lines = [_heading(line, after, context) if line.startswith("@@") else line for line in lines]
    diff = "\n".join(lines) + "\n"
    display.publish({"text/markdown": _fence(diff, "diff"), "text/plain": diff})


def show_settings(run: Any) -> None:
    """Print the settings of a run, or of a config: a name and its value on each line.

    TypeError for what is neither.
    """
    config = getattr(run, "config", run)
    if isinstance(config, type) or not dataclasses.is_dataclass(config):
        raise TypeError(f"{run!r} has no settings: give a run or a config.")
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    width = max(map(len, settings), default=0)
    for name, value in settings.items():
        print(f"{name:{width}}  {value}")


def _source(thing: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (TypeError, OSError) as error:
        raise TypeError(
            f"{thing!r} has no source of its own: give a function, a class or a module."
        ) from error


def _path(thing: Any) -> str:
    """Return the file of an object, relative to the folder that holds its package."""
    module = inspect.getmodule(thing)
    path = Path(inspect.getsourcefile(inspect.unwrap(thing) if callable(thing) else thing))
    depth = module.__name__.count(".") + (path.name == "__init__.py") if module else 0
    return "/".join(path.parts[-depth - 1 :])


def _name(thing: Any) -> str:
    return "module" if isinstance(thing, ModuleType) else thing.__qualname__


def _fence(text: str, language: str) -> str:
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _without_docstrings(text: str) -> str:
    """Return source code without its docstrings, and without the empty lines after them."""
    lines = text.splitlines()
    dropped = set()
    for node in ast.walk(ast.parse(text)):
        holds = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if holds and ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno
            while last < len(lines) and not lines[last].strip():
                last += 1
            dropped.update(range(first, last))
    return "\n".join(line for k, line in enumerate(lines) if k not in dropped) + "\n"


def _heading(hunk: str, lines: list[str], context: int) -> str:
    """Return the heading of a hunk with the function or class that it stands in, not numbers."""
    first = int(hunk.split("+")[1].split(",")[0].split(" ")[0])
    above = lines[: max(first + context - 1, 1)]
    above = [line.strip() for line in above if line.lstrip().startswith(("def ", "class "))]
    return f"@@ {above[-1].rstrip(':')} @@" if above else "@@ … @@"
