"""Measured numbers between what nothing can beat and what anything reaches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gan_lessons.arguments import of_kind
from gan_lessons.figures.curves import _plain_ticks
from gan_lessons.figures.style import check_count, figure, floats, show, style
from gan_lessons.page.display import checked_alt

INK = "#333333"


def levels(
    rows: Mapping[str, Any],
    *,
    xlabel: str,
    alt: str,
    floor: float | None = None,
    ceiling: float | None = None,
    log: bool = False,
    names: Sequence[str] = ("floor", "ceiling"),
) -> Figure | None:
    """Show each row's mean as a dot and its least and greatest value as a bar, one below another.

    `rows` maps a name to a number, or to the numbers (n,) of n seeds; small ticks mark each of
    them. `floor` and `ceiling` are numbers, drawn as vertical lines over all rows and called as
    `names` says; what lies between them is shaded. `log` makes the axis logarithmic. Raises
    ValueError where a row is empty or not finite, and for values that a logarithm cannot show.
    """
    checked_alt(alt)
    of_kind("rows", rows, Mapping, hint="Give {name: numbers, …}.")
    check_count("names", names, 2)
    values = {name: floats(name, v).ravel() for name, v in rows.items()}
    if not values or not all(v.size and np.isfinite(v).all() for v in values.values()):
        raise ValueError("Levels need finite numbers, one or more under each name.")
    marks = {n: float(m) for n, m in zip(names, (floor, ceiling), strict=True) if m is not None}
    if log and min(min(map(np.min, values.values())), *marks.values(), np.inf) <= 0:
        raise ValueError("A logarithmic axis shows positive numbers only.")
    fig, ax = figure(height=1.1 + 0.42 * len(values) + 0.3 * bool(marks))
    with style():
        for k, row in enumerate(values.values()):
            ax.hlines(k, row.min(), row.max(), color="#a8a8a8", linewidth=7)
            if len(row) > 1:
                ax.plot(row, [k] * len(row), "|", color=INK, markersize=9, markeredgewidth=1.2)
            ax.plot(row.mean(), k, "o", color=INK, markersize=8)
        if len(marks) == 2:
            ax.axvspan(*sorted(marks.values()), color="#f2f2f2", zorder=0)
        for (name, mark), line in zip(marks.items(), ("--", ":"), strict=False):
            ax.axvline(mark, color="#00795a", linestyle=line, label=name)
        if log:
            ax.set_xscale("log")
        ax.set_yticks(range(len(values)), [str(name) for name in values])
        ax.set(xlabel=xlabel, ylim=(len(values) - 0.4, -0.6))
        if log:
            _plain_ticks(ax.xaxis)
        ax.grid(False, axis="y")
        if marks:  # above the axes, where it hides no dot
            fig.legend(loc="outside upper center", ncols=2, frameon=False)
    return show(fig, alt=alt)
