"""Where a run is computed, and the random numbers of that place."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """The device to train on: the one asked for, else CUDA, else MPS, else the CPU.

    A device that this machine does not have raises `ValueError`.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is None:
        return torch.device(next((name for name, there in present.items() if there), "cpu"))
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"There is no kind of device called {device!r}; use device='cpu', 'cuda' or None."
        ) from error
    count = {"cuda": torch.cuda.device_count()}.get(device.type, 1)
    there = present.get(device.type, device.type != "meta")  # it holds no numbers
    if not there or (device.index or 0) >= count:
        raise ValueError(f"This machine has no {str(device)!r} device; use device='cpu' or None.")
    return device


@contextmanager
def own_randomness(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Inside, random numbers start from `seed`; the caller's, there and on the CPU, stay."""
    before = random_state(device)
    try:
        if seed is not None:
            # Not torch.manual_seed, which seeds every device that the machine has.
            torch.default_generator.manual_seed(seed)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            if device.type == "mps":
                torch.mps.manual_seed(seed)
        yield
    finally:
        set_random_state(before, device)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Where the random numbers of the CPU, and of an accelerator, stand."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":  # there is only one of these, so it takes no device
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Go on with the random numbers where `random_state` stood, as far as it was on `device`."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    if device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])
