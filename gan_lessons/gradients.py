"""Gradients of a network at its input, and points to take them at: what penalties are made of."""

from collections.abc import Callable

import torch
from torch import Tensor


def gradients(function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """grad D(x) at each of the points (n, *shape), all of its dimensions in one row: (n, d).

    `function` gives each point a score that depends on no other point. What it returns can be
    differentiated with respect to the function's weights.
    """
    points = points.detach().requires_grad_()
    # The sum has the gradient of every score at its own point, if no score depends on other points.
    total = function(points).sum()
    with torch.autocast(points.device.type, enabled=False):  # for forward passes only
        (result,) = torch.autograd.grad(total, points, create_graph=True)
    return result.flatten(1)


def between(real: Tensor, fake: Tensor) -> Tensor:
    """e x + (1 - e) G(z) with one e ~ U[0, 1] for each sample.  [WGANGP-X]

    `real` and `fake` have the same shape (n, *shape), and so has the result.
    """
    e = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    return e * real + (1 - e) * fake
