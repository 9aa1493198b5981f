"""Make the runs that the gallery of the objectives compares, and write down their numbers.

    python scripts/objectives_results.py            # all runs that the file does not have yet
    python scripts/objectives_results.py --verify   # repeat one run of each table, and compare
    python scripts/objectives_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/objectives.json` after every run; all of them take about two
hours on two cores. Runs whose sources have changed are made again. Several processes may share the
work, by `--name` or `--seed`. Digits need MNIST; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from torch import Tensor

from gan_lessons import metrics
from gan_lessons.comparisons import objectives
from gan_lessons.data import digits
from gan_lessons.results.making import Job, Makers, Row, command_line, only_mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "objectives.json"


def settings(name: str, config: Any) -> dict[str, Any]:
    """What a run of this loss depends on."""
    return plain(config, objectives.ENTRIES[name].unused)


@cache
def train_data() -> Any:
    """The training digits, loaded once."""
    return only_mnist(digits("train"))


@cache
def features() -> Tensor:
    """The judge's features of the test digits."""
    return metrics.features(only_mnist(digits("test")).floats())


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
        for rate in objectives.RATES:
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
                return [{"updates": run.steps} | objectives.measure_dragan(run)]

            sources = (objectives.dragan, objectives.measure_dragan)
            yield Job("dragan", name, seed, plain(objectives.dragan_config(name)), make, sources)


def digit_job(table: str, name: str, seed: int, rate: float, pictures: Path | None = None) -> Job:
    """One game, seed and rate on digits; its samples go to the sheet `pictures`."""
    config = objectives.digits_config(name, rate)

    def make() -> list[Row]:
        run = objectives.train_on_digits(
            name, train_data(), config, seed, progress=False, snapshots=0
        )
        if pictures is not None:
            objectives.keep_samples(run, name, pictures)
        return [{"updates": run.steps} | objectives.measure_game(run, features())]

    loss = "GAN" if name == objectives.NORMALISED else name
    sources = (objectives.ENTRIES[loss].images, objectives.measure_game, digits)
    return Job(table, name, seed, settings(loss, config), make, sources, apart=("learning_rate",))


def digit_sweep() -> Iterator[Job]:
    """Every game on digits, with every rate, and the seed that chooses one."""
    for seed in objectives.DIGIT_SWEEP:
        for rate in objectives.RATES:
            for name in objectives.DIGIT_GAMES:
                yield digit_job("digits sweep", name, seed, rate)


def digit_games(pictures: Path) -> Iterator[Job]:
    """Every game on digits at its best rate, with fresh seeds; the first one gives the pictures."""
    for seed in objectives.DIGIT_SEEDS:
        kept = pictures if seed == objectives.DIGIT_SEEDS[0] else None
        for name in objectives.DIGIT_GAMES:
            yield digit_job("digits", name, seed, objectives.DIGIT_RATE[name], kept)


def preset_jobs() -> Iterator[Job]:
    """Every chapter's own preset on digits, to its end."""
    for seed in objectives.PRESET_SEEDS:
        for name, entry in objectives.ENTRIES.items():
            if not entry.chapter:
                continue
            config = objectives.preset_config(name)

            def make(name=name, seed=seed, config=config):
                run = objectives.train_on_digits(
                    name, train_data(), config, seed, progress=False, snapshots=0
                )
                values = objectives.measure_on_digits(run, features())
                return [{"updates": run.steps} | values]

            sources = (entry.images, objectives.measure_on_digits, digits)
            yield Job("presets", name, seed, settings(name, config), make, sources)


def time_jobs() -> Iterator[Job]:
    """The seconds of one step of each game on digits, all measured in one run, in turns."""

    def make() -> list[Row]:
        return [{"seconds": objectives.step_seconds(train_data())}]

    games = objectives.DIGIT_GAMES
    losses = {name: "GAN" if name == objectives.NORMALISED else name for name in games}
    chosen = {name: settings(losses[name], objectives.digits_config(name)) for name in games}
    models = [entry.images for entry in objectives.ENTRIES.values()]
    yield Job("time", "one step", 0, chosen, make, (*models, objectives.step_seconds, digits))


def makers(path: Path = FILE) -> Makers:
    """The tables of the file `path` and the jobs of each; a sheet of samples goes beside it."""
    return {
        "ring sweep": ring_sweep,
        "ring": ring_games,
        "dragan": dragan_games,
        "digits sweep": digit_sweep,
        "digits": partial(digit_games, path.with_suffix(".png")),
        "presets": preset_jobs,
        "time": time_jobs,
    }


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(path), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
