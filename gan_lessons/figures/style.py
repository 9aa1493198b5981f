"""What all figures share: colours, lines, sizes, and how a figure reaches the page."""

import base64
import io
import sys
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from gan_lessons.messages import shown
from gan_lessons.page import display

REAL = "#1f77b4"
FAKE = "#e8710a"
COLOURS = (REAL, FAKE, "#00795a", "#9b4f96", "#4a4a4a", "#b8860b")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "X", "s", "^", "D", "v")

DPI = 160  # a figure of 6 inches is 960 pixels wide and is shown at 600
CSS_PER_INCH = 100
DENSITY = 2  # pixels of a player's picture for one on the page
# The three widths of figures, in inches: beside another one, as wide as the prose, and wider.
HALF, COLUMN, WIDE = 3.6, 6.0, 7.5

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


def style():
    """Return a context in which new axes look like the book's; nothing global changes."""
    return matplotlib.rc_context(STYLE)


def figure(
    rows: int = 1, columns: int = 1, *, width: float = COLUMN, height: float = 3.6, **options
):
    """Return a new figure in the book's style and its axes, as `pyplot.subplots` would.

    `width` (HALF, COLUMN or WIDE) and `height` are in inches; `options` go to
    `Figure.subplots`. Show it with `show`.
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
    alt = display.checked_alt(alt)
    png = figure_png(fig)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)
    width = round(fig.get_size_inches()[0] * CSS_PER_INCH)
    bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    if display.publish(bundle, {"image/png": {"alt": alt, "width": width}}):
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
    return encoded(small if np.sqrt(np.mean(error**2)) < 3 else picture, "png", optimize=True)[1]


def encoded(picture: Image.Image, kind: str, **options) -> tuple[str, bytes]:
    """Return a picture as (kind, bytes); `options` go to `Image.save`."""
    buffer = io.BytesIO()
    picture.save(buffer, kind.upper(), **options)
    return kind, buffer.getvalue()


def floats(name: str, values: Any) -> np.ndarray:
    """Return numbers as float64 in an array; TypeError for what is none."""
    try:
        values = values.detach().cpu().double() if hasattr(values, "detach") else values
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"they are {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numbers, not {shown(values)}: {error}.") from error


def check_count(name: str, values: Sequence | None, wanted: int) -> None:
    """Raise ValueError unless there are `wanted` values, or none at all were given.

    TypeError for something that has no length.
    """
    if values is not None and not hasattr(values, "__len__"):
        raise TypeError(f"`{name}` must be a sequence of {wanted}, not {shown(values)}.")
    if values is not None and len(values) != wanted:
        raise ValueError(f"`{name}` has {len(values)} entries, but {wanted} are needed.")
