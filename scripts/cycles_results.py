"""Make the runs that compare translators without pairs, and write down their numbers.

    python scripts/cycles_results.py            # all runs that the file does not have yet
    python scripts/cycles_results.py --verify   # repeat one run of each table, and compare
    python scripts/cycles_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/cycles.json` after every run; all of them take about a
quarter of an hour on one core. MNIST is needed; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gan_lessons.comparisons import cycles, discovery
from gan_lessons.data import TwoDomains, digits_in_two_colours
from gan_lessons.results.making import Job, Makers, command_line, only_mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "cycles.json"


@cache
def colours(split: str) -> TwoDomains:
    """Digits in two colours, made once."""
    return only_mnist(digits_in_two_colours(split))


def job(table: str, name: str, seed: int, rate: float) -> Job:
    """One model, seed and rate."""
    config = cycles.config(name, rate)

    def make():
        run = cycles.play(name, config, colours("train"), seed)
        return [{"updates": run.steps} | cycles.measure(run, colours("test"))]

    sources = (cycles.ENTRIES[name][0], cycles.measure, digits_in_two_colours)
    return Job(table, name, seed, plain(config), make, sources, apart=("learning_rate",))


def sweep() -> Iterator[Job]:
    """Every model with every rate, and the seeds that choose one."""
    for seed in cycles.SWEEP:
        for rate in cycles.RATES:
            for name in cycles.ENTRIES:
                yield job("sweep", name, seed, rate)


def games() -> Iterator[Job]:
    """Every model at its best rate, with fresh seeds."""
    for seed in cycles.SEEDS:
        for name in cycles.ENTRIES:
            yield job("games", name, seed, cycles.RATE[name])


def time_jobs() -> Iterator[Job]:
    """The seconds of one step of each model, all measured in one run, in turns."""

    def make():
        return [{"seconds": cycles.step_seconds(colours("train"))}]

    chosen = {name: plain(cycles.config(name)) for name in cycles.ENTRIES}
    modules = {module for module, _ in cycles.ENTRIES.values()}
    sources = (*sorted(modules, key=str), cycles.step_seconds)
    yield Job("time", "one step", 0, chosen, make, sources)


def discoveries() -> Iterator[Job]:
    """DiscoGAN and the paper's baselines on clusters of points, every seed."""
    for seed in discovery.SEEDS:
        for name in discovery.MODELS | discovery.CONTROLS:

            def make(name=name, seed=seed):
                run = discovery.train(name, seed)
                return [{"updates": run.steps} | discovery.measure(run, discovery.clusters())]

            sources = (discovery, discovery.measure)
            yield Job("discovery", name, seed, plain(discovery.config(name)), make, sources)


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {"sweep": sweep, "games": games, "time": time_jobs, "discovery": discoveries}


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
