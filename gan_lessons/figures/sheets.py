"""Frames of a player as one picture: how they lie in it, and how it becomes small."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from gan_lessons.figures.grids import tile
from gan_lessons.figures.style import DENSITY, encoded
from gan_lessons.messages import shown

MAX_SHEET = 40_000_000  # pixels; phones refuse to decode larger pictures
MAX_SHARP = 16_000_000  # pixels of a sheet of pictures, above which they lose density
MAX_BYTES = 240_000  # of a player's picture, where some quality reaches it; 320 kB on the page
BLOCK = 16  # pixels: side of the blocks that lossy formats work on
QUALITIES = (80, 65, 50, 35, 20)  # of lossy pictures, tried in turn
FINE = 50  # the least quality at which drawn pictures keep a higher density
SHADES = 64  # of a drawn picture: lines, points and fields need no more


def frame_pictures(frames, columns):
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


def stride(pictures) -> tuple[int, int]:
    """Return the distance from frame to frame in the sheet: whole blocks of the lossy formats.

    A frame that shared a block with its neighbour would show traces of it at the border.
    """
    height, width = pictures[0].shape[:2]
    return -(-height // BLOCK) * BLOCK, -(-width // BLOCK) * BLOCK


def sheet_of(pictures, across) -> Image.Image:
    """Return all frames as one picture, row by row, `stride` apart."""
    height, width = pictures[0].shape[:2]
    down, right = stride(pictures)
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


def encode_drawn(pictures: list[np.ndarray], across: int):
    """Return drawn pictures, and their sheet as (kind, bytes), as dense as MAX_BYTES allows.

    Lines, points and fields need few shades: with SHADES of them a lossless sheet has no traces
    around its lines. Where the sheet would be too large, the pictures get coarser, by DENSITY at
    most; four of them show what a frame costs.
    """
    full = math.ceil(len(pictures) / across) * across * pictures[0][..., 0].size
    share, lossless = _affordable(pictures, full)
    pictures = [_resized(picture, share) for picture in pictures]
    sheet = sheet_of(pictures, across)
    result = _few_shades(sheet) if lossless else None
    if result is None or len(result[1]) > MAX_BYTES:
        result = encode(sheet, QUALITIES[QUALITIES.index(FINE) :])
    return pictures, result


def _affordable(pictures, pixels):
    """Return the greatest share of their size that pictures can have, and if without loss."""
    some = [pictures[k * len(pictures) // 4] for k in range(4)]
    most = 4 * MAX_BYTES / len(pictures)
    for share in (1, 0.75):
        if share * share * pixels > MAX_SHARP:
            continue
        sheet = sheet_of([_resized(picture, share) for picture in some], 2)
        few = _few_shades(sheet)
        if few is not None and len(few[1]) <= most:
            return share, True
        if len(encoded(sheet, "webp", quality=FINE, method=4)[1]) <= most:
            return share, False
    return 1 / DENSITY, True


def _few_shades(picture):
    """Return a picture with SHADES colours, lossless; None where it needs more, as photographs."""
    few = picture.quantize(SHADES, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few = few.convert("RGB")
    error = np.asarray(few, np.int16) - np.asarray(picture, np.int16)
    return None if np.abs(error).mean() > 1.5 else encoded(few, "webp", lossless=True, method=2)


def _resized(picture, share):
    if share == 1:
        return picture
    size = [max(1, round(share * side)) for side in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def encode(sheet: Image.Image, qualities: Sequence[int] = QUALITIES) -> tuple[str, bytes]:
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
    for quality in qualities:
        lossy = [
            encoded(sheet, "webp", quality=quality, method=4),
            encoded(plain, "jpeg", quality=quality, optimize=True),
        ]
        smallest = min([*lossless, *lossy], key=lambda result: len(result[1]))
        if len(smallest[1]) <= MAX_BYTES:
            break
    return smallest
