"""Generated facades: label maps, and houses of which each map leaves something open."""

import torch
from torch import Tensor

from gan_lessons.arguments import is_whole, whole
from gan_lessons.data.sets import Pairs
from gan_lessons.data.tensors import KINDS, TensorData, check_size

# The colours of the generated label maps, as bytes.
LABELS = {
    "wall": (0, 60, 200),
    "window": (255, 150, 0),
    "door": (210, 0, 40),
    "sill": (120, 255, 140),
}
# What the houses are made of: the label it is drawn with in the map, its colour from 0 to 1.
WALL = (0.56, 0.50, 0.44)  # on average
MATERIALS = {
    "wall": ("wall", WALL),
    "lit": ("window", (0.98, 0.88, 0.55)),
    "dark": ("window", (0.10, 0.14, 0.26)),
    "stone": ("sill", (0.88, 0.86, 0.82)),
    "shadow": ("wall", (0.16, 0.14, 0.14)),
    "bright wood": ("door", (0.30, 0.75, 0.62)),
    "dark wood": ("door", (0.30, 0.08, 0.10)),
}
COLUMNS, FLOORS = 4, 4  # most windows side by side, and above each other


def toy_facades(n: int = 5000, size: int = 32, seed: int = 0, *, split: str = "train") -> Pairs:
    """`n` label maps (3, size, size) of wall, windows, doors and sills, and a house for each.

    The map decides where things are, the colour of the sills and the shadow below them. It leaves
    open, each for a fair coin or an even draw that the map does not show:

    - each window: lit, warm with a dark cross, or dark, with a light cross: the same, inverted;
    - the wall's boards: which rows are light and which are dark, one of the offsets of the period;
    - the hue of the wall and how strong its boards are, a little;
    - the door: bright with a dark panel, or dark with a bright one.

    Every pixel of a window or a board is as often light as dark, so for L1 all values between are
    equally good, and the mean is flat. Same seed, same data; no picture of the "test" split comes
    from the draws of the "train" split, whatever their seeds. Raises ValueError for a size outside
    28..64, an unknown split, or n < 1.
    """
    check_size(size)
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}: choose "train" or "test".')
    if not is_whole(n) or n < 1:
        raise ValueError(f"n is {n!r}: give a whole number, 1 or more.")
    whole("seed", seed, least=0)
    # Even numbers for training and odd ones for testing: no seed serves both.
    generator = torch.Generator().manual_seed(2 * seed + (split == "test"))
    parts = [_draw(min(1000, n - start), size, generator) for start in range(0, n, 1000)]
    maps, houses = (torch.cat(part) for part in zip(*parts, strict=True))
    name = f"toy facades, {n:,} {KINDS[split]} houses at {size} x {size}"
    return Pairs(TensorData(maps, None, "label maps"), TensorData(houses, None, name))


def _draw(n: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Label maps and houses, bytes (n, 3, size, size)."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    def coin(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator) < 0.5

    def span(start: Tensor, end: Tensor) -> Tensor:
        """(n, k) first and last pixels, the last one excluded, to masks (n, k, size)."""
        places = torch.arange(size)
        return (places >= start[..., None]) & (places < end[..., None])

    def boxes(rows: Tensor, columns: Tensor, there: Tensor) -> Tensor:
        """Masks (n, f, size) and (n, c, size), and which of the f x c are there, to one mask."""
        return (rows.mT.float() @ there.float() @ columns.float()) > 0

    # The wall: boards, half of the rows light and half dark.
    board = max(2, round(size / 16))
    phase = torch.randint(2 * board, (n, 1), generator=generator)
    light = ((torch.arange(size) + phase) // board % 2) * 2 - 1
    hue = torch.tensor(WALL)[:, None, None] + uniform(-0.12, 0.12, 3, 1, 1)
    boards = hue + uniform(0.20, 0.28, 1, 1, 1) * light[:, None, :, None]
    made_of = torch.zeros(n, size, size, dtype=torch.uint8)  # numbers of materials; 0 is the wall

    def paint(material: str, where: Tensor) -> None:
        made_of.masked_fill_(where, list(MATERIALS).index(material))

    # The windows, on a grid of floors and columns; some are bricked up.
    line = max(1, round(size / 32))  # how thick a sill, a cross and a shadow are
    columns = torch.randint(2, COLUMNS + 1, (n, 1), generator=generator)
    floors = torch.randint(2, FLOORS + 1, (n, 1), generator=generator)
    cell_x, cell_y = size / columns, size / floors
    width = (cell_x * uniform(0.5, 0.7, 1)).round()
    height = (cell_y * uniform(0.5, 0.65, 1)).round()
    there = uniform(0, 1, FLOORS, COLUMNS) > 0.12
    there &= (torch.arange(FLOORS) < floors)[:, :, None]
    there &= (torch.arange(COLUMNS) < columns)[:, None, :]
    left = (torch.arange(COLUMNS) * cell_x + (cell_x - width) / 2).round()
    top = (torch.arange(FLOORS) * cell_y + (cell_y - height) / 2).round() - line
    right, bottom = left + width, top + height
    rows, across = span(top, bottom), span(left, right)
    middle_x, middle_y = ((left + right - line) / 2).floor(), ((top + bottom - line) / 2).floor()
    bar_x, bar_y = span(middle_x, middle_x + line), span(middle_y, middle_y + line)
    lit = coin(FLOORS, COLUMNS)
    for glass, cross, which in (("lit", "dark", there & lit), ("dark", "lit", there & ~lit)):
        paint(glass, boxes(rows, across, which))
        paint(cross, boxes(rows, bar_x, which) | boxes(bar_y, across, which))
    wide = span(left - line, right + line)
    paint("stone", boxes(span(bottom, bottom + line), wide, there))
    paint("shadow", boxes(span(bottom + line, bottom + 2 * line), wide, there))

    # The door stands before everything else, on the ground.
    height = (size * uniform(0.27, 0.33, 1)).round()
    width = (size * uniform(0.17, 0.22, 1)).round()
    left = (uniform(0, 1, 1) * (size - width - 2 * line)).round() + line
    top, right, ground = size - height, left + width, torch.full((n, 1), size)
    has_door = uniform(0, 1, 1, 1) < 0.85
    paint("stone", boxes(span(top - line, ground), span(left - line, right + line), has_door))
    inner = span(top + 2 * line, ground - 2 * line), span(left + 2 * line, right - 2 * line)
    bright = coin(1, 1)
    for wood, panel, which in (
        ("bright wood", "dark wood", has_door & bright),
        ("dark wood", "bright wood", has_door & ~bright),
    ):
        paint(wood, boxes(span(top, ground), span(left, right), which))
        paint(panel, boxes(*inner, which))

    labels = torch.tensor([LABELS[label] for label, _ in MATERIALS.values()], dtype=torch.uint8)
    colours = torch.tensor([colour for _, colour in MATERIALS.values()])
    houses = torch.where(made_of[:, None] == 0, boards, _looked_up(colours, made_of))
    return _looked_up(labels, made_of), (houses * 255).round().to(torch.uint8)


def _looked_up(palette: Tensor, index: Tensor) -> Tensor:
    """Colours (k, 3) and numbers (n, H, W) to pictures (n, 3, H, W)."""
    return torch.stack([channel[index.int()] for channel in palette.T], dim=1)
