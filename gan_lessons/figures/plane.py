"""The plane: samples in it, and what the discriminator thinks of every point."""

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from gan_lessons.arguments import function, number, of_kind
from gan_lessons.figures.style import (
    DENSITY,
    FAKE,
    REAL,
    VERDICT,
    check_count,
    figure,
    floats,
    show,
    style,
)
from gan_lessons.page.display import checked_alt


def scatter(
    real: Tensor,
    fake: Tensor | Mapping[str, Tensor] | None = None,
    *,
    alt: str,
    limits: tuple[float, float, float, float] | None = None,
    title: str | None = None,
) -> Figure | None:
    """Show points (N, 2): real ones as blue circles, generated ones as orange crosses.

    A mapping of generated points gives one panel for each name, with the same real points and
    limits. `limits` are (left, right, bottom, top).
    """
    checked_alt(alt)
    panels = fake if isinstance(fake, Mapping) else {title: fake}
    limits = _checked_limits(limits) or _limits(real)
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    width = 4.6 if columns == 1 else 6.0
    fig, axes = figure(
        rows,
        columns,
        width=width,
        height=rows * width / columns * 0.98 + 0.4,
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    with style():
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for k, (name, points) in enumerate(panels.items()):
            ax, lowest, first = axes.flat[k], k + columns >= len(panels), k % columns == 0
            _draw_points(ax, real, points, limits)
            ax.tick_params(labelbottom=lowest, labelleft=first)
            ax.set(title=name, xlabel="$x_1$" if lowest else "", ylabel="$x_2$" if first else "")
        _legend_above(fig, axes.flat[0])
    return show(fig, alt=alt)


def field(
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    *,
    alt: str,
    limits: tuple[float, float, float, float] | None = None,
    probability: bool = True,
    title: str | None = None,
) -> Figure | None:
    """Show what a discriminator says at every point of the plane, with real and generated points.

    `discriminator` maps points (N, 2) to scores (N,) or (N, 1). With `probability` the colour is
    sigmoid(D(x)) from 0 to 1, else the score itself, as for a critic.
    """
    checked_alt(alt)
    return show(_field_figure(discriminator, real, fake, limits, probability, title), alt=alt)


def field_frames(
    states: Iterable[tuple[Callable[[Tensor], Tensor], Tensor]],
    real: Tensor,
    *,
    limits: tuple[float, float, float, float] | None = None,
    probability: bool = True,
    score_limits: tuple[float, float] | None = None,
) -> list[np.ndarray]:
    """Return one picture (H, W, 3) of the discriminator's field for each state, for `player`.

    `states` yields (discriminator, generated points). It is read one by one, so that it may be a
    generator that trains between two states. All frames share `limits`; give `score_limits` for
    scores that are no probabilities, so that a colour means the same in all frames.
    """
    limits = _checked_limits(limits) or _limits(real)
    return [
        _pixels(_field_figure(d, real, fake, limits, probability, None, score_limits))
        for d, fake in states
    ]


def scatter_frames(
    fakes: Iterable[Tensor],
    real: Tensor,
    *,
    limits: tuple[float, float, float, float] | None = None,
) -> list[np.ndarray]:
    """Return one picture (H, W, 3) for each batch of generated points (N, 2), for `player`."""
    limits = _checked_limits(limits) or _limits(real)
    frames = []
    for fake in fakes:
        fig, ax = figure(width=4.6, height=4.8)
        with style():
            _draw_points(ax, real, fake, limits)
            _legend_above(fig, ax)
        frames.append(_pixels(fig))
    return frames


def points_frame(
    panels: Mapping[str, Tensor],
    real: Tensor,
    *,
    limits: tuple[float, float, float, float],
    columns: int = 3,
) -> np.ndarray:
    """Return one picture (H, W, 3) with the points of each panel over the real ones, for `player`.

    `panels` maps a title to generated points (N, 2). All have the same limits and no axes; the
    titles can be read where the picture is as narrow as a phone.
    """
    limits = _checked_limits(limits)
    rows = -(-len(panels) // columns)
    fig, axes = figure(rows, columns, width=2.25 * columns, height=2.52 * rows, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.02, h_pad=0.03, wspace=0.02, hspace=0.01)
    with style():
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
        for ax, (name, fake) in zip(axes.flat, panels.items(), strict=False):
            ax.scatter(*_points(real, "real")[:400].T, s=44, color=REAL, alpha=0.15, linewidths=0)
            cross = {"s": 13, "color": FAKE, "marker": "x", "linewidths": 1.0}
            ax.scatter(*_points(fake, "fake")[:200].T, **cross)
            ax.set(xlim=limits[:2], ylim=limits[2:], aspect="equal", xticks=(), yticks=())
            ax.set_facecolor("#f6f8fa")
            ax.spines[:].set_visible(False)
            ax.set_title(name, fontsize=17, pad=3)
    return _pixels(fig)


def _field_figure(
    discriminator, real, fake, limits, probability, title, score_limits=None
) -> Figure:
    limits = _checked_limits(limits) or _limits(real)
    x, y, scores = _scores(discriminator, real, limits)
    if probability:
        scores = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
        levels, extend = np.linspace(0, 1, 21), "neither"
    else:
        low, high = score_limits or (scores.min(), max(scores.max(), scores.min() + 1e-6))
        levels, extend = np.linspace(low, high, 21), "both"
    fig, ax = figure(width=5.4, height=4.8)
    with style():
        filled = ax.contourf(x, y, scores, levels, cmap=VERDICT, extend=extend)
        ax.contour(
            x, y, scores, levels[2:-1:2], colors="#8a8a8a", linewidths=0.5, linestyles="solid"
        )
        bar = fig.colorbar(filled, ax=ax, ticks=MaxNLocator(5), pad=0.02)
        bar.set_label("sigmoid(D(x)): fake 0, real 1" if probability else "score D(x)")
        _draw_points(ax, real, fake, limits)
        _legend_above(fig, ax)
        ax.set_title(title)
        ax.grid(False)
    return fig


def _scores(discriminator, real, limits, resolution=120):
    """Return the axes and the scores (resolution, resolution) of a grid over the plane."""
    x = np.linspace(*limits[:2], resolution, dtype=np.float32)
    y = np.linspace(*limits[2:], resolution, dtype=np.float32)
    grid = torch.from_numpy(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
    function("discriminator", discriminator)
    with torch.no_grad():
        scores = discriminator(grid.to(_device_of(discriminator, real)))
    of_kind("What the discriminator returns", scores, Tensor)
    if scores.numel() != len(grid):
        raise ValueError(
            f"The discriminator must return one score for each of the {len(grid)} points, "
            f"but returned the shape {tuple(scores.shape)}."
        )
    return x, y, scores.float().cpu().numpy().reshape(resolution, resolution)


def _device_of(model, default):
    """Return the device of a module's parameters, or that of the tensor `default`."""
    parameters = model.parameters() if isinstance(model, torch.nn.Module) else ()
    return next(iter(parameters), torch.as_tensor(default)).device


def _draw_points(ax, real, fake, limits, most=1000):
    real, fake = _points(real, "real"), None if fake is None else _points(fake, "fake")
    ax.scatter(*real[:most].T, s=14, color=REAL, alpha=0.55, linewidths=0, label="real")
    if fake is not None:
        ax.scatter(*fake[:most].T, s=20, color=FAKE, marker="x", linewidths=1.1, label="fake")
    ax.set(xlim=limits[:2], ylim=limits[2:], aspect="equal", xlabel="$x_1$", ylabel="$x_2$")


def _legend_above(fig, ax):
    """Put the legend of real and fake above the axes, where it hides no point."""
    handles, labels = ax.get_legend_handles_labels()
    fig.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=2,
        frameon=False,
        handletextpad=0.1,
        markerscale=1.6,
    )


def _points(points, name) -> np.ndarray:
    points = floats(name, points).astype(np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"`{name}` must be points of shape (N, 2), not {points.shape}.")
    return points


def _checked_limits(limits):
    """Return limits that are None or four numbers; TypeError or ValueError for others."""
    if limits is None:
        return None
    check_count("limits", limits, 4)
    for side in limits:
        number("each of the limits", side)
    return limits


def _limits(real):
    """Return a square that holds the real points with a margin, as (left, right, bottom, top)."""
    points = _points(real, "real")
    centre = (points.max(0) + points.min(0)) / 2
    half = 0.65 * (points.max(0) - points.min(0)).max()
    return (
        float(centre[0] - half),
        float(centre[0] + half),
        float(centre[1] - half),
        float(centre[1] + half),
    )


def _pixels(fig) -> np.ndarray:
    """Return a figure as an RGB array, twice as dense as it is shown; not so dense as by `show`."""
    fig.set_dpi(96 * DENSITY)
    with style():
        fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()
