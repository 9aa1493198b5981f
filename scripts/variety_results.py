"""Make the runs that compare translators of one input to many, and write down their numbers.

    python scripts/variety_results.py            # all runs that the file does not have yet
    python scripts/variety_results.py --verify   # repeat one run of each table, and compare
    python scripts/variety_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/variety.json` after every run; all of them take about half an
hour on one core. MNIST is needed; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gan_lessons.comparisons import variety
from gan_lessons.data import Pairs
from gan_lessons.data.hues import digits_in_hues
from gan_lessons.evaluation.variety import baselines_of_hues
from gan_lessons.results.making import Job, Makers, command_line, only_mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "variety.json"


@cache
def in_hues(split: str) -> Pairs:
    """Grey digits and tinted ones, made once."""
    return only_mnist(digits_in_hues(split))


def job(table: str, name: str, seed: int, rate: float | None = None) -> Job:
    """One model, seed and rate."""
    config = variety.config(name, rate)

    def make():
        run = variety.play(name, config, in_hues("train"), seed)
        return [{"updates": run.steps} | variety.measure(run, in_hues("test"))]

    module, model, _ = (variety.ENTRIES | variety.CONTROLS)[name]
    sources = (module, model, variety.measure, digits_in_hues)
    return Job(table, name, seed, plain(config), make, sources, apart=("learning_rate",))


def sweep() -> Iterator[Job]:
    """Every model with every rate, and the seeds that choose one."""
    for seed in variety.SWEEP:
        for rate in variety.RATES:
            for name in variety.ENTRIES:
                yield job("sweep", name, seed, rate)


def games() -> Iterator[Job]:
    """Every model at its best rate, with fresh seeds."""
    for seed in variety.SEEDS:
        for name in variety.ENTRIES:
            yield job("games", name, seed)


def controls() -> Iterator[Job]:
    """BicycleGAN with one rule broken, at its rate, with the seeds of both tables above."""
    for seed in (*variety.SWEEP, *variety.SEEDS):
        for name in variety.CONTROLS:
            yield job("controls", name, seed)


def baselines() -> Iterator[Job]:
    """What needs no training."""

    def make():
        x, _ = variety.held_out(in_hues("test"))
        found = baselines_of_hues(x, variety.DRAWN)
        return [{"what": what, "numbers": numbers} for what, numbers in found.items()]

    yield Job("baselines", "no training", 0, {}, make, (baselines_of_hues, digits_in_hues))


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {"sweep": sweep, "games": games, "controls": controls, "baselines": baselines}


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
