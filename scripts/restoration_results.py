"""Make the runs that fill holes, on digits, made squares and photographs.

    python scripts/restoration_results.py            # all runs that the file does not have yet
    python scripts/restoration_results.py --verify   # repeat one run of each table, and compare
    python scripts/restoration_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/restoration.json` after every run, the pictures of the runs
on photographs to a sheet beside it; all of them take about half an hour on one core. MNIST is
needed, and so are the photographs that `gan_lessons.data.facades` looks for; elsewhere the script
stops and says so.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from gan_lessons.comparisons import restoration
from gan_lessons.comparisons.photographs import sheet
from gan_lessons.data import TensorData
from gan_lessons.files import replacing
from gan_lessons.restoration import context_encoder
from gan_lessons.results.making import Job, Makers, command_line, mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "restoration.json"


def job(table: str, name: str, seed: int, config: Any, measure: Any, **options: Any) -> Job:
    """One run on digits."""

    def make():
        run = restoration.play(config, mnist("train"), seed)
        return [{"updates": run.steps} | measure(run, mnist("train"), mnist("test"))]

    return Job(table, name, seed, plain(config), make, (context_encoder, measure), **options)


def sweep() -> Iterator[Job]:
    """Every weight of the game with every rate, in short runs."""
    for rate in restoration.RATES:
        for name in restoration.WEIGHTS:
            config = restoration.config(name, rate, restoration.SWEEP_STEPS)
            yield job("sweep", name, 0, config, restoration.measure, apart=("learning_rate",))


def weights() -> Iterator[Job]:
    """Every weight of the game at its rate, every seed."""
    for seed in restoration.SEEDS:
        for name in restoration.WEIGHTS:
            yield job("weights", name, seed, restoration.config(name), restoration.measure)


def kinds() -> Iterator[Job]:
    """Holes in other places than the centre in the training, every seed."""
    for seed in restoration.SEEDS:
        for kind in ("blocks", "regions"):
            config = restoration.config_of_kind(kind)
            yield job("kinds", kind, seed, config, restoration.measure)


def baseline_jobs() -> Iterator[Job]:
    """What needs no training, for every kind of hole."""
    for kind in restoration.MASKS:

        def make(kind=kind):
            found = restoration.baselines_restored(mnist("train"), mnist("test"), kind=kind)
            return [{"numbers": found}]

        yield Job("baselines", kind, 0, {}, make, (restoration.baselines_restored,))


@cache
def squares(split: str) -> TensorData:
    """Squares of two values, made once."""
    return restoration.squares(split)


def square_jobs() -> Iterator[Job]:
    """A hole with two values, with every share of the game and every seed."""
    for seed in restoration.SEEDS:
        for share in restoration.SHARES:
            config = restoration.config_of_squares(share)

            def make(config=config, seed=seed):
                run = restoration.play(config, squares("train"), seed)
                numbers = restoration.measure_squares(run, squares("test"))
                return [{"updates": run.steps, "numbers": numbers}]

            sources = (context_encoder, restoration.measure_squares, restoration.squares)
            yield Job("squares", f"game {share}", seed, plain(config), make, sources)


def photograph_jobs(folder: Path) -> Iterator[Job]:
    """Photographs with L2 alone and with the paper's game, and the sheet of both in `folder`."""
    config = restoration.PHOTOGRAPHS

    def make():
        train, test = restoration.houses("train"), restoration.houses("test")
        runs = {}
        for name, share in restoration.ON_PHOTOGRAPHS.items():
            runs[name] = restoration.play(replace(config, adversarial_weight=share), train)
        pictures, numbers = restoration.look_at_houses(runs, train, test)
        with replacing(folder / f"{restoration.SHEET}.webp") as fresh:
            sheet(pictures).save(fresh, "WEBP", quality=90, method=6)
        seconds = {name: round(run.seconds) for name, run in runs.items()}
        shown = {"kinds": list(pictures), "data": [train.name, test.name]}
        return [{"seconds": seconds, **shown, "numbers": numbers}]

    sources = (context_encoder, restoration.look_at_houses, restoration.houses)
    settings = plain(config) | {"weights": restoration.ON_PHOTOGRAPHS}
    yield Job("photographs", "facades", 0, settings, make, sources)


def makers(path: Path = FILE) -> Makers:
    """The tables of the file `path` and the jobs of each; the sheet of pictures goes beside it."""
    return {
        "sweep": sweep,
        "weights": weights,
        "kinds": kinds,
        "baselines": baseline_jobs,
        "squares": square_jobs,
        "photographs": partial(photograph_jobs, path.parent),
    }


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(path), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
