"""Make the runs of all translators on two tasks, and write down their numbers and pictures.

    python scripts/maps_results.py            # all runs that the files do not have yet
    python scripts/maps_results.py --verify   # repeat one run of each table, and compare
    python scripts/maps_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/maps.json` after every run, the pictures of seed 0 to a
sheet for each task beside it; all of them take about half an hour on one core. MNIST is needed;
elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from gan_lessons.comparisons import maps, photographs
from gan_lessons.files import replacing
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
                run = maps.play(name, maps.config(name), data_of(task, "train"), seed)
                numbers = maps.measure(run, task, data_of(task, "test"))
                return [{"updates": run.steps, "numbers": numbers}]

            sources = (entry.module, maps.data, maps.measure)
            yield Job(task, name, seed, plain(maps.config(name)), make, sources)


def sheets(folder: Path) -> Iterator[Job]:
    """The pictures of all translators with seed 0, one sheet for each task, in `folder`."""
    for task in maps.TASKS:

        def make(task=task):
            train, test = data_of(task, "train"), data_of(task, "test")
            runs = {name: maps.play(name, maps.config(name), train) for name in maps.ENTRIES}
            shown = maps.pictures(runs, task, test)
            with replacing(folder / maps.SHEETS[task]) as fresh:
                photographs.sheet(shown).save(fresh, "WEBP", quality=90, method=6)
            return [{"kinds": list(shown)}]

        sources = (*modules(), maps.data, maps.pictures)
        yield Job("sheets", task, 0, settings(), make, sources)


def baselines() -> Iterator[Job]:
    """What needs no training, for each task."""
    for task in maps.TASKS:

        def make(task=task):
            found = maps.baselines(task, data_of(task, "train"), data_of(task, "test"))
            return [{"what": what, "numbers": numbers} for what, numbers in found.items()]

        yield Job("baselines", task, 0, {}, make, (maps.baselines, maps.data))


def time_jobs() -> Iterator[Job]:
    """The seconds of one step of each translator, all measured in one run, in turns."""

    def make():
        return [{"seconds": maps.step_seconds(data_of(maps.TASKS[0], "train"))}]

    yield Job("time", "one step", 0, settings(), make, (*modules(), maps.step_seconds))


def makers(path: Path = FILE) -> Makers:
    """The tables of the file `path` and the jobs of each; sheets of pictures go beside it."""
    tasks = {task: partial(games, task) for task in maps.TASKS}
    tables = {"baselines": baselines, "time": time_jobs, "sheets": partial(sheets, path.parent)}
    return tasks | tables


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(path), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
