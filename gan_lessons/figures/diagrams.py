"""Diagrams of the players: who hands what to whom, and which network a loss moves."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from gan_lessons.arguments import of_kind
from gan_lessons.figures.style import COLUMN, FAKE, REAL, figure, show, style
from gan_lessons.page.display import checked_alt

INK = "#4a4a4a"
ROW = 0.78  # inches from row to row
PADDING = np.array([0.26, 0.2])  # inches that a box is larger than its text
MARGIN = np.array([0.04, 0.02])  # the same for an arrow's text
BENDS = (0, 0.18, -0.18, 0.32, -0.32, 0.5, -0.5)  # of an arrow that must pass a box, tried in turn

# What a network does is a rectangle; what it takes and gives, a pill.
_PLAYERS = {
    "noise": {"facecolor": "white", "edgecolor": INK},
    "real": {"facecolor": "#dcebf7", "edgecolor": REAL},
    "fake": {"facecolor": "#fde6d3", "edgecolor": FAKE},
    "label": {"facecolor": "#f1e3f0", "edgecolor": "#9b4f96"},
    "code": {"facecolor": "#dff2ea", "edgecolor": "#00795a"},
    "network": {"facecolor": "#e4e4e4", "edgecolor": INK, "linewidth": 1.8},
    "score": {"facecolor": "white", "edgecolor": INK, "linestyle": "--"},
    "loss": {"facecolor": "white", "edgecolor": INK, "linestyle": "--"},
}


def diagram(
    nodes: Mapping[str, tuple], arrows: Sequence[tuple[str, ...]], *, alt: str
) -> Figure | None:
    """Show the players of a variant as boxes, and what they hand to each other as arrows.

    `nodes` maps a name to (column, row, role) or (column, row, role, text). Row 0 is the lowest;
    both may be fractions. The text is the name where none is given, and one letter is a formula.
    Roles: "noise", "real", "fake", "label", "network", "score", "loss", "code". An arrow is
    (from, to) or (from, to, text); the text stands beside it.

    An arrow is straight unless a box stands in its way or another arrow comes back; it ends at the
    border of a box. The figure is as large as what is on it. Raises ValueError for an unknown role
    or name, and where two boxes stand in one place.
    """
    alt = checked_alt(alt)
    of_kind("nodes", nodes, Mapping, hint='Give {"G": (1, 0, "network"), …}.')
    _check_diagram(nodes, arrows)
    fig, ax = figure()
    with style():
        ax.set_axis_off()
        texts = {name: _text_of(name, *node) for name, node in nodes.items()}
        sizes = {name: _measure(ax, text, 13) + PADDING for name, text in texts.items()}
        labels = [_measure(ax, arrow[2], 11.5) if arrow[2:] else None for arrow in arrows]
        centres = _place(nodes, sizes, arrows, labels)
        boxes = {name: (*(centres[name] - sizes[name] / 2), *sizes[name]) for name in nodes}
        for name, node in nodes.items():
            _draw_box(ax, boxes[name], node[2], texts[name])
        paths = [_draw_link(ax, arrow, arrows, centres, boxes) for arrow in arrows]
        taken = list(boxes.values())
        for k, arrow in enumerate(arrows):
            if labels[k] is not None:
                taken.append(_draw_label(ax, arrow[2], labels[k], k, paths, taken))
        _fit(fig, ax, taken, paths)
    return show(fig, alt=alt)


def _check_diagram(nodes, arrows):
    for name, node in nodes.items():
        if len(node) not in (3, 4):
            raise ValueError(f"{name!r} must be (column, row, role) or (…, text), not {node}.")
        if node[2] not in _PLAYERS:
            raise ValueError(f"Unknown role {node[2]!r}; choose from {[*_PLAYERS]}.")
    if len({node[:2] for node in nodes.values()}) < len(nodes):
        raise ValueError("Two boxes stand in the same column and row.")
    for arrow in arrows:
        if len(arrow) not in (2, 3) or set(arrow[:2]) - set(nodes):
            raise ValueError(f"The arrow {arrow} has no ends in {list(nodes)}.")


def _text_of(name, column, row, role, text=None):
    return text or (f"${name}$" if re.fullmatch(r"[A-Za-z](_\w)?", name) else name)


def _measure(ax, text, size):
    """Return the width and the height of a text in inches."""
    artist = ax.text(0, 0, text, fontsize=size)
    extent = artist.get_window_extent(ax.figure.canvas.get_renderer())
    artist.remove()
    return np.array([extent.width, max(extent.height, size / 72 * ax.figure.dpi)]) / ax.figure.dpi


def _place(nodes, sizes, arrows, labels):
    """Return the centre of each box in inches: columns as near as boxes and labels permit."""
    widths = {frozenset(a[:2]): s[0] for a, s in zip(arrows, labels, strict=True) if s is not None}
    linked = {frozenset(arrow[:2]) for arrow in arrows}
    for gap in (0.5, 0.4, 0.3):  # of inches from box to box, the first that fits the column
        left = {}
        for column in sorted({node[0] for node in nodes.values()}):
            least = [x + 0.3 * (column - other) for other, x in left.items()]
            for a, b in ((a, b) for a in nodes for b in nodes if nodes[b][0] == column):
                rows, pair = abs(nodes[a][1] - nodes[b][1]), frozenset((a, b))
                if nodes[a][0] not in left or not (rows < 0.6 or pair in linked):
                    continue
                room = max(gap, widths.get(pair, 0) * (1 if rows < 0.3 else 0.6) + 0.25)
                room = room if pair in linked else 0.15
                least.append(left[nodes[a][0]] + (sizes[a][0] + sizes[b][0]) / 2 + room)
            left[column] = max(least, default=0)
        if max(left.values(), default=0) < COLUMN - 0.8:
            break
    return {name: np.array([left[node[0]], ROW * node[1]]) for name, node in nodes.items()}


def _draw_box(ax, box, role, text):
    left, bottom, width, height = box
    rounding = 0.07 if role == "network" else height / 2 - 0.01
    shape = f"round,pad=0,rounding_size={rounding}"
    look = {"linewidth": 1.5, **_PLAYERS[role]}
    ax.add_patch(FancyBboxPatch((left, bottom), width, height, boxstyle=shape, zorder=3, **look))
    middle = (left + width / 2, bottom + height / 2 - 0.01)
    ax.text(*middle, text, ha="center", va="center", fontsize=13, zorder=4)


def _curve(start, end, bend):
    """Return the points (201, 2) of matplotlib's "arc3", a parabola beside the line."""
    dx, dy = end - start
    control = (start + end) / 2 + bend * np.array([dy, -dx])
    t = np.linspace(0, 1, 201)[:, None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end


def _inside(points, box, margin=0.0):
    """Return which points (n, 2) lie in a box (left, bottom, width, height)."""
    corner, size = np.array(box[:2]) - margin, np.array(box[2:]) + 2 * margin
    return ((points >= corner) & (points <= corner + size)).all(1)


def _draw_link(ax, arrow, arrows, centres, boxes):
    """Draw an arrow from border to border; return the points of its path (n, 2)."""
    start, end = arrow[:2]
    others = [box for name, box in boxes.items() if name not in (start, end)]
    back = any(other[:2] == (end, start) for other in arrows)
    middle = np.mean(list(centres.values()), 0)

    def cost(choice):
        bend, path = choice
        hits = sum(_inside(path, box, 0.06).sum() for box in others)
        return hits, abs(bend), -np.hypot(*(path[100] - middle))  # around the others, not between

    bends = BENDS[1::2] if back else BENDS  # two arrows between two boxes pass each other
    choices = [(bend, _curve(centres[start], centres[end], bend)) for bend in bends]
    path = min(choices, key=cost)[1]
    free = path[~_inside(path, boxes[start], 0.015) & ~_inside(path, boxes[end], 0.015)]
    path = free if len(free) > 1 else path
    look = {"mutation_scale": 14, "color": INK, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(path=Path(path), arrowstyle="-|>", zorder=2, **look))
    return path


def _draw_label(ax, text, size, k, paths, taken):
    """Write an arrow's text where it hides least; return its box (left, bottom, width, height)."""
    path, room, best = paths[k], size + MARGIN, (np.inf, None)
    for order, place in enumerate((0.5, 0.42, 0.58, 0.34, 0.66, 0.25, 0.75)):
        at = int(place * (len(path) - 1))
        along = path[min(at + 1, len(path) - 1)] - path[max(at - 1, 0)]
        normal = np.array([-along[1], along[0]]) / max(np.hypot(*along), 1e-9)
        normal = normal if normal[1] > 0 or (normal[1] == 0 and normal[0] > 0) else -normal
        for side in (1, -1):
            centre = path[at] + side * normal * (np.abs(normal) @ room / 2 + 0.05)
            box = (*(centre - room / 2), *room)
            hidden = sum(_overlap(box, other) for other in taken)
            crossed = sum(_inside(other, box).mean() for other in paths)
            cost = 500 * hidden + 5 * crossed + 0.02 * order + 0.01 * (side < 0)
            best = min(best, (cost, box), key=lambda pair: pair[0])
    left, bottom, width, height = best[1]
    paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}
    middle = (left + width / 2, bottom + height / 2)
    ax.text(*middle, text, ha="center", va="center", fontsize=11.5, bbox=paper, zorder=2.5)
    return best[1]


def _overlap(a, b):
    """Return the area in which two boxes (left, bottom, width, height) overlap."""
    sides = [min(a[k] + a[k + 2], b[k] + b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
    return max(sides[0], 0) * max(sides[1], 0)


def _fit(fig, ax, boxes, paths):
    """Make the figure as large as its boxes and arrows, with one inch of axes for one of paper."""
    corners = [np.reshape([b[:2], np.add(b[:2], b[2:])], (2, 2)) for b in boxes]
    points = np.concatenate([*corners, *paths])
    low, high = points.min(0) - 0.08, points.max(0) + 0.08
    fig.set_layout_engine("none")
    fig.set_size_inches(*(high - low))
    ax.set_position([0, 0, 1, 1])
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


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
