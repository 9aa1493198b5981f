"""Cut what three models bring back out of their executed chapters, for the closing page.

    python scripts/latent_pictures.py

Each of the chapters AAE, BiGAN and ClusterGAN shows the first test digits and what its model draws
for their codes, every pixel as a square of the same size. This puts the rows together, pixel by
pixel, into `gan_lessons/results/latent.webp`; the closing page shows them side by side. Run it when
one of the three has been executed again, and then execute the closing page.
"""

import base64
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import torch
from folding import title
from PIL import Image
from torch import Tensor

from gan_lessons.comparisons.latent import PICTURES, strip
from gan_lessons.files import replacing

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "gan_lessons" / "results" / "latent.webp"
SIDE, GAP = 32, 2  # pixels of a digit, and between two


@dataclass(frozen=True)
class Place:
    """Where a chapter shows digits and what comes back: a grid, as `figures.sample_grid` draws."""

    title: str  # of the cell
    rows: int
    columns: int
    across: bool = True  # whether digits stand side by side, so that each kind is a row


PLACES = {
    "AAE": Place("Draw test digits and their reconstructions", 3, 10),
    "BiGAN": Place("Draw twenty digits and what comes back", 4, 10),
    "ClusterGAN": Place("Draw real digits again, in all ten clusters", 6, 12, across=False),
}


def grid(picture: Image.Image, rows: int, columns: int) -> Tensor:
    """The images (rows, columns, 32, 32) in [-1, 1] of a grid, without its labels.

    They stand at the right and at the bottom of the picture. Raises `ValueError` where it has not
    the size of such a grid.
    """
    high, wide = (n * (SIDE + GAP) + GAP for n in (rows, columns))
    scale = min(max(round(960 / wide), 1), 4)
    left, top = picture.width - wide * scale, picture.height - high * scale
    if min(left, top) < 0:
        raise ValueError(f"A picture of {picture.size} is no grid of {rows} x {columns} digits.")
    pixels = np.array(picture.convert("L"))[top + scale // 2 :: scale, left + scale // 2 :: scale]
    tiles = [
        [pixels[y : y + SIDE, x : x + SIDE] for x in range(GAP, wide, SIDE + GAP)]
        for y in range(GAP, high, SIDE + GAP)
    ]
    return torch.from_numpy(np.array(tiles)) / 127.5 - 1


def shown(notebook: nbformat.NotebookNode, place: Place) -> tuple[Tensor, Tensor]:
    """The digits, and what came back, (n, 1, 32, 32), from the outputs of an executed chapter."""
    for cell in notebook.cells:
        if title(cell) == place.title:
            data = [
                o["data"]["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})
            ]
            picture = Image.open(io.BytesIO(base64.b64decode(data[0])))
            tiles = grid(picture, place.rows, place.columns)
            tiles = tiles if place.across else tiles.transpose(0, 1)
            return tiles[0][:, None], tiles[1][:, None]
    raise ValueError(f"No cell has the title {place.title!r}.")


def main(path: Path = FILE) -> int:
    """Write the strip; returns the exit status."""
    found = {}
    for name, place in PLACES.items():
        chapter = ROOT / "book" / "latent" / f"{name.lower()}.ipynb"
        found[name] = shown(nbformat.read(chapter, as_version=4), place)
    n = min(len(x) for x, _ in found.values())
    reals = torch.stack([x[:n] for x, _ in found.values()])
    if (reals - reals[0]).abs().max() > 0.1:  # pictures of a page have few greys
        print("The chapters do not show the same digits.", file=sys.stderr)
        return 1
    pictures = {"real": reals[0]} | {name: again[:n] for name, (_, again) in found.items()}
    with replacing(path) as fresh:
        strip({name: pictures[name] for name in PICTURES}).save(fresh, "WEBP", lossless=True)
    print(f"{path.name}: {n} digits, {', '.join(PICTURES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
