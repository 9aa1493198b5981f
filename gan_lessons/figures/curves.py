"""Lines and bars: what a run recorded, functions of one variable, densities, shares."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from gan_lessons.arguments import of_kind, whole
from gan_lessons.figures.style import (
    COLOURS,
    FAKE,
    LINES,
    MARKERS,
    REAL,
    check_count,
    figure,
    floats,
    show,
    style,
)
from gan_lessons.messages import shown
from gan_lessons.page.display import checked_alt

DATA = {"real": REAL, "fake": FAKE}
ABSTRACT = (*COLOURS[2:], REAL, FAKE)  # for what is no data, so the colours of data come last


def moving_average(values: Sequence[float], window: int) -> np.ndarray:
    """Return the centred moving average over `window` values; it shrinks at both ends.

    Values that are not finite are left out of the mean.
    """
    values, window = floats("values", values), whole("window", window)
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
    series = list(_series(history, keys))
    fig, ax = figure()
    with style():
        for k, (name, x, y) in enumerate(series):
            colour, line = COLOURS[k % len(COLOURS)], LINES[k % len(LINES)]
            window = whole("smooth", smooth) if smooth else max(len(y) // 50, 1)
            if window > 1:
                ax.plot(x, y, color=colour, alpha=0.2, linewidth=0.8, zorder=1)
            marker = MARKERS[k % len(MARKERS)] if len(y) <= 40 else None
            mean = moving_average(y, window)
            ax.plot(x, mean, color=colour, linestyle=line, marker=marker, label=name)
        _draw_levels(ax, levels)
        if log:
            ax.set_yscale("log")
        ax.set(xlabel=xlabel, ylabel=ylabel, ylim=ylim, title=title)
        if len(series) + len(levels or ()) > 1:
            ax.legend()
    return show(fig, alt=alt)


def _series(history, keys):
    """Yield (name, positions, values) of every curve in a run, a history or a mapping of them."""
    history = getattr(history, "history", history)
    of_kind("history", history, Mapping, hint="Give a run, or {name: values}.")
    if not history:
        raise ValueError("The history is empty: nothing has been recorded yet.")
    if keys is not None and (isinstance(keys, str) or not isinstance(keys, Sequence)):
        raise TypeError(f"keys must be a list of names, not {shown(keys)}.")
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
            values = floats(key, run[key])
            steps = np.asarray(run["step"]) if "step" in run else np.arange(1, len(values) + 1)
            words = key.replace("_", " ")
            parts = [part for part in (run_name, words) if part]
            yield run_name if run_name and len(chosen) == 1 else ": ".join(parts), steps, values


def _draw_levels(ax, levels):
    """Draw named horizontal lines; one without a name stays out of the legend."""
    for name, level in (levels or {}).items():
        ax.axhline(level, color="#4a4a4a", linewidth=1, linestyle=":", label=name)


def lines(
    entries: Mapping[str, Any],
    x: Sequence[float] | None = None,
    *,
    alt: str,
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    points: Sequence[str] = (),
    log: str = "",
    levels: Mapping[str, float] | None = None,
    xlim: tuple[float | None, float | None] | None = None,
    ylim: tuple[float | None, float | None] | None = None,
) -> Figure | None:
    """Show named functions of one variable as lines, each with its own colour and dashes.

    An entry is y, over the shared `x`, or a tuple (x, y) of its own; each is a tensor or a sequence
    of n numbers. Up to 40 values get markers, except the two ends of a straight line. `points` are
    the names of entries that are drawn as markers alone, such as measurements beside a law; one
    value alone always is. Entries named "real" and "fake" have the colours of the data.

    `log` names the axes with a logarithmic scale: "x", "y" or "xy". `levels` are named horizontal
    lines; with the name "" it is no entry of the legend. Raises ValueError where x and y differ in
    length or x is missing, and for a name in `points` or an axis in `log` that is not there.
    """
    checked_alt(alt)
    of_kind("entries", entries, Mapping, hint="Give {name: values, …}.")
    of_kind("points", points, Sequence)
    of_kind("log", log, str)
    if not entries:
        raise ValueError("There is no line to show: give {name: values, …}.")
    if unknown := set(points) - set(entries):
        raise ValueError(f"`points` names {sorted(unknown)}; there are: {list(entries)}.")
    if set(log) - {"x", "y"}:
        raise ValueError(f'`log` must be "", "x", "y" or "xy", not {log!r}.')
    fig, ax = figure()
    with style():
        for k, (name, entry) in enumerate(entries.items()):
            places, values = _line(name, entry, x)
            alone = name in points or len(values) == 1
            marked = alone or (len(values) != 2 and len(values) <= 40)
            ax.plot(
                places,
                values,
                label=name,
                color=DATA.get(name, ABSTRACT[k % len(ABSTRACT)]),
                linestyle="" if alone else LINES[k % len(LINES)],
                marker=MARKERS[k % len(MARKERS)] if marked else None,
            )
        _draw_levels(ax, levels)
        for axis in sorted(log):
            getattr(ax, f"set_{axis}scale")("log")
        ax.set(xlabel=xlabel, ylabel=ylabel, xlim=xlim, ylim=ylim, title=title)
        for axis in sorted(log):
            _plain_ticks(getattr(ax, f"{axis}axis"))
        if len(entries) + len([name for name in levels or () if name]) > 1:
            ax.legend()
    return show(fig, alt=alt)


def _line(name, entry, x):
    """Return the positions and the values of an entry of `lines` as arrays (n,)."""
    own, y = entry if isinstance(entry, tuple) else (x, entry)
    if own is None:
        raise ValueError(f"{name!r} has no positions: give `x`, or a tuple (x, y).")
    places, values = (floats(name, v).ravel() for v in (own, y))
    if len(places) != len(values):
        raise ValueError(f"{name!r} has {len(places)} positions, but {len(values)} values.")
    return places, values


def _plain_ticks(axis):
    """Mark 1, 2 and 5 on a logarithmic axis that is too short for powers of ten alone."""
    low, high = axis.get_view_interval()
    if high / low < 1000:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())


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
    of_kind("samples", samples, Mapping, hint="Give {name: numbers, …}.")
    values = {name: floats(name, v).ravel() for name, v in samples.items()}
    if not values or not all(v.size and np.isfinite(v).all() for v in values.values()):
        raise ValueError("A histogram needs finite numbers, one or more under each name.")
    bins = whole("bins", bins)
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
    of_kind("groups", groups, Mapping, hint="Give {name: values, …}.")
    groups = {name: floats(name, values) for name, values in groups.items()}
    hatches = ("", "//", "..", "xx", "\\\\", "--")
    fig, ax = figure()
    places, width = np.arange(len(names)), 0.8 / max(len(groups), 1)
    with style():
        for k, (group, values) in enumerate(groups.items()):
            check_count(group, values, len(names))
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
