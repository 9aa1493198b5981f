"""The player: frames with a slider and a play button, in one piece of HTML."""

import base64
import html
import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_lessons.arguments import number, whole
from gan_lessons.figures.grids import tile, to_uint8
from gan_lessons.figures.style import check_count, encoded
from gan_lessons.messages import shown
from gan_lessons.page import display

MAX_SHEET = 40_000_000  # pixels; phones refuse to decode larger pictures
MAX_BYTES = 240_000  # of a player's picture, where some quality reaches it; 320 kB on the page
BLOCK = 16  # pixels: side of the blocks that lossy formats work on
QUALITIES = (80, 65, 50, 35, 20)  # of lossy pictures, tried in turn

# One figure, no style sheet (it is not allowed in the body) and one script that touches nothing but
# the figures of this id. The controls stay hidden where no script runs. A copy of the same player
# on the same page is found by its class and gives up its id, which must be unique.
PAGE = Template(Path(__file__).with_name("player.html").read_text(encoding="utf-8"))


def player(
    frames: Tensor | Sequence[np.ndarray], labels: Sequence[str], *, alt: str, **options: Any
) -> None:
    """Display frames as a player with a slider and a play button that needs no kernel.

    The arguments are those of `player_html`.
    """
    page = player_html(frames, labels, alt=alt, **options)
    display.publish({"text/html": page, "text/plain": display.checked_alt(alt)})


def training_player(
    run: Any,
    *,
    alt: str,
    title: str | None = None,
    caption: str | None = None,
    n: int | None = 32,
    columns: int = 8,
    given: Tensor | None = None,
) -> None:
    """Display what a run made of the same inputs again and again while it was trained.

    The frames are the first `n` images of the run's snapshots (None: all of them), in `columns`.
    `given`, images (at least n, C, H, W), are shown too: each row above what was made of it. Raises
    ValueError where the run has no snapshots of images, or where `given` does not fill the rows.
    """
    if not hasattr(run, "snapshots"):
        raise TypeError(f"run must be a Run, not {shown(run)}.")
    if run.snapshots is None:
        raise ValueError("The run has no snapshots: train it with `snapshots` above 0.")
    frames = run.snapshots[:, :n]
    if given is not None:
        frames = _below(given, frames, columns)
    player(
        frames,
        [f"step {step:,}" for step in run.snapshot_steps],
        alt=alt,
        title=title or f"{type(run.model).__name__} during the training",
        caption=caption,
        columns=columns,
    )


def _below(given, frames, columns):
    """Return frames (F, 2 n, 3, H, W) in which each row stands below the row of its inputs."""
    n = frames.shape[1]
    columns = min(columns, n)
    if n % columns or len(given) < n:
        raise ValueError(
            f"{n} images in rows of {columns} below {len(given)} given ones: the rows must be full."
        )
    order = torch.arange(2 * n).view(2, -1, columns).transpose(0, 1).flatten()
    above = torch.tensor(to_uint8(given[:n]))
    pairs = [torch.cat([above, torch.tensor(to_uint8(frame))]) for frame in frames]
    return torch.stack(pairs)[:, order].permute(0, 1, 4, 2, 3)


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
    rest: int | None = None,
) -> str:
    """Return a player as HTML: one picture with all frames, a slider and a play button.

    `frames` are image grids (F, n, C, H, W), laid out in `columns`, or pictures (H, W, 3) in
    uint8, all of one size. Each frame has a label, such as "step 400". `title` names the player
    for assistive technology; `caption` stands under it and states the conclusion (default: the
    title). `width` is the largest width on the page in CSS pixels, `seconds` the time of a frame.

    It opens on its first frame. Nothing is loaded from elsewhere and nothing moves by itself.
    Without scripts it is a still of the last frame, where a training has led to; without styles, a
    contact sheet. With `rest` it opens on the frame of that index, and so does the still. Raises
    ValueError where frames and labels do not fit each other.
    """
    alt = display.checked_alt(alt)
    pictures, pixelated = _frame_pictures(frames, columns)
    check_count("labels", labels if labels is not None else (), len(pictures))
    labels = [str(label) for label in labels]
    number("seconds", seconds, least=0.01)
    if width is not None:
        number("width", width, least=1)
    if rest is not None and not 0 <= whole("rest", rest, least=0) < len(pictures):
        raise ValueError(f"rest is {rest}, but there are {len(pictures)} frames, from 0.")
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
    first, still = (0, last) if rest is None else (rest, rest)
    values = {
        "alt": html.escape(alt),
        "caption": html.escape(caption or title),
        "title": html.escape(title),
        "label": html.escape(labels[still]),
        "room": max(map(len, labels)),
        "first": first,
        "still": still,
        "last": last,
        "left": f"{-right * (still % across):.4f}",
        "top": f"{-down * (still // across):.4f}",
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
    return PAGE.substitute(id=f"player-{zlib.crc32(content):08x}", **values)


def _frame_pictures(frames, columns):
    """Return the frames as a list of uint8 arrays (H, W, 3), and whether they are image grids."""
    if isinstance(frames, Tensor) or getattr(frames, "ndim", 0) == 5:
        if frames.ndim != 5 or len(frames) == 0:
            raise ValueError(
                f"Frames must have the shape (F, n, C, H, W), not {tuple(frames.shape)}; "
                "pictures of points come as a list, from `scatter_frames` or `field_frames`."
            )
        return [tile(frame, columns) for frame in frames], True
    if not isinstance(frames, Sequence | np.ndarray):
        raise TypeError(f"Frames must be image grids or a list of pictures, not {shown(frames)}.")
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
            encoded(plain, "png", optimize=True),
            encoded(sheet, "webp", lossless=True, method=4),
        ]
    best = min(lossless, key=lambda result: len(result[1]), default=None)
    if best and len(best[1]) <= MAX_BYTES // 4:
        return best
    for quality in QUALITIES:
        lossy = [
            encoded(sheet, "webp", quality=quality, method=4),
            encoded(plain, "jpeg", quality=quality, optimize=True),
        ]
        smallest = min([*lossless, *lossy], key=lambda result: len(result[1]))
        if len(smallest[1]) <= MAX_BYTES:
            break
    return smallest
