"""Make the runs that the translation part compares, and those on photographs.

    python scripts/translation_results.py            # all runs that the files do not have yet
    python scripts/translation_results.py --verify   # repeat one run of each table, and compare

The numbers go to `gan_lessons/results/translation.json` after every run, the pictures of a run on
photographs to a sheet beside it; all of them take about two and a half hours on two cores. Several
processes may share the work, by `--name` or `--seed`. MNIST is needed, and so are the photographs
that `gan_lessons.data.facades` and `gan_lessons.data.apple2orange` look for; elsewhere the script
stops and says so.
"""

import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from gan_lessons.comparisons import patches, photographs, translation
from gan_lessons.evaluation import faithfulness
from gan_lessons.files import replacing
from gan_lessons.results.making import Job, Makers, command_line, only_mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "translation.json"


@cache
def data_of(chapter: str, split: str) -> Any:
    """What the runs of a chapter are trained and tested on, by the split "train" or "test"."""
    return only_mnist(translation.COMPARISONS[chapter].data(split))


def comparison_jobs(chapter: str) -> Iterator[Job]:
    """Every variant and seed of a chapter."""
    comparison = translation.COMPARISONS[chapter]
    sources = (comparison.module, comparison.measure, comparison.data)
    for seed in translation.SEEDS:
        for variant in comparison.variants:
            config = translation.config(chapter, variant)

            def make(config=config, seed=seed):
                data, test = data_of(chapter, "train"), data_of(chapter, "test")
                run = comparison.module.train(config, data, seed=seed, progress=False, snapshots=0)
                return [{"updates": run.steps, "numbers": comparison.measure(run, test)}]

            yield Job(chapter, variant, seed, plain(config), make, sources)


def baseline_jobs() -> Iterator[Job]:
    """What needs no training, for every chapter."""
    for chapter, comparison in translation.COMPARISONS.items():

        def make(chapter=chapter, comparison=comparison):
            found = comparison.baselines(data_of(chapter, "train"), data_of(chapter, "test"))
            return [{"what": what, "numbers": numbers} for what, numbers in found.items()]

        yield Job("baselines", chapter, 0, {}, make, (comparison.baselines, comparison.data))


def patch_jobs() -> Iterator[Job]:
    """pix2pix with discriminators of three sizes, every seed."""
    for seed in patches.SEEDS:
        for size in patches.SIZES:
            config = patches.config(size)

            def make(config=config, seed=seed, size=size):
                data, test = data_of("pix2pix", "train"), data_of("pix2pix", "test")
                options = {"seed": seed, "progress": False, "snapshots": 0}
                run = patches.play(size, config, data, **options)
                numbers = faithfulness.measure_houses(run, test)
                return [{"updates": run.steps, "numbers": numbers}]

            sources = (patches, faithfulness.measure_houses, translation.houses)
            yield Job("patches", size, seed, plain(config), make, sources)


def photograph_jobs(folder: Path) -> Iterator[Job]:
    """One run on each set of photographs, and its sheet of pictures in `folder`."""
    for name, real in photographs.SETS.items():

        def make(name=name, real=real):
            data, test = real.data("train"), real.data("test")
            run = real.module.train(real.config, data, progress=False, snapshots=0)
            pictures, numbers = real.look(run, data, test)
            with replacing(folder / f"{name}.webp") as fresh:
                photographs.sheet(pictures).save(fresh, "WEBP", quality=90, method=6)
            shown = {"kinds": list(pictures), "data": [data.name, test.name]}
            return [
                {"updates": run.steps, "seconds": round(run.seconds), **shown, "numbers": numbers}
            ]

        sources = (real.module, real.look, real.data)
        yield Job("photographs", name, 0, plain(real.config), make, sources)


def makers(path: Path = FILE) -> Makers:
    """The tables of the file `path` and the jobs of each; sheets of pictures go beside it."""
    chapters = {chapter: partial(comparison_jobs, chapter) for chapter in translation.COMPARISONS}
    return chapters | {
        "baselines": baseline_jobs,
        "patches": patch_jobs,
        "photographs": partial(photograph_jobs, path.parent),
    }


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(path), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
