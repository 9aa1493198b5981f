"""Grids of images: every pixel of an image is enlarged by the same whole factor."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from gan_lessons.arguments import of_kind, whole
from gan_lessons.figures.style import DPI, check_count, show, style
from gan_lessons.page.display import checked_alt


def to_uint8(images: Tensor | np.ndarray) -> np.ndarray:
    """Return images (N, C, H, W) as uint8 (N, H, W, 3).

    Floats are taken to lie in [-1, 1] and are clipped to it; uint8 stays. C is 1 or 3. Raises
    ValueError for another shape or type, and for values that are not finite.
    """
    of_kind("images", images, Tensor, np.ndarray)
    images = torch.as_tensor(images).detach().cpu()
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(
            f"Images must have the shape (N, 1 or 3, H, W), not {tuple(images.shape)}: "
            "add the missing axis with `images[None]` or `images[:, None]`."
        )
    if images.is_complex():
        raise ValueError(f"Images must be float in [-1, 1] or uint8, not {images.dtype}.")
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
    columns = min(whole("columns", columns), n)
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
    to_uint8(images[:1] if isinstance(images, Tensor) and images.ndim else images)
    columns = min(whole("columns", columns), len(images))
    rows = math.ceil(len(images) / columns)
    check_count("labels", labels, len(images))
    check_count("row_labels", row_labels, rows)
    check_count("column_labels", column_labels, columns)
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
    of_kind("grids", grids, Mapping, hint="Give {name: images, …}.")
    for name, images in grids.items():
        of_kind(f"grids[{name!r}]", images, Tensor, np.ndarray)
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
