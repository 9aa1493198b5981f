"""Make the runs that the translation part compares, and those on photographs.

    python scripts/translation_results.py            # all runs that the files do not have yet
    python scripts/translation_results.py --verify   # repeat one run of each table, and compare

The numbers go to `gan_lessons/results/translation.json` after every run, the pictures of a run on
photographs to a sheet beside it; all of them take about two hours on two cores. Several processes
may share the work, by `--name` or `--seed`. MNIST is needed, and so are the photographs that
`gan_lessons.data.facades` and `gan_lessons.data.apple2orange` look for; elsewhere the script stops
and says so.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gan_lessons.results.making import Job, command_line, plain
from gan_lessons.runs import replacing
from gan_lessons.training import budget
from gan_lessons.translation import measured

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "translation.json"


def comparison_jobs(chapter: str) -> Iterator[Job]:
    """Every variant and seed of a chapter."""
    comparison = measured.COMPARISONS[chapter]
    data, test = comparison.data("train"), comparison.data("test")
    if budget() != "smoke" and "scikit-learn" in data.name:
        sys.exit(f"The tables are about MNIST, but only {data.name} is here.")
    for seed in measured.SEEDS:
        for variant in comparison.variants:
            config = measured.config(chapter, variant)

            def make(config=config, seed=seed):
                run = comparison.module.train(config, data, seed=seed, progress=False, snapshots=0)
                return [{"updates": run.steps, "numbers": comparison.module.measure(run, test)}]

            yield Job(chapter, variant, seed, plain(config), make)


def baseline_jobs() -> Iterator[Job]:
    """What needs no training, for every chapter."""
    for chapter, comparison in measured.COMPARISONS.items():

        def make(comparison=comparison):
            found = comparison.module.baselines(comparison.data("train"), comparison.data("test"))
            return [{"what": what, "numbers": numbers} for what, numbers in found.items()]

        yield Job("baselines", chapter, 0, {}, make)


def photograph_jobs(folder: Path) -> Iterator[Job]:
    """One run on each set of photographs, and its sheet of pictures in `folder`."""
    for name, real in measured.PHOTOGRAPHS.items():

        def make(name=name, real=real):
            data, test = real.data("train"), real.data("test")
            run = real.module.train(real.config, data, progress=False, snapshots=0)
            pictures, numbers = real.look(run, data, test)
            with replacing(folder / f"{name}.webp") as fresh:
                measured.sheet(pictures).save(fresh, "WEBP", quality=90, method=6)
                fresh.chmod(0o644)
            shown = {"kinds": list(pictures), "data": [data.name, test.name]}
            return [
                {"updates": run.steps, "seconds": round(run.seconds), **shown, "numbers": numbers}
            ]

        yield Job("photographs", name, 0, plain(real.config), make)


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    makers: dict[str, Callable[[], Iterator[Job]]] = {
        chapter: partial(comparison_jobs, chapter) for chapter in measured.COMPARISONS
    }
    makers |= {"baselines": baseline_jobs, "photographs": partial(photograph_jobs, path.parent)}
    return command_line(__doc__.partition("\n")[0], makers, path, arguments)


if __name__ == "__main__":
    sys.exit(main())
