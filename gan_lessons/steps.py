"""What a training step is made of: optimiser, update, and two contexts for a network."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def adam(module: nn.Module, learning_rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over the parameters of `module`, as one fused kernel where torch has it."""
    parameters = list(module.parameters())
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=fused)


def rmsprop(module: nn.Module, learning_rate: float) -> torch.optim.RMSprop:
    """RMSProp without momentum over the parameters of `module`."""
    return torch.optim.RMSprop(module.parameters(), lr=learning_rate)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step downhill: clear the gradients, backpropagate `loss`, move the parameters."""
    with torch.autocast(loss.device.type, enabled=False):  # for forward passes only
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, `module` passes gradients on to its input but collects none for its own weights."""
    wanted = [p for p in module.parameters() if p.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, `module` evaluates and builds no graph; its modes come back afterwards."""
    modes = {child: child.training for child in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for child, mode in modes.items():
            child.training = mode
