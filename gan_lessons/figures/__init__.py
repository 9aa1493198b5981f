"""Pictures of the book: sample grids, curves, fields of a discriminator, and the player.

Every function that shows something asks for alternative text. Real data are blue circles and
generated data orange crosses, in every figure. Nothing here changes the reader's global matplotlib
settings, and pyplot is never imported.
"""

from gan_lessons.figures.curves import bars, curves, histogram, lines, moving_average
from gan_lessons.figures.diagrams import diagram, gradient_paths
from gan_lessons.figures.grids import compare_grids, sample_grid, tile, to_uint8
from gan_lessons.figures.levels import levels
from gan_lessons.figures.plane import (
    field,
    field_frames,
    points_frame,
    scatter,
    scatter_frames,
)
from gan_lessons.figures.player import player, player_html, training_player
from gan_lessons.figures.style import (
    COLOURS,
    COLUMN,
    FAKE,
    HALF,
    LINES,
    MARKERS,
    REAL,
    VERDICT,
    WIDE,
    figure,
    show,
    style,
)
from gan_lessons.figures.walks import slerp, walk_frames

__all__ = [
    "COLOURS",
    "COLUMN",
    "FAKE",
    "HALF",
    "LINES",
    "MARKERS",
    "REAL",
    "VERDICT",
    "WIDE",
    "bars",
    "compare_grids",
    "curves",
    "diagram",
    "field",
    "field_frames",
    "figure",
    "gradient_paths",
    "histogram",
    "levels",
    "lines",
    "moving_average",
    "player",
    "player_html",
    "points_frame",
    "sample_grid",
    "scatter",
    "scatter_frames",
    "show",
    "slerp",
    "style",
    "tile",
    "to_uint8",
    "training_player",
    "walk_frames",
]
