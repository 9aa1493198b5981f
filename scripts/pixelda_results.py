"""Make the runs that compare PixelDA with its floor and its ceiling, and write down their numbers.

    python scripts/pixelda_results.py            # all runs that the file does not have yet
    python scripts/pixelda_results.py --verify   # repeat one run of each table, and compare
    python scripts/pixelda_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/pixelda.json` after every run; all of them take about
forty minutes on one core. MNIST, USPS and the photographs of BSDS500 are needed;
elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from gan_lessons.budgets import budget
from gan_lessons.comparisons import pixelda
from gan_lessons.data import Adaptation
from gan_lessons.results.making import Job, Makers, command_line, only_mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "pixelda.json"
REAL = {"MNIST to MNIST-M": "photographs", "MNIST to USPS": "USPS"}  # what the target's name says


@cache
def domains(name: str, split: str) -> Adaptation:
    """Two domains, made once; the script stops where something else would stand in for them."""
    data = only_mnist(pixelda.DOMAINS[name](split))
    if budget() != "smoke" and REAL[name] not in data.target.name:
        sys.exit(f"The table is about {REAL[name]}, but only {data.target.name} is here.")
    return data


def jobs(name: str) -> Iterator[Job]:
    """Floor, PixelDA and ceiling for these domains, and every seed."""
    config = pixelda.config()
    for seed in pixelda.SEEDS:
        for way in pixelda.WAYS:

            def make(way=way, seed=seed):
                train, test = (domains(name, split) for split in ("train", "test"))
                run = pixelda.play(way, config, train, test, seed)
                return [{"updates": run.steps} | pixelda.measure(run, test)]

            sources = (pixelda.play, pixelda.measure, pixelda.DOMAINS[name])
            yield Job(name, way, seed, plain(config), make, sources)


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {name: partial(jobs, name) for name in pixelda.DOMAINS}


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
