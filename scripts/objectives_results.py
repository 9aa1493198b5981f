"""Make the runs that the gallery of the objectives compares, and write down their numbers.

    python scripts/objectives_results.py            # all runs that the file does not have yet
    python scripts/objectives_results.py --verify   # repeat one run of each table, and compare
    python scripts/objectives_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/objectives.json` after every run; all of them take about two
hours on two cores. Runs whose sources have changed are made again. Several processes may share the
work, by `--name` or `--seed`. Digits need MNIST; elsewhere the script stops and says so.
"""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan_lessons.comparisons import objectives
from gan_lessons.data import digits
from gan_lessons.results.making import Job, Makers, Row, command_line, mnist, mnist_features, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "objectives.json"


def settings(name: str, config: Any) -> dict[str, Any]:
    """What a run of this loss depends on."""
    return plain(config, objectives.ENTRIES[name].unused)


def ring_job(table: str, name: str, seed: int, rate: float) -> Job:
    """One loss, seed and rate on the ring."""

    def make() -> list[Row]:
        run = objectives.train_on_ring(name, seed, rate, progress=False, snapshots=0)
        return [{"updates": run.steps} | objectives.measure_on_ring(run)]

    chosen = settings(name, objectives.ring_config(name, rate))
    sources = (objectives.ENTRIES[name].points, objectives.measure_on_ring)
    return Job(table, name, seed, chosen, make, sources, apart=("learning_rate",))


def ring_sweep() -> Iterator[Job]:
    """Every loss on the ring, with every rate, and the seeds that choose one."""
    for seed in objectives.RING_SWEEP:
        for rate in objectives.RING_RATES:
            for name in objectives.ENTRIES:
                yield ring_job("ring sweep", name, seed, rate)


def ring_games() -> Iterator[Job]:
    """Every loss on the ring at its best rate, with fresh seeds."""
    for seed in objectives.RING_SEEDS:
        for name in objectives.ENTRIES:
            yield ring_job("ring", name, seed, objectives.RING_RATE[name])


def dragan_games() -> Iterator[Job]:
    """What the parts of DRAGAN's penalty do on the ring."""
    for seed in objectives.DRAGAN_SEEDS:
        for name in objectives.DRAGAN_GAMES:

            def make(name=name, seed=seed):
                run = objectives.train_dragan(name, seed, progress=False, snapshots=0)
                return [{"updates": run.steps} | objectives.measure_on_ring(run)]

            sources = (objectives.dragan, objectives.measure_on_ring)
            yield Job("dragan", name, seed, plain(objectives.dragan_config(name)), make, sources)


def short_job(table: str, name: str, seed: int, rate: float) -> Job:
    """One loss, seed and rate in a short game on digits."""
    config = objectives.short_config(name, rate)

    def make() -> list[Row]:
        data = mnist("train")
        run = objectives.train_on_digits(name, data, config, seed, progress=False, snapshots=0)
        return [{"updates": run.steps} | objectives.measure_game(run, mnist_features())]

    sources = (objectives.ENTRIES[name].images, objectives.measure_game, digits)
    chosen = settings(name, config)
    return Job(table, name, seed, chosen, make, sources, apart=("learning_rate",))


def digit_sweep() -> Iterator[Job]:
    """Every loss in the short games on digits, with every rate."""
    for seed in objectives.DIGIT_SWEEP:
        for rate in objectives.DIGIT_RATES:
            for name in objectives.ENTRIES:
                yield short_job("digit sweep", name, seed, rate)


def short_games() -> Iterator[Job]:
    """Every loss in the short games on digits at its best rate, with fresh seeds."""
    for seed in objectives.SHORT_SEEDS:
        for name in objectives.ENTRIES:
            yield short_job("short games", name, seed, objectives.DIGIT_RATE[name])


def digit_jobs() -> Iterator[Job]:
    """Every loss but BEGAN on digits, without and, where it may be, with batch normalisation.

    A run in the networks that suit the loss goes to the end of its preset and is measured on the
    way; a run without the batch normalisation that the loss may have stops there.
    """
    for seed in objectives.DIGIT_SEEDS:
        for name in objectives.DIGIT_LOSSES:
            entry = objectives.ENTRIES[name]
            for batch_norm in entry.norms:
                config = objectives.digits_config(name, batch_norm)
                updates = min(objectives.UPDATES, config.steps)
                if entry.may_normalise and not batch_norm:
                    config = dataclasses.replace(config, steps=updates)

                def make(name=name, seed=seed, config=config, updates=updates):
                    rows = []

                    def monitor(run):
                        if run.steps in (updates, config.steps):
                            values = objectives.measure_on_digits(run, mnist_features())
                            rows.append({"updates": run.steps} | values)
                        return {}

                    objectives.train_on_digits(
                        name,
                        mnist("train"),
                        config,
                        seed,
                        progress=False,
                        snapshots=0,
                        monitor=monitor,
                        monitor_every=updates,
                    )
                    return rows

                chosen = settings(name, config)
                sources = (entry.images, objectives.measure_on_digits, digits)
                yield Job("digits", name, seed, chosen, make, sources, apart=("batch_norm",))


def time_jobs() -> Iterator[Job]:
    """The seconds of one step of each loss on digits, all measured in one run, in turns."""
    configs = {}
    for name in objectives.DIGIT_LOSSES:
        for batch_norm in objectives.ENTRIES[name].norms:
            row = name + (", batch norm" if batch_norm else "")
            configs[row] = name, objectives.digits_config(name, batch_norm)

    def make():
        data = mnist("train")
        return [{"seconds": objectives.step_seconds(configs, data)}]

    chosen = {row: settings(*pair) for row, pair in configs.items()}
    models = [objectives.ENTRIES[name].images for name in objectives.DIGIT_LOSSES]
    yield Job("time", "one step", 0, chosen, make, (*models, objectives.step_seconds, digits))


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {
        "ring sweep": ring_sweep,
        "ring": ring_games,
        "dragan": dragan_games,
        "digit sweep": digit_sweep,
        "short games": short_games,
        "digits": digit_jobs,
        "time": time_jobs,
    }


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
