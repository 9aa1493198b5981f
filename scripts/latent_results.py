"""Make the runs that the closing page of the latent part compares, and write down their numbers.

    python scripts/latent_results.py            # all runs that the file does not have yet
    python scripts/latent_results.py --verify   # repeat one run of each table, and compare

The numbers go to `gan_lessons/results/latent.json` after every run; all of them take about one
and a half hours on two cores. Several processes may share the work, by `--name` or `--seed`. MNIST
is needed; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gan_lessons.data import digits
from gan_lessons.latent import clustergan, codes
from gan_lessons.results.making import Job, command_line, plain
from gan_lessons.training import budget, preset

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "latent.json"


def model_jobs() -> Iterator[Job]:
    """Every model and seed."""
    data, test = digits("train"), digits("test")
    if budget() != "smoke" and "MNIST" not in data.name:
        sys.exit(f"The tables are about MNIST, but only {data.name} is here.")
    for seed in codes.SEEDS:
        for name, entry in codes.ENTRIES.items():

            def make(name=name, seed=seed):
                run = codes.train(name, data, seed)
                return [{"updates": run.steps} | codes.measure(name, run, test)]

            yield Job("models", name, seed, plain(preset(None, entry.module.PRESETS)), make)


def undistorted_jobs() -> Iterator[Job]:
    """ClusterGAN again, every seed, with an encoder that reads the images as they are."""
    data, test = digits("train"), digits("test")
    config = replace(preset(None, clustergan.PRESETS), bend=0.0, stroke=0.0)
    for seed in codes.SEEDS:

        def make(seed=seed):
            run = clustergan.train(config, data, seed=seed, progress=False, snapshots=0)
            return [{"updates": run.steps} | codes.measure("ClusterGAN", run, test)]

        yield Job("undistorted", "ClusterGAN", seed, plain(config), make)


def level_jobs() -> Iterator[Job]:
    """Real digits, as the levels to compare with."""

    def make():
        return [codes.measure_reals(digits("train"), digits("test"))]

    yield Job("levels", "real digits", 0, {}, make)


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    makers = {"models": model_jobs, "undistorted": undistorted_jobs, "levels": level_jobs}
    return command_line(__doc__.partition("\n")[0], makers, path, arguments)


if __name__ == "__main__":
    sys.exit(main())
