"""The first cell of a chapter: what this session will do, and how long it takes."""

import json
import sys
from pathlib import Path
from typing import Any

from gan_lessons.messages import say

PACKAGE = Path(__file__).parent
# A variant is a module in the folder of its part; the other chapters are about shared modules.
PARTS = ("foundations", "objectives", "latent", "translation", "restoration", "growing")
NO_MODULE = ("foundations/metrics", "objectives/gallery", "latent/codes", "translation/maps")
# Used where `timings.json` has no measured time. The presets are designed for these.
PLANNED = {
    "smoke": "a few seconds of training",
    "cpu": "60 to 120 seconds of training on two CPU cores",
    "gpu": "about two minutes of training on a T4",
}


def start(chapter: str) -> None:
    """Print what this session will do: version, device, budget and how long the chapter takes.

    `chapter` is a path in the book, such as "foundations/gan". ValueError for an unknown one.
    """
    import torch

    from gan_lessons import __version__
    from gan_lessons.budgets import BUDGETS, budget, wished
    from gan_lessons.devices import pick_device

    known = _chapters()
    if chapter not in known:
        raise ValueError(f"There is no chapter {chapter!r}; choose one of {', '.join(known)}.")
    device, chosen = pick_device(), budget()
    by = "by GAN_LESSONS_BUDGET" if wished() else "from the device"
    say(f"GAN Lessons {__version__}, torch {torch.__version__}, on {_device_name(device)}.")
    say(f"Budget: {chosen} (chosen {by}). Expect {_expected(chapter, chosen)}.")
    others = " or ".join(name for name in BUDGETS if name != chosen)
    say(f"For another budget ({others}): %env GAN_LESSONS_BUDGET=…, then run this cell again.")
    if device.type == "cpu" and "google.colab" in sys.modules:
        say("No GPU yet: choose Runtime > Change runtime type > T4 GPU, then run all cells.")


def _chapters() -> list[str]:
    """Return all chapters: the modules in the parts that exist, and those without a module."""
    modules = {
        f"{part}/{path.stem}" for part in PARTS for path in (PACKAGE / part).glob("[a-z]*.py")
    }
    return sorted(modules.union(NO_MODULE))


def _timings() -> dict[str, dict[str, float]]:
    """Return the measured seconds of each chapter and budget; empty where none were measured."""
    path = PACKAGE / "timings.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _expected(chapter: str, chosen: str) -> str:
    seconds = _timings().get(chapter, {}).get(chosen)
    if seconds is None:
        return f"{PLANNED[chosen]} (planned, not measured)"
    if seconds < 90:
        whole = max(round(seconds), 1)
        return f"about {whole} second{'s' * (whole > 1)} for the whole chapter"
    return f"about {round(seconds / 60, 1):g} minutes for the whole chapter"


def _device_name(device: Any) -> str:
    import torch

    if device.type == "cuda":
        return f"the GPU {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "the Apple GPU (MPS)"
    threads = torch.get_num_threads()
    return f"the CPU ({threads} thread{'s' * (threads > 1)})"
