"""Diagrams of the players: which network a loss moves."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from gan_lessons.figures.style import figure, show, style
from gan_lessons.page.display import checked_alt


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
