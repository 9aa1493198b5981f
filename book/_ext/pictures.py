"""The picture that a chapter opens with, as an image: for cards, and for who shares a link.

A chapter tags one cell `first-picture`. Its output is an image, or a player, which is one picture
with all frames; of a player the frame is taken that it shows where no script runs.
"""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
from PIL import Image

TAG = "first-picture"
LEAST = 640  # pixels: smaller pictures of pixels are enlarged, each pixel to a square


def first_cell(notebook):
    """Return the cell with the picture that a chapter opens with, None if it has none."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and TAG in cell.metadata.get("tags", []):
            return cell
    return None


def picture(notebook_path: str | Path) -> Image.Image | None:
    """Return the picture that a chapter opens with; None if no cell is tagged or has one."""
    cell = first_cell(nbformat.read(notebook_path, as_version=4))
    for output in cell.outputs if cell else []:
        data = output.get("data", {})
        for kind in ("image/png", "image/jpeg"):
            if kind in data:
                return Image.open(io.BytesIO(base64.b64decode(data[kind]))).convert(
                    "RGB"
                )
        if "text/html" in data and (frame := still(data["text/html"])):
            return frame
    return None


class _Player(HTMLParser):
    """Finds the picture of a player: the image in a figure of the class `gan-player`."""

    def __init__(self):
        super().__init__()
        self.inside, self.image = False, None

    def handle_starttag(self, tag, attrs):
        """Remember the first image in the first player."""
        attributes = dict(attrs)
        if tag == "figure" and "gan-player" in (attributes.get("class") or "").split():
            self.inside = True
        if tag == "img" and self.inside and self.image is None:
            self.image = attributes


def still(html: str) -> Image.Image | None:
    """Return the frame that a player shows where no script runs: the last one, or its `rest`.

    The sheet's size and place are written in percent of a frame; so the frame follows from them.
    """
    parser = _Player()
    parser.feed(html)
    found = re.match(
        r"data:image/\w+;base64,(.*)", (parser.image or {}).get("src") or "", re.S
    )
    if not found:
        return None
    sheet = Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB")
    style = parser.image["style"]
    percent = {
        name: float(value)
        for name, value in re.findall(
            r"(?<![\w-])(left|top|width|height)\s*:\s*(-?[\d.]+)%", style
        )
    }
    width = round(100 * sheet.width / percent["width"])
    height = round(100 * sheet.height / percent["height"])
    left, top = (
        round(-percent["left"] * width / 100),
        round(-percent["top"] * height / 100),
    )
    frame = sheet.crop((left, top, left + width, top + height))
    if "pixelated" in style and width < LEAST:
        times = -(-LEAST // width)
        frame = frame.resize((times * width, times * height), Image.Resampling.NEAREST)
    return frame
