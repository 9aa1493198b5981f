"""Pictures of the book: sample grids, curves, fields of a discriminator, and the player.

Every function here ends in `show` or `player` and therefore asks for alternative text. Real data
are blue circles and generated data orange crosses, in every figure. Nothing here changes the
reader's global matplotlib settings, and pyplot is never imported.
"""

import base64
import html
import io
import json
import math
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import matplotlib
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from gan_lessons.notebook import checked_alt, publish

REAL = "#1f77b4"
FAKE = "#e8710a"
COLOURS = (REAL, FAKE, "#00795a", "#9b4f96", "#4a4a4a", "#b8860b")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "X", "s", "^", "D", "v")

DPI = 160  # a figure of 6 inches is 960 pixels wide and is shown at 600
CSS_PER_INCH = 100
MAX_SHEET = 40_000_000  # pixels; phones refuse to decode larger pictures
MAX_BYTES = 240_000  # of a player's picture, where some quality reaches it; 320 kB on the page
BLOCK = 16  # pixels: side of the blocks that lossy formats work on
QUALITIES = (80, 65, 50, 35, 20)  # of lossy pictures, tried in turn

STYLE = {
    # 12 points in a figure of 6 inches are still 10 pixels on a phone of 390 pixels
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "#dddddd",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "lines.linewidth": 2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

# Orange where the discriminator says fake, blue where it says real; pale, so that points stand out.
VERDICT = LinearSegmentedColormap.from_list("verdict", ["#f6b98a", "#ffffff", "#94bfe0"])


# ---------------------------------------------------------------------------------------------
# Showing


def style():
    """Return a context in which new axes look like the book's; nothing global changes."""
    return matplotlib.rc_context(STYLE)


def figure(rows: int = 1, columns: int = 1, *, width: float = 6.0, height: float = 3.6, **options):
    """Return a new figure in the book's style and its axes, as `pyplot.subplots` would.

    `width` and `height` are in inches; `options` go to `Figure.subplots`. Show it with `show`.
    """
    with style():
        fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(fig)
        return fig, fig.subplots(rows, columns, **options)


def show(fig: Figure, *, alt: str) -> Figure | None:
    """Display a figure as a PNG with alternative text, and close it.

    The picture has a white background, so that it reads in a light and in a dark theme. Outside
    IPython the alternative text is printed and the figure returned. Raises ValueError where `alt`
    has fewer than 20 characters.
    """
    alt = checked_alt(alt)
    png = figure_png(fig)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)
    width = round(fig.get_size_inches()[0] * CSS_PER_INCH)
    bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    if publish(bundle, {"image/png": {"alt": alt, "width": width}}):
        return None
    return fig


def figure_png(fig: Figure) -> bytes:
    """Return a figure as PNG bytes, with a palette of 256 colours where nobody can see it."""
    buffer = io.BytesIO()
    with style():
        fig.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return _png(Image.open(buffer).convert("RGB"))


def _png(picture: Image.Image) -> bytes:
    small = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    error = np.asarray(small.convert("RGB"), np.float32) - np.asarray(picture, np.float32)
    return _saved(small if np.sqrt(np.mean(error**2)) < 3 else picture, "png", optimize=True)[1]


# ---------------------------------------------------------------------------------------------
# Images


def to_uint8(images: Tensor | np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) as uint8 (N, H, W, 3).

    Floats are taken to lie in [-1, 1] and are clipped to it; uint8 stays. C is 1 or 3. Raises
    ValueError for another shape or type, and for values that are not finite.
    """
    images = torch.as_tensor(images).detach().cpu()
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(
            f"Images must have the shape (N, 1 or 3, H, W), not {tuple(images.shape)}: "
            "add the missing axis with `images[None]` or `images[:, None]`."
        )
    if images.is_floating_point():
        if not torch.isfinite(images).all():
            raise ValueError("The images hold NaN or infinity: the model that made them diverged.")
        images = ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    elif images.dtype != torch.uint8:
        raise ValueError(f"Images must be float in [-1, 1] or uint8, not {images.dtype}.")
    return images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()


def tile(images: Tensor | np.ndarray, columns: int = 8, *, gap: int = 2, below: int = 0):
    """Return images (N, C, H, W) as one uint8 picture (rows, columns, 3), row by row.

    `gap` pixels of white stand between and around the images, `below` more under each of them.
    """
    pictures = to_uint8(images)
    n, height, width, _ = pictures.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    down, right = height + gap + below, width + gap
    sheet = np.full((rows * down + gap, columns * right + gap, 3), 255, np.uint8)
    for k, picture in enumerate(pictures):
        top, left = gap + (k // columns) * down, gap + (k % columns) * right
        sheet[top : top + height, left : left + width] = picture
    return sheet


def sample_grid(
    images: Tensor,
    columns: int = 8,
    *,
    alt: str,
    title: str | None = None,
    labels: Sequence | None = None,
    row_labels: Sequence | None = None,
    column_labels: Sequence | None = None,
) -> Figure | None:
    """Show images (N, C, H, W) as a grid, every pixel enlarged alike.

    `labels` stand under each image, `row_labels` left of the rows, `column_labels` above the
    columns. Floats lie in [-1, 1]. Raises ValueError for a wrong number of labels.
    """
    checked_alt(alt)
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    _check_count("labels", labels, len(images))
    _check_count("row_labels", row_labels, rows)
    _check_count("column_labels", column_labels, columns)
    height, width = images.shape[-2:]
    scale = _scale(columns * (width + 2) + 2)
    below = math.ceil(30 / scale) if labels is not None else 0
    sheet = tile(images, columns, below=below)
    margin = 18 + 15 * max(map(len, map(str, row_labels))) if row_labels is not None else 0
    head = 40 * (title is not None) + 34 * (column_labels is not None)
    fig, axes = _pixel_figure([sheet], scale, 1, head=head, margin=margin)
    ax, right, down = axes[0], width + 2, height + 2 + below
    if title is not None:
        _text(ax, sheet.shape[1] / 2, -(34 * (column_labels is not None) + 20) / scale, title)
    for k, text in enumerate(column_labels if column_labels is not None else ()):
        _text(ax, 2 + k * right + width / 2, -16 / scale, text, size=11)
    for k, text in enumerate(row_labels if row_labels is not None else ()):
        _text(ax, -10 / scale, 2 + k * down + height / 2, text, size=11, ha="right")
    for k, text in enumerate(labels if labels is not None else ()):
        x, y = 2 + (k % columns) * right + width / 2, 2 + (k // columns) * down + height
        _text(ax, x, y + 14 / scale, text, size=10)
    return show(fig, alt=alt)


def compare_grids(
    grids: Mapping[str, Tensor], *, alt: str, columns: int | None = None, per_row: int = 3
) -> Figure | None:
    """Show several named batches of images (N, C, H, W) side by side, one grid each.

    Give all of them the same noise, in the same order: then a difference between the grids is a
    difference between the models. `columns` is the width of one grid, `per_row` the grids in a row.
    """
    checked_alt(alt)
    if not grids:
        raise ValueError("There is nothing to compare: give {name: images, …}.")
    columns = columns or math.ceil(math.sqrt(max(len(images) for images in grids.values())))
    sheets = [tile(images, columns) for images in grids.values()]
    shape = np.max([sheet.shape for sheet in sheets], axis=0)
    sheets = [
        np.pad(s, [(0, a - b) for a, b in zip(shape, s.shape, strict=True)], constant_values=255)
        for s in sheets
    ]
    per_row = min(per_row, len(sheets))
    scale = _scale(per_row * shape[1])
    fig, axes = _pixel_figure(sheets, scale, per_row, head=40)
    for ax, name in zip(axes, grids, strict=True):
        _text(ax, shape[1] / 2, -20 / scale, name)
    return show(fig, alt=alt)


def _scale(width: int) -> int:
    """Return the whole factor that brings a picture of `width` pixels near 960 pixels."""
    return min(max(round(960 / width), 1), 4)


def _pixel_figure(sheets, scale, per_row, *, head=0, margin=0, between=24):
    """Return a figure with pictures of one size at a whole scale, and their axes (pixel units)."""
    rows = math.ceil(len(sheets) / per_row)
    height, width = sheets[0].shape[0] * scale, sheets[0].shape[1] * scale
    total_width = margin + per_row * width + (per_row - 1) * between
    total_height = rows * (head + height) + (rows - 1) * between
    with style():
        fig = Figure(figsize=(total_width / DPI, total_height / DPI), dpi=DPI)
        FigureCanvasAgg(fig)
        axes = []
        for k, sheet in enumerate(sheets):
            left = margin + (k % per_row) * (width + between)
            top = (k // per_row) * (head + height + between) + head
            box = [left / total_width, 1 - (top + height) / total_height]
            ax = fig.add_axes([*box, width / total_width, height / total_height])
            ax.imshow(sheet, interpolation="nearest", extent=(0, sheet.shape[1], sheet.shape[0], 0))
            ax.set_axis_off()
            axes.append(ax)
    return fig, axes


def _text(ax, x, y, text, *, size=12, ha="center"):
    ax.text(x, y, str(text), fontsize=size, ha=ha, va="center", clip_on=False)


def _check_count(name, values, wanted):
    if values is not None and len(values) != wanted:
        raise ValueError(f"`{name}` has {len(values)} entries, but {wanted} are needed.")


# ---------------------------------------------------------------------------------------------
# Curves, histograms, bars


def moving_average(values: Sequence[float], window: int) -> np.ndarray:
    """Return the centred moving average over `window` values; it shrinks at both ends.

    Values that are not finite are left out of the mean.
    """
    values = np.asarray(values, np.float64)
    good = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(good, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(good)])
    index = np.arange(len(values))
    low = np.maximum(index - window // 2, 0)
    high = np.minimum(index + (window + 1) // 2, len(values))
    with np.errstate(invalid="ignore"):
        return (total[high] - total[low]) / (count[high] - count[low])


def curves(
    history,
    keys: Sequence[str] | None = None,
    *,
    alt: str,
    smooth: int | None = None,
    xlabel: str = "step",
    ylabel: str = "loss",
    title: str | None = None,
    levels: Mapping[str, float] | None = None,
    ylim: tuple[float, float] | None = None,
    log: bool = False,
) -> Figure | None:
    """Show what a run recorded, over its steps: the mean in full, the raw values faint.

    `history` is a run, its `history` or `monitored` (a mapping from names to values; an entry
    "step" gives the positions), or a mapping from names to several of these. `keys` chooses what
    is drawn (default: the losses, where there are any). `smooth` is the window of the mean in
    steps (default: a fiftieth of the run, 1 for none). `levels` are named horizontal lines, such
    as a floor. Raises ValueError for a key that is not there.
    """
    checked_alt(alt)
    lines = list(_lines(history, keys))
    fig, ax = figure()
    with style():
        for k, (name, x, y) in enumerate(lines):
            colour, line = COLOURS[k % len(COLOURS)], LINES[k % len(LINES)]
            window = smooth or max(len(y) // 50, 1)
            if window > 1:
                ax.plot(x, y, color=colour, alpha=0.2, linewidth=0.8, zorder=1)
            marker = MARKERS[k % len(MARKERS)] if len(y) <= 40 else None
            mean = moving_average(y, window)
            ax.plot(x, mean, color=colour, linestyle=line, marker=marker, label=name)
        for name, level in (levels or {}).items():
            ax.axhline(level, color="#4a4a4a", linewidth=1, linestyle=":", label=name)
        if log:
            ax.set_yscale("log")
        ax.set(xlabel=xlabel, ylabel=ylabel, ylim=ylim, title=title)
        if len(lines) + len(levels or ()) > 1:
            ax.legend()
    return show(fig, alt=alt)


def _lines(history, keys):
    """Yield (name, positions, values) of every curve in a run, a history or a mapping of them."""
    history = getattr(history, "history", history)
    several = all(isinstance(h, Mapping) or hasattr(h, "history") for h in history.values())
    runs = history if several else {"": history}
    for run_name, run in runs.items():
        run = getattr(run, "history", run)
        names = [name for name in run if name != "step"]
        losses = [name for name in names if name.endswith("_loss")]
        chosen = keys or losses or names
        for key in chosen:
            if key not in names:
                raise ValueError(f"There is no {key!r} in the history; there are: {names}.")
            values = np.asarray(run[key], np.float64)
            steps = np.asarray(run["step"]) if "step" in run else np.arange(1, len(values) + 1)
            words = key.replace("_", " ")
            parts = [part for part in (run_name, words) if part]
            yield run_name if run_name and len(chosen) == 1 else ": ".join(parts), steps, values


def histogram(
    samples: Mapping[str, Sequence[float]],
    *,
    alt: str,
    xlabel: str,
    bins: int = 50,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure | None:
    """Show the densities of several named sets of numbers, in the same bins.

    The first set is drawn in the colour of real data, the second in that of generated data.
    """
    checked_alt(alt)
    values = {name: np.asarray(v, np.float64).ravel() for name, v in samples.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins, limits)
    fig, ax = figure()
    with style():
        for k, (name, v) in enumerate(values.items()):
            heights, _ = np.histogram(v, edges, density=True)
            colour = COLOURS[k % len(COLOURS)]
            ax.stairs(heights, edges, fill=True, color=colour, alpha=0.15)
            ax.stairs(
                heights,
                edges,
                color=colour,
                linestyle=LINES[k % len(LINES)],
                linewidth=2,
                label=name,
            )
        ax.set(xlabel=xlabel, ylabel="density", title=title)
        ax.legend()
    return show(fig, alt=alt)


def bars(
    groups: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    alt: str,
    ylabel: str,
    xlabel: str | None = None,
    title: str | None = None,
) -> Figure | None:
    """Show one bar for each of `names` and each group, side by side, such as shares of classes."""
    checked_alt(alt)
    hatches = ("", "//", "..", "xx", "\\\\", "--")
    fig, ax = figure()
    places, width = np.arange(len(names)), 0.8 / max(len(groups), 1)
    with style():
        for k, (group, values) in enumerate(groups.items()):
            _check_count(group, values, len(names))
            shift = (k - (len(groups) - 1) / 2) * width
            ax.bar(
                places + shift,
                values,
                width,
                color=COLOURS[k % len(COLOURS)],
                label=group,
                hatch=hatches[k % len(hatches)],
                edgecolor="white",
                linewidth=0.5,
            )
        ax.set_xticks(places, [str(name) for name in names])
        ax.grid(False, axis="x")
        ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
        if len(groups) > 1:  # above the axes, where it hides no bar
            fig.legend(loc="outside upper center", ncols=min(len(groups), 3), frameon=False)
    return show(fig, alt=alt)


# ---------------------------------------------------------------------------------------------
# The plane: samples, and what the discriminator thinks of every point


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
    limits = limits or _limits(real)
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
    limits = limits or _limits(real)
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
    limits = limits or _limits(real)
    frames = []
    for fake in fakes:
        fig, ax = figure(width=4.6, height=4.8)
        with style():
            _draw_points(ax, real, fake, limits)
            _legend_above(fig, ax)
        frames.append(_pixels(fig))
    return frames


def fields_frame(
    panels: Mapping[str, tuple[Tensor, Tensor]],
    real: Tensor,
    *,
    limits: tuple[float, float, float, float],
    columns: int = 3,
) -> np.ndarray:
    """Return one picture (H, W, 3) with a field and points for each panel, for `player`.

    `panels` maps a title to the scores on a square grid over `limits` (rows from bottom to top) and
    to generated points (N, 2). Each panel has its own colours, from its least to its greatest
    score, because scores of different losses have no common scale.
    """
    rows = -(-len(panels) // columns)
    fig, axes = figure(rows, columns, width=2.3 * columns, height=2.5 * rows, squeeze=False)
    with style():
        for ax in axes.flat:
            ax.set_axis_off()
        for ax, (name, (scores, fake)) in zip(axes.flat, panels.items(), strict=False):
            ax.imshow(np.asarray(scores), origin="lower", extent=limits, cmap=VERDICT)
            _draw_points(ax, real, fake, limits, most=300)
            ax.set_title(name)
        _legend_above(fig, axes.flat[0])
    return _pixels(fig)


def _field_figure(
    discriminator, real, fake, limits, probability, title, score_limits=None
) -> Figure:
    limits = limits or _limits(real)
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
    with torch.no_grad():
        scores = discriminator(grid.to(_device_of(discriminator, real)))
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
    points = torch.as_tensor(points).detach().cpu().float().numpy()
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"`{name}` must be points of shape (N, 2), not {points.shape}.")
    return points


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


def _pixels(fig, dpi=96) -> np.ndarray:
    """Return a figure as an RGB array; a lower resolution than `show`, as there are many frames."""
    fig.set_dpi(dpi)
    with style():
        fig.canvas.draw()
    return np.asarray(fig.canvas.buffer_rgba())[..., :3].copy()


# ---------------------------------------------------------------------------------------------
# Which network a loss moves


def gradient_paths(rows: Mapping[str, Sequence[tuple[str, str]]], *, alt: str) -> Figure | None:
    """Show chains of boxes, one for each step: values run right, gradients run back left.

    A row is a sequence of (text, role), from the noise to the loss. Roles: "value" is no network,
    "moves" a network that the optimiser updates, "passes" one that hands the gradient on, "still"
    one that it does not reach, and "cut" is no box but the place where the gradient ends. Raises
    ValueError for another role.
    """
    checked_alt(alt)
    fig, axes = figure(len(rows), 1, height=1.5 * len(rows), squeeze=False)
    with style():
        for ax, (title, chain) in zip(axes.flat, rows.items(), strict=True):
            _draw_chain(ax, chain)
            ax.set(xlim=(-0.6, max(map(len, rows.values())) - 0.4), ylim=(-0.75, 0.6))
            ax.set_title(title, loc="left")
            ax.set_axis_off()
    return show(fig, alt=alt)


_ROLES = {
    "value": {"facecolor": "white", "edgecolor": "#4a4a4a"},
    "moves": {"facecolor": "#bfe3d5", "edgecolor": "#00795a", "linewidth": 2.5},
    "passes": {"facecolor": "#f0f0f0", "edgecolor": "#00795a", "linestyle": "--"},
    "still": {"facecolor": "#f0f0f0", "edgecolor": "#9a9a9a"},
}


def _draw_chain(ax, chain):
    unknown = {role for _, role in chain} - {*_ROLES, "cut"}
    if unknown:
        raise ValueError(f"Unknown roles {sorted(unknown)}; choose from {[*_ROLES, 'cut']}.")
    reached = True
    for k in range(len(chain) - 1, -1, -1):  # from the loss back, the way the gradient runs
        text, role = chain[k]
        if role == "cut":
            ax.plot([k, k], [-0.42, 0.42], color="#b00020", linewidth=3)
            ax.text(k, -0.5, text, ha="center", va="top", color="#b00020", fontsize=11)
            reached = False
            continue
        note = {"moves": "moves", "passes": "passes on", "still": "stays"}.get(role, "")
        box = {"boxstyle": "round,pad=0.5", **_ROLES[role]}
        ax.text(k, 0, text, ha="center", va="center", bbox=box, zorder=3)
        ax.text(k, -0.42, note, ha="center", va="top", fontsize=10)
        if k == 0:
            continue
        before = k - 2 if chain[k - 1][1] == "cut" else k - 1
        _arrow(ax, before + 0.3, k - 0.3, 0.14, "#4a4a4a", "-")
        if reached and (chain[before][1] in ("moves", "passes") or before < k - 1):
            _arrow(ax, k - 0.3, k - 0.7 if before == k - 1 else k - 0.95, -0.14, "#00795a", "--")


def _arrow(ax, start, end, y, colour, line):
    arrow = {"arrowstyle": "-|>", "color": colour, "linestyle": line, "linewidth": 1.5}
    ax.annotate("", xy=(end, y), xytext=(start, y), arrowprops=arrow)


# ---------------------------------------------------------------------------------------------
# Walks through the latent space


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """Interpolate between two noises along the great circle. Source: White 2016, arXiv:1609.04468.

    `start` and `end` have the shape (…, d) and `t` runs from 0 to 1. A straight line between two
    Gaussian noises passes nearer to the origin than noise ever is; the great circle does not.
    Where both point the same (or the opposite) way the line is used.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1)
    angle = torch.arccos(cosine)[..., None]
    sine = torch.sin(angle)
    arc = (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / sine.clamp_min(1e-12)
    return torch.where(sine > 1e-4, arc, torch.lerp(start, end, t))


def walk_frames(
    sample: Callable[[Tensor], Tensor],
    anchors: Tensor,
    *,
    steps: int = 8,
    spherical: bool = True,
) -> Tensor:
    """Return the images on a closed walk through the anchors, for `player`.

    `anchors` (k, n, d) are k stops of n walks that go side by side; `sample` maps noise (n, d) to
    images (n, C, H, W). From stop to stop are `steps` frames, and the last stop leads back to the
    first: the result has k * steps frames, (F, n, C, H, W), on the CPU.
    """
    if anchors.ndim != 3 or len(anchors) < 2:
        raise ValueError(
            f"`anchors` must have the shape (stops, walks, latent dim) with at least two stops, "
            f"not {tuple(anchors.shape)}."
        )
    between = slerp if spherical else torch.lerp
    frames = []
    with torch.no_grad():
        for start, end in zip(anchors, anchors.roll(-1, dims=0), strict=True):
            frames += [sample(between(start, end, k / steps)).cpu() for k in range(steps)]
    return torch.stack(frames)


# ---------------------------------------------------------------------------------------------
# The player


def player(
    frames: Tensor | Sequence[np.ndarray],
    labels: Sequence[str],
    *,
    title: str,
    alt: str,
    caption: str | None = None,
    columns: int = 8,
    width: int | None = None,
    seconds: float = 0.25,
) -> None:
    """Display frames as a player with a slider and a play button that needs no kernel.

    The arguments are those of `player_html`.
    """
    page = player_html(
        frames,
        labels,
        title=title,
        alt=alt,
        caption=caption,
        columns=columns,
        width=width,
        seconds=seconds,
    )
    publish({"text/html": page, "text/plain": checked_alt(alt)})


def player_html(
    frames: Tensor | Sequence[np.ndarray],
    labels: Sequence[str],
    *,
    title: str,
    alt: str,
    caption: str | None = None,
    columns: int = 8,
    width: int | None = None,
    seconds: float = 0.25,
) -> str:
    """Return a player as HTML: one picture with all frames, a slider and a play button.

    `frames` are image grids (F, n, C, H, W), laid out in `columns`, or pictures (H, W, 3) in
    uint8, all of one size. Each frame has a label, such as "step 400". `title` names the player
    for assistive technology; `caption` stands under it and states the conclusion (default: the
    title). `width` is the largest width on the page in CSS pixels, `seconds` the time of a frame.

    Nothing is loaded from elsewhere and nothing moves by itself. Without scripts it is a still of
    the last frame; without styles, a contact sheet. Raises ValueError where frames and labels do
    not fit each other.
    """
    alt = checked_alt(alt)
    pictures, pixelated = _frame_pictures(frames, columns)
    labels = [str(label) for label in labels]
    _check_count("labels", labels, len(pictures))
    height, frame_width = pictures[0].shape[:2]
    across = math.ceil(math.sqrt(len(pictures)))
    sheet = _sheet(pictures, across)
    kind, data = _encode(sheet)
    # in percent of a frame, so that the player can have any size on the page
    down, right = (
        100 * step / side
        for step, side in zip(_stride(pictures), (height, frame_width), strict=True)
    )
    if width is None:
        width = frame_width * max(1, round(540 / frame_width)) if pixelated else frame_width
    last = len(pictures) - 1
    values = {
        "alt": html.escape(alt),
        "caption": html.escape(caption or title),
        "title": html.escape(title),
        "label": html.escape(labels[-1]),
        "room": max(map(len, labels)),
        "last": last,
        "left": f"{-right * (last % across):.4f}",
        "top": f"{-down * (last // across):.4f}",
        "sheet_width": f"{100 * sheet.width / frame_width:.4f}",
        "sheet_height": f"{100 * sheet.height / height:.4f}",
        "across": across,
        "right": f"{right:.4f}",
        "down": f"{down:.4f}",
        "ratio": f"{100 * height / frame_width:.3f}",
        "width": width,
        "rendering": "pixelated" if pixelated else "auto",
        "pause": round(1000 * seconds),
        # "</script>" in a label must not end the script
        "labels": json.dumps(labels).replace("</", "<\\/"),
        "source": f"data:image/{kind};base64,{base64.b64encode(data).decode()}",
    }
    content = json.dumps(values, sort_keys=True).encode()
    return _PLAYER.format(id=f"player-{zlib.crc32(content):08x}", **values)


def _frame_pictures(frames, columns):
    """Return the frames as a list of uint8 arrays (H, W, 3), and whether they are image grids."""
    if isinstance(frames, Tensor) or getattr(frames, "ndim", 0) == 5:
        if frames.ndim != 5 or len(frames) == 0:
            raise ValueError(
                f"Frames must have the shape (F, n, C, H, W), not {tuple(frames.shape)}; "
                "pictures of points come as a list, from `scatter_frames` or `field_frames`."
            )
        return [tile(frame, columns) for frame in frames], True
    pictures = [np.asarray(frame) for frame in frames]
    if not pictures:
        raise ValueError("A player needs at least one frame.")
    for picture in pictures:
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(
                f"A frame must be a uint8 picture (H, W, 3), not {picture.dtype} {picture.shape}."
            )
        if picture.shape != pictures[0].shape:
            raise ValueError("All frames must have the same size: give them the same limits.")
    return pictures, False


def _stride(pictures) -> tuple[int, int]:
    """Return the distance from frame to frame in the sheet: whole blocks of the lossy formats.

    A frame that shared a block with its neighbour would show traces of it at the border.
    """
    height, width = pictures[0].shape[:2]
    return -(-height // BLOCK) * BLOCK, -(-width // BLOCK) * BLOCK


def _sheet(pictures, across) -> Image.Image:
    """Return all frames as one picture, row by row, `_stride` apart."""
    height, width = pictures[0].shape[:2]
    down, right = _stride(pictures)
    rows = math.ceil(len(pictures) / across)
    if down * right * across * rows > MAX_SHEET:
        raise ValueError(
            f"{len(pictures)} frames of {width} x {height} pixels are too many for one picture: "
            "take fewer frames or fewer images in a frame."
        )
    sheet = np.full((rows * down, across * right, 3), 255, np.uint8)
    for k, picture in enumerate(pictures):
        top, left = (k // across) * down, (k % across) * right
        # the last row and column go on, so that the block holds no edge that is not in the picture
        margin = [(0, down - height), (0, right - width), (0, 0)]
        sheet[top : top + down, left : left + right] = np.pad(picture, margin, mode="edge")
    return Image.fromarray(sheet)


def _encode(sheet: Image.Image) -> tuple[str, bytes]:
    """Return a picture as (kind, bytes): lossless if that fits, else as good as MAX_BYTES allows.

    Only formats that every browser reads: PNG, WebP, JPEG.
    """
    grey = sheet.convert("L")
    plain = grey if np.array_equal(np.asarray(grey.convert("RGB")), np.asarray(sheet)) else sheet
    lossless = []
    if sheet.getcolors(64):  # toys and binary digits; more shades never pay without loss
        lossless = [
            _saved(plain, "png", optimize=True),
            _saved(sheet, "webp", lossless=True, method=4),
        ]
    best = min(lossless, key=lambda result: len(result[1]), default=None)
    if best and len(best[1]) <= MAX_BYTES // 4:
        return best
    for quality in QUALITIES:
        lossy = [
            _saved(sheet, "webp", quality=quality, method=4),
            _saved(plain, "jpeg", quality=quality, optimize=True),
        ]
        smallest = min([*lossless, *lossy], key=lambda result: len(result[1]))
        if len(smallest[1]) <= MAX_BYTES:
            break
    return smallest


def _saved(picture: Image.Image, kind: str, **options) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    picture.save(buffer, kind.upper(), **options)
    return kind, buffer.getvalue()


# One figure, no style sheet (it is not allowed in the body) and one script that touches nothing but
# the figures of this id. The controls stay hidden where no script runs. A copy of the same player
# on the same page is found by its class and gives up its id, which must be unique.
_PLAYER = """\
<figure id="{id}" class="gan-player {id}" style="margin:1em 0;width:100%;max-width:{width}px">
<div style="position:relative;overflow:hidden;height:0;padding:0 0 {ratio}%;border-radius:6px;\
background:#fff">
<img class="dark-light" alt="{alt}" src="{source}" style="position:absolute;left:{left}%;\
top:{top}%;width:{sheet_width}%;height:{sheet_height}%;max-width:none;margin:0;padding:0;\
border-radius:0;image-rendering:{rendering}">
</div>
<div class="gan-player-controls" hidden style="display:none;align-items:center;gap:.75em;\
margin-top:.5em;color:inherit">
<button type="button" aria-label="Play: {title}" style="flex:none;display:inline-flex;\
align-items:center;justify-content:center;width:36px;height:36px;padding:0;border:1.5px solid \
currentColor;border-radius:50%;background:transparent;color:inherit;cursor:pointer">
<svg viewBox="0 0 16 16" width="16" height="16" fill="currentColor" aria-hidden="true" \
focusable="false"><path d="M4.5 2.5v11l9-5.5z"/></svg>
</button>
<input type="range" min="0" max="{last}" value="{last}" step="1" autocomplete="off" \
aria-label="{title}: frame" aria-valuetext="{label}" style="flex:1 1 auto;min-width:0;height:36px;\
margin:0;padding:0;accent-color:#2f83c5;cursor:pointer">
<span class="gan-player-label" aria-hidden="true" style="flex:none;min-width:{room}ch;\
text-align:right;font-size:.9em;font-variant-numeric:tabular-nums;color:inherit">{label}</span>
</div>
<figcaption style="margin-top:.5em;font-size:.9em;line-height:1.45;text-align:left;\
color:inherit">{caption}</figcaption>
</figure>
<script>
(function () {{
  var labels = {labels}, across = {across}, last = {last};
  var calm = window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  var icons = {{Play: "M4.5 2.5v11l9-5.5z", Pause: "M4 3h3v10H4zM9 3h3v10H9z"}};
  document.querySelectorAll("figure.{id}").forEach(function (root) {{
    if (root.dataset.ready) return;
    root.dataset.ready = "yes";
    if (document.getElementById("{id}") !== root) root.removeAttribute("id");
    var picture = root.querySelector("img"), button = root.querySelector("button");
    var slider = root.querySelector("input"), text = root.querySelector("span");
    var controls = root.querySelector(".gan-player-controls");
    var title = button.getAttribute("aria-label").slice("Play: ".length), timer = null;
    function go(frame) {{
      slider.value = frame;
      slider.setAttribute("aria-valuetext", labels[frame]);
      text.textContent = labels[frame];
      picture.style.left = -{right} * (frame % across) + "%";
      picture.style.top = -{down} * Math.floor(frame / across) + "%";
    }}
    function set(word) {{
      button.setAttribute("aria-label", word + ": " + title);
      button.querySelector("path").setAttribute("d", icons[word]);
    }}
    function stop() {{
      clearInterval(timer);
      timer = null;
      set("Play");
    }}
    function advance() {{
      if (!root.isConnected || Number(slider.value) >= last) return stop();
      go(Number(slider.value) + 1);
      if (Number(slider.value) >= last) stop();
    }}
    function play() {{
      if (Number(slider.value) >= last) go(0);
      set("Pause");
      timer = setInterval(advance, calm ? Math.max({pause}, 1000) : {pause});
    }}
    button.addEventListener("click", function () {{ timer === null ? play() : stop(); }});
    slider.addEventListener("input", function () {{ stop(); go(Number(slider.value)); }});
    controls.hidden = false;
    controls.style.display = "flex";
  }});
}})();
</script>
"""
