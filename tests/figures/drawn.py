"""What the tests of the figures draw, and what they see of it."""

import base64
import io

import numpy as np
import torch
from PIL import Image

ALT = "Sixteen grey squares that grow lighter from the first frame to the last."


def pixels(bundle):
    png = base64.b64decode(bundle["image/png"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def steps(n):
    return [f"step {100 * k}" for k in range(n)]


def fading(n=5, images=4, size=8):
    """Frames (n, images, 1, size, size), each of one grey, that grow lighter."""
    greys = torch.linspace(-1, 1, n)[:, None, None, None, None]
    return greys.expand(n, images, 1, size, size)
