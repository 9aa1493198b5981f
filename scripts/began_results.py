"""Make the runs that the BEGAN chapter shows, and write down their numbers.

    python scripts/began_results.py            # all runs that the file does not have yet
    python scripts/began_results.py --verify   # repeat one run of each table, and compare
    python scripts/began_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/began.json` after every run; all of them take about half an
hour on one core. MNIST is needed; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from gan_lessons.comparisons import began as games
from gan_lessons.objectives import began
from gan_lessons.results.making import Job, Makers, command_line, mnist, mnist_features, plain
from gan_lessons.training import preset

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "began.json"


def preset_jobs() -> Iterator[Job]:
    """The chapter's own preset, every seed."""
    config = preset(None, began.PRESETS)
    for seed in games.SEEDS:

        def make(seed=seed):
            run = began.train(config, mnist("train"), seed=seed, progress=False, snapshots=0)
            return [{"updates": run.steps} | games.measure(run, mnist_features())]

        yield Job("preset", "BEGAN", seed, plain(config), make, (began, games.measure))


def error_jobs() -> Iterator[Job]:
    """Both errors, with two values of gamma each, every seed."""
    for seed in games.SEEDS:
        for name in games.GAMES:

            def make(name=name, seed=seed):
                run = games.train(name, mnist("train"), seed)
                return [{"updates": run.steps} | games.measure(run, mnist_features())]

            settings = plain(games.config(name))
            yield Job("errors", name, seed, settings, make, (began, games.train, games.measure))


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {"preset": preset_jobs, "errors": error_jobs}


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
