"""What a chapter shows besides pictures: the source of its code, live explorers, the first cell.

`gan_lessons` imports this module, so it loads nothing heavy itself.
"""

import ast
import difflib
import inspect
import json
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

MIN_ALT = 20  # characters
PACKAGE = Path(__file__).parent
# Used where `timings.json` has no measured time. The presets are designed for these.
PLANNED = {
    "smoke": "a few seconds of training",
    "cpu": "60 to 120 seconds of training on two CPU cores",
    "gpu": "about two minutes of training on a T4",
}
NO_MODULE = ("foundations/metrics",)  # chapters about a module that all chapters share


# --- displaying --------------------------------------------------------------------------------


def publish(bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> bool:
    """Display a MIME bundle where IPython runs, else print its plain text. True if displayed."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(bundle["text/plain"])
        return False
    from IPython.display import display

    display(bundle, raw=True, metadata=metadata or {})
    return True


def checked_alt(alt: str) -> str:
    """Return `alt` with single spaces. ValueError if it has fewer than 20 characters."""
    alt = " ".join(str(alt).split())
    if len(alt) < MIN_ALT:
        raise ValueError(
            f"The alternative text {alt!r} is too short: say in a sentence (at least {MIN_ALT} "
            "characters) what the picture shows, for a reader who cannot see it."
        )
    return alt


# --- source ------------------------------------------------------------------------------------


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
    publish({"text/markdown": "\n\n".join(parts), "text/plain": plain})


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
        publish({"text/markdown": text, "text/plain": text})
        return
    lines = [_heading(line, after, context) if line.startswith("@@") else line for line in lines]
    diff = "\n".join(lines) + "\n"
    publish({"text/markdown": _fence(diff, "diff"), "text/plain": diff})


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


# --- explorers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slider:
    """A number to choose: from `low` to `high`, starting at `start`.

    `stops` is how many values the static page shows of it.
    """

    low: float
    high: float
    start: float = 0.0
    stops: int = 9


def explore(
    function: Callable[..., Any],
    *,
    title: str,
    alt: str,
    caption: str | None = None,
    columns: int = 8,
    **controls: Slider | Sequence,
) -> None:
    """Display the pictures that `function` makes, with a control for each of its arguments.

    `function(**values)` returns images (n, C, H, W) or one picture (H, W, 3) in uint8, always of
    one size. A control is a `Slider`, or a sequence of choices for a dropdown. Where a kernel and
    ipywidgets are there, the controls are live. The output also carries a player made beforehand,
    in which one control after the other moves and the others rest: that is what a static page
    shows. ValueError for a control that offers nothing to choose.
    """
    from gan_lessons.figures import player_html

    for name, control in controls.items():
        if not isinstance(control, Slider) and len(control) == 0:
            raise ValueError(f"The control {name!r} is empty: give a Slider or some choices.")
    frames, labels = _sweep(function, controls)
    page = player_html(
        frames, labels, title=title, alt=alt, caption=caption, columns=columns, seconds=0.4
    )
    bundle = {"text/html": page, "text/plain": checked_alt(alt)}
    publish(_live(function, controls, columns, alt, title) | bundle)


def explore_latent(
    run: Any,
    *,
    directions: Any = 2,
    n: int = 16,
    reach: float = 3.0,
    seed: int = 0,
    title: str = "Directions in the latent space",
    alt: str | None = None,
    caption: str | None = None,
) -> None:
    """Explore `n` samples of a run along directions of its latent space, all moved alike.

    `directions` is a tensor (k, latent_dim), or how many to draw at random, orthogonal to each
    other. A slider moves each noise by up to `reach` along its direction; then the noise gets its
    old length back, so that it stays where noise lies. ValueError where there are more directions
    than latent dimensions.
    """
    import torch

    size = run.config.latent_dim
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, size, generator=generator)
    if isinstance(directions, int):
        if not 1 <= directions <= size:
            raise ValueError(f"There are 1 to {size} directions to choose, not {directions}.")
        square = torch.randn(size, directions, generator=generator)
        directions = torch.linalg.qr(square).Q.T

    def images(**steps: float):
        moved = z + torch.tensor(list(steps.values())) @ directions.cpu().float()
        moved = moved * (z.norm(dim=1, keepdim=True) / moved.norm(dim=1, keepdim=True))
        return _sample(run, z=moved)

    explore(
        images,
        title=title,
        alt=alt
        or f"{n} generated samples change together as their noise moves along "
        f"{len(directions)} directions of the latent space, one after the other.",
        caption=caption,
        columns=8 if n > 8 else n,
        **{f"direction {k + 1}": Slider(-reach, reach) for k in range(len(directions))},
    )


def explore_classes(
    run: Any,
    *,
    classes: Sequence[str] = tuple("0123456789"),
    n: int = 16,
    seed: int = 0,
    title: str = "Class and style",
    alt: str | None = None,
    caption: str | None = None,
) -> None:
    """Explore a conditional run: a dropdown for the class and a slider for the style.

    The style goes along the great circle from one noise batch to another, the same `n` pairs for
    every class: what stays when the class changes is the style.
    """
    import torch

    from gan_lessons.figures import slerp

    generator = torch.Generator().manual_seed(seed)
    start, end = torch.randn(2, n, run.config.latent_dim, generator=generator)
    names = [str(name) for name in classes]

    def images(**values: Any):
        labels = torch.full((n,), names.index(values["class"]))
        return _sample(run, z=slerp(start, end, values["style"]), labels=labels)

    explore(
        images,
        title=title,
        alt=alt
        or f"{n} generated samples of each class in turn, from the same noise; then their style "
        "changes while the class stays.",
        caption=caption,
        columns=8 if n > 8 else n,
        **{"class": names, "style": Slider(0.0, 1.0)},
    )


def _sample(run: Any, **inputs: Any):
    """Return samples of the averaged model for the given inputs, on the CPU."""
    device = next(run.averaged.parameters()).device
    return run.averaged.sample(**{name: value.to(device) for name, value in inputs.items()}).cpu()


def _sweep(function, controls):
    """Return frames in which each control moves alone, and their labels."""
    rest = {k: c.start if isinstance(c, Slider) else c[0] for k, c in controls.items()}
    frames, labels = [], []
    for name, control in controls.items():
        if isinstance(control, Slider):
            gap = (control.high - control.low) / max(control.stops - 1, 1)
            values = [control.low + k * gap for k in range(control.stops)]
        else:
            values = list(control)
        for value in values:
            frames.append(_picture(function(**rest | {name: value})))
            words = f"{value:+.2g}" if isinstance(value, float) else value
            labels.append(f"{name}: {words}")
    return _together(frames), labels


def _picture(result: Any):
    """Return a result as something that a player takes: images (n, C, H, W) or pixels (H, W, 3)."""
    return result.detach().cpu() if hasattr(result, "detach") else result


def _together(frames: list):
    import torch

    return torch.stack(frames) if isinstance(frames[0], torch.Tensor) else frames


def _live(function, controls, columns, alt, title) -> dict[str, Any]:
    """Return the view of live controls for a MIME bundle; empty without kernel or ipywidgets."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if getattr(shell, "kernel", None) is None:
        return {}
    try:
        import ipywidgets as widgets
    except ImportError:
        return {}
    inputs = {name: _input(widgets, name, control) for name, control in controls.items()}
    picture = widgets.Image(format="png", alt=alt)

    def redraw(_change: Any = None) -> None:
        result = function(**{name: widget.value for name, widget in inputs.items()})
        picture.value = _enlarged_png(_picture(result), columns)

    for widget in inputs.values():
        widget.observe(redraw, names="value")
    redraw()
    box = widgets.VBox([widgets.HTML(f"<strong>{title}</strong>"), *inputs.values(), picture])
    return {
        "application/vnd.jupyter.widget-view+json": {
            "version_major": 2,
            "version_minor": 0,
            "model_id": box.model_id,
        }
    }


def _input(widgets: ModuleType, name: str, control: Slider | Sequence):
    options = {"description": name, "style": {"description_width": "initial"}}
    if not isinstance(control, Slider):
        return widgets.Dropdown(options=list(control), **options)
    step = (control.high - control.low) / 60
    return widgets.FloatSlider(
        control.start, min=control.low, max=control.high, step=step, **options
    )


def _enlarged_png(result: Any, columns: int) -> bytes:
    """Return images or a picture as PNG bytes, small images at a whole factor near 540 pixels."""
    import io

    from PIL import Image

    from gan_lessons.figures import tile

    if getattr(result, "ndim", 0) == 4:
        pixels = tile(result, columns)
        factor = max(1, round(540 / pixels.shape[1]))
        pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    else:
        pixels = result
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


# --- the first cell ----------------------------------------------------------------------------


def start(chapter: str) -> None:
    """Print what this session will do: version, device, budget and how long the chapter takes.

    `chapter` is a path in the book, such as "foundations/gan". ValueError for an unknown one.
    """
    import torch

    from gan_lessons import __version__
    from gan_lessons.training import BUDGETS, budget, pick_device

    known = _chapters()
    if chapter not in known:
        raise ValueError(f"There is no chapter {chapter!r}; choose one of {', '.join(known)}.")
    device, chosen = pick_device(), budget()
    by = "by GAN_LESSONS_BUDGET" if os.environ.get("GAN_LESSONS_BUDGET") else "from the device"
    print(f"GAN Lessons {__version__}, torch {torch.__version__}, on {_device_name(device)}.")
    print(f"Budget: {chosen} (chosen {by}). Expect {_expected(chapter, chosen)}.")
    others = " or ".join(name for name in BUDGETS if name != chosen)
    print(f"For another budget ({others}): %env GAN_LESSONS_BUDGET=…, then run this cell again.")
    if device.type == "cpu" and "google.colab" in sys.modules:
        print("No GPU yet: choose Runtime > Change runtime type > T4 GPU, then run all cells.")


def _chapters() -> list[str]:
    """Return all chapters: every module in a part of the package, and those without a module."""
    modules = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.glob("*/[a-z]*.py"))
    names = {path.as_posix() for path in modules if path.parts[0] != "data"}
    return sorted(names.union(NO_MODULE, _timings()))


def _timings() -> dict[str, dict[str, float]]:
    """Return the measured seconds of each chapter and budget; empty where none were measured."""
    path = PACKAGE / "timings.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _expected(chapter: str, chosen: str) -> str:
    seconds = _timings().get(chapter, {}).get(chosen)
    if seconds is None:
        return f"{PLANNED[chosen]} (planned, not measured)"
    if seconds < 90:
        whole = max(round(seconds), 1)
        return f"about {whole} second{'s' * (whole > 1)} for the whole chapter"
    return f"about {round(seconds / 60, 1):g} minutes for the whole chapter"


def _device_name(device: Any) -> str:
    import torch

    if device.type == "cuda":
        return f"the GPU {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "the Apple GPU (MPS)"
    threads = torch.get_num_threads()
    return f"the CPU ({threads} thread{'s' * (threads > 1)})"
