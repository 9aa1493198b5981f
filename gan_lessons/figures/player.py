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
from torch import Tensor

from gan_lessons.arguments import number, whole
from gan_lessons.figures.grids import to_uint8
from gan_lessons.figures.sheets import encode, encode_drawn, frame_pictures, sheet_of, stride
from gan_lessons.figures.style import DENSITY, check_count
from gan_lessons.messages import shown
from gan_lessons.page import display

# One figure, no style sheet (it is not allowed in the body) and one script that touches nothing but
# the figures of this id. The controls stay hidden where no script runs. A copy of the same player
# on the same page is found by its class and gives up its id, which must be unique.
PAGE = Template(Path(__file__).with_name("player.html").read_text(encoding="utf-8"))
BUTTON = (
    "flex:none;display:inline-flex;align-items:center;justify-content:center;width:36px;"
    "height:36px;padding:0;border:1.5px solid currentColor;border-radius:50%;"
    "background:transparent;color:inherit;cursor:pointer"
)


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
    """Return a player as HTML: one picture with all frames, a slider, buttons to play and to step.

    `frames` are image grids (F, n, C, H, W), laid out in `columns`, or pictures (H, W, 3) in
    uint8, all of one size. A grid is enlarged by the page, pixel by pixel; a picture is shown at
    half its size, so that it is sharp on a dense screen. Each frame has a label, such as
    "step 400". `title` names the player for assistive technology; `caption` stands under it and
    states the conclusion (default: the title). `width` is the largest width on the page in CSS
    pixels, `seconds` the time of a frame.

    It opens on its first frame. Nothing is loaded from elsewhere and nothing moves by itself.
    Without scripts it is a still of the last frame, where a training has led to; without styles, a
    contact sheet. With `rest` it opens on the frame of that index, and so does the still. Raises
    ValueError where frames and labels do not fit each other.
    """
    alt = display.checked_alt(alt)
    pictures, pixelated = frame_pictures(frames, columns)
    check_count("labels", labels if labels is not None else (), len(pictures))
    labels = [str(label) for label in labels]
    number("seconds", seconds, least=0.01)
    if width is not None:
        number("width", width, least=1)
    if rest is not None and not 0 <= whole("rest", rest, least=0) < len(pictures):
        raise ValueError(f"rest is {rest}, but there are {len(pictures)} frames, from 0.")
    if width is None:
        wide = pictures[0].shape[1]
        width = wide * max(1, round(540 / wide)) if pixelated else max(1, wide // DENSITY)
    across = math.ceil(math.sqrt(len(pictures)))
    if pixelated:
        kind, data = encode(sheet_of(pictures, across))
    else:
        pictures, (kind, data) = encode_drawn(pictures, across)
    height, frame_width = pictures[0].shape[:2]
    down, right = stride(pictures)
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
        "left": _percent(-right * (still % across), frame_width),
        "top": _percent(-down * (still // across), height),
        "sheet_width": _percent(right * across, frame_width),
        "sheet_height": _percent(down * math.ceil(len(pictures) / across), height),
        "across": across,
        "right": _percent(right, frame_width),
        "down": _percent(down, height),
        "ratio": _percent(height, frame_width),
        "width": width,
        "button": BUTTON,
        "rendering": "pixelated" if pixelated else "auto",
        "pause": round(1000 * seconds),
        # "</script>" in a label must not end the script
        "labels": json.dumps(labels).replace("</", "<\\/"),
        "source": f"data:image/{kind};base64,{base64.b64encode(data).decode()}",
    }
    content = json.dumps(values, sort_keys=True).encode()
    return PAGE.substitute(id=f"player-{zlib.crc32(content):08x}", **values)


def _percent(length, side):
    """Return a length in percent of a frame's side: the player has any size on the page."""
    return f"{100 * length / side:.4f}"
