"""Show that a change of the code changes no number.

    python scripts/same_numbers.py before.json    # where the file is not there: write it
    python scripts/same_numbers.py before.json    # after the change: compare with it

Every model class trains under its smoke preset on random images, grey and coloured, with one seed.
The file has hashes of all histories, snapshots and samples, so that the last bit counts. Where
nothing differs, `--adopt` of the scripts that make results is safe. The hashes belong to one
machine and one version of PyTorch: write the file where you compare with it.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gan_lessons.training import fit
from tests.variants import MODELS, data_for, sampled

SHAPES = {"grey": (1, 32, 32), "colour": (3, 64, 64)}


def digest(values: Any) -> str:
    """A hash of the bytes of a tensor or an array."""
    array = values.numpy() if isinstance(values, torch.Tensor) else values
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def numbers(steps: int = 60) -> dict[str, dict[str, str]]:
    """The hashes by model class and kind of images; colour images train for three steps only."""
    found = {}
    for module, cls in MODELS:
        for kind, shape in SHAPES.items():
            config = module.PRESETS["smoke"]
            config = dataclasses.replace(config, steps=steps if kind == "grey" else 3)
            data = data_for(cls, 60 if kind == "grey" else 20, shape)
            run = fit(cls, config, data, seed=3, device="cpu", progress=False, snapshots=5)
            hashes = {name: digest(values) for name, values in sorted(run.history.items())}
            hashes |= {
                "snapshots": digest(run.snapshots),
                "samples": digest(sampled(run, 6, seed=5)),
            }
            found[f"{cls.__name__}, {kind}"] = hashes
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="what is written, or compared with")
    parser.add_argument("--steps", type=int, default=60, help="of each training on grey images")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = numbers(options.steps)
    if not options.file.exists():
        options.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{len(found)} runs written to {options.file}.")
        return 0
    before = json.loads(options.file.read_text(encoding="utf-8"))
    differ = [name for name in {**before, **found} if before.get(name) != found.get(name)]
    print(
        f"{len(found) - len(set(differ) & set(found))} of {len(found)} runs have the same numbers."
    )
    for name in differ:
        kinds = {**before.get(name, {}), **found.get(name, {})}
        what = [k for k in kinds if before.get(name, {}).get(k) != found.get(name, {}).get(k)]
        print(f"  {name}: {', '.join(what)}")
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main())
