"""Make the runs of all translators on two tasks, and write down their numbers and pictures.

    python scripts/maps_results.py            # all runs that the files do not have yet
    python scripts/maps_results.py --verify   # repeat one run of each table, and compare
    python scripts/maps_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/maps.json` after every run, with some pictures of seed 0; all
of them take about half an hour on one core. MNIST is needed; elsewhere the script stops and says
so.
"""

import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from gan_lessons.comparisons import maps
from gan_lessons.evaluation.translations import translate
from gan_lessons.results.making import Job, Makers, command_line, only_mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "maps.json"


@cache
def data_of(task: str, split: str) -> maps.Sets:
    """What a task is, made once."""
    sets = maps.data(task, split)
    only_mnist(sets[maps.PAIRS])
    return sets


def settings() -> dict[str, Any]:
    """Those of all translators."""
    return {name: plain(maps.config(name)) for name in maps.ENTRIES}


def modules() -> list[ModuleType]:
    """Those of all translators, in one order."""
    return sorted({entry.module for entry in maps.ENTRIES.values()}, key=str)


def games(task: str) -> Iterator[Job]:
    """Every translator and seed on one task."""
    for seed in maps.SEEDS:
        for name, entry in maps.ENTRIES.items():

            def make(name=name, seed=seed):
                test = data_of(task, "test")
                run = maps.play(name, maps.config(name), data_of(task, "train"), seed)
                row = {"updates": run.steps, "numbers": maps.measure(run, task, test)}
                if seed == 0:
                    row["strip"] = maps.strip(translate(run, maps.shown(task, test)["input"]))
                return [row]

            sources = (entry.module, maps.data, maps.measure, maps.shown)
            yield Job(task, name, seed, plain(maps.config(name)), make, sources)


def baselines() -> Iterator[Job]:
    """What needs no training, for each task."""
    for task in maps.TASKS:

        def make(task=task):
            test = data_of(task, "test")
            found = maps.baselines(task, data_of(task, "train"), test)
            strips = maps.shown(task, test)
            return [
                *({"what": what, "numbers": numbers} for what, numbers in found.items()),
                *({"what": what, "strip": maps.strip(row)} for what, row in strips.items()),
            ]

        yield Job("baselines", task, 0, {}, make, (maps.baselines, maps.data, maps.shown))


def time_jobs() -> Iterator[Job]:
    """The seconds of one step of each translator, all measured in one run, in turns."""

    def make():
        return [{"seconds": maps.step_seconds(data_of(maps.TASKS[0], "train"))}]

    yield Job("time", "one step", 0, settings(), make, (*modules(), maps.step_seconds))


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    tasks = {task: partial(games, task) for task in maps.TASKS}
    return tasks | {"baselines": baselines, "time": time_jobs}


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
