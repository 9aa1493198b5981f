"""Explorers: pictures that change with controls, live where a kernel is, a player elsewhere.

The figures are loaded where they are needed, so that showing source alone stays light.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from gan_lessons import arguments
from gan_lessons.messages import shown
from gan_lessons.page import display


@dataclass(frozen=True)
class Slider:
    """A number to choose: from `low` to `high`, starting at `start`.

    `stops` is how many values the static page shows of it.
    """

    low: float
    high: float
    start: float = 0.0
    stops: int = 9

    def __post_init__(self) -> None:
        arguments.whole("stops", self.stops)
        if arguments.number("low", self.low) >= arguments.number("high", self.high):
            raise ValueError(f"A slider runs from low to high, not from {self.low} to {self.high}.")


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
    one size; a picture has twice the pixels at which it is shown. A control is a `Slider`, or a
    sequence of choices for a dropdown. Where a kernel and ipywidgets are there, the controls are
    live. The output also carries a player made beforehand, in which one control after the other
    moves and the others rest, a slider at its start and choices in their middle: that is what a
    static page shows, opened where all of them rest. ValueError for a control that offers nothing
    to choose.
    """
    from gan_lessons.figures import player_html

    arguments.function("function", function)
    if not controls:
        raise ValueError("There is no control: give a Slider or some choices for each argument.")
    for name, control in controls.items():
        arguments.of_kind(f"The control {name!r}", control, Slider, Sequence)
        if not isinstance(control, Slider) and len(control) == 0:
            raise ValueError(f"The control {name!r} is empty: give a Slider or some choices.")
    frames, labels = _sweep(function, controls)
    page = player_html(
        frames,
        labels,
        title=title,
        alt=alt,
        caption=caption,
        columns=columns,
        seconds=0.4,
        rest=_resting(next(iter(controls.values()))),
    )
    bundle = {"text/html": page, "text/plain": display.checked_alt(alt)}
    display.publish(_live(function, controls, columns, alt, title) | bundle)


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

    _check_run(run)
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

    _check_run(run)
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
        **{"class": names, "style": Slider(0.0, 1.0, start=0.5)},
    )


def _check_run(run: Any) -> None:
    if not hasattr(run, "averaged"):
        raise TypeError(f"run must be a Run, not {shown(run)}.")


def _sample(run: Any, **inputs: Any):
    """Return samples of the averaged model for the given inputs, on the CPU."""
    device = next(run.averaged.parameters()).device
    return run.averaged.sample(**{name: value.to(device) for name, value in inputs.items()}).cpu()


def _sweep(function, controls):
    """Return frames in which each control moves alone, and their labels."""
    rest = {name: _start(control) for name, control in controls.items()}
    frames, labels = [], []
    for name, control in controls.items():
        for value in _stops(control):
            frames.append(_picture(function(**rest | {name: value})))
            words = f"{value:+.2g}" if isinstance(value, float) else value
            labels.append(f"{name}: {words}")
    return _together(frames), labels


def _stops(control: Slider | Sequence) -> list:
    """Return the values that the static page shows of a control."""
    if not isinstance(control, Slider):
        return list(control)
    gap = (control.high - control.low) / max(control.stops - 1, 1)
    return [control.low + k * gap for k in range(control.stops)]


def _start(control: Slider | Sequence) -> Any:
    """Return where a control rests: the start of a slider, the choice in the middle."""
    return control.start if isinstance(control, Slider) else control[len(control) // 2]


def _resting(control: Slider | Sequence) -> int:
    """Return which stop of the first control is nearest to where all controls rest."""
    if not isinstance(control, Slider):
        return len(control) // 2
    distances = [abs(value - control.start) for value in _stops(control)]
    return distances.index(min(distances))


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
        return widgets.Dropdown(options=list(control), value=_start(control), **options)
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
