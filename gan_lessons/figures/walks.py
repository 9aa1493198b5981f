"""Walks through the latent space."""

from collections.abc import Callable

import torch
from torch import Tensor

from gan_lessons.arguments import function, of_kind, whole


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """Interpolate between two noises along the great circle. Source: White 2016, arXiv:1609.04468.

    `start` and `end` have the shape (…, d) and `t` runs from 0 to 1. A straight line between two
    Gaussian noises passes nearer to the origin than noise ever is; the great circle does not.
    Where both point the same (or the opposite) way the line is used.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1)
    angle = torch.arccos(cosine)[..., None]
    sine = torch.sin(angle)
    arc = (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / sine.clamp_min(1e-12)
    return torch.where(sine > 1e-4, arc, torch.lerp(start, end, t))


def walk_frames(
    sample: Callable[[Tensor], Tensor],
    anchors: Tensor,
    *,
    steps: int = 8,
    spherical: bool = True,
) -> Tensor:
    """Return the images on a closed walk through the anchors, for `player`.

    `anchors` (k, n, d) are k stops of n walks that go side by side; `sample` maps noise (n, d) to
    images (n, C, H, W). From stop to stop are `steps` frames, and the last stop leads back to the
    first: the result has k * steps frames, (F, n, C, H, W), on the CPU.
    """
    function("sample", sample)
    of_kind("anchors", anchors, Tensor)
    steps = whole("steps", steps)
    if anchors.ndim != 3 or len(anchors) < 2:
        raise ValueError(
            f"`anchors` must have the shape (stops, walks, latent dim) with at least two stops, "
            f"not {tuple(anchors.shape)}."
        )
    between = slerp if spherical else torch.lerp
    frames = []
    with torch.no_grad():
        for start, end in zip(anchors, anchors.roll(-1, dims=0), strict=True):
            frames += [sample(between(start, end, k / steps)) for k in range(steps)]
            of_kind("What `sample` returns", frames[-1], Tensor)
            frames[-steps:] = [frame.cpu() for frame in frames[-steps:]]
    return torch.stack(frames)
