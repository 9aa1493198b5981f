"""Make the runs that the closing page of the latent part compares, and write down their numbers.

    python scripts/latent_results.py            # all runs that the file does not have yet
    python scripts/latent_results.py --verify   # repeat one run of each table, and compare
    python scripts/latent_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/latent.json` after every run; all of them take about two
hours on two cores. Runs whose sources have changed are made again. Several processes may
share the work, by `--name` or `--seed`. MNIST is needed; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gan_lessons.comparisons import encoders, latent, published
from gan_lessons.data import TensorData
from gan_lessons.latent import bigan, clustergan
from gan_lessons.results.making import Job, Makers, command_line, mnist, plain
from gan_lessons.training import preset

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "latent.json"


def both() -> tuple[TensorData, TensorData]:
    """Digits to train on, and digits to measure with."""
    return mnist("train"), mnist("test")


def model_jobs() -> Iterator[Job]:
    """Every model and seed."""
    for seed in latent.SEEDS:
        for name, entry in latent.ENTRIES.items():

            def make(name=name, entry=entry, seed=seed):
                data, test = both()
                run = latent.train(name, data, seed)
                return [{"updates": run.steps} | latent.measure(entry, run, test)]

            settings = plain(preset(None, entry.module.PRESETS), entry.unused)
            yield Job("models", name, seed, settings, make, (entry.module, latent.measure))


def undistorted_jobs() -> Iterator[Job]:
    """ClusterGAN again, every seed, with an encoder that reads the images as they are."""
    config = replace(preset(None, clustergan.PRESETS), bend=0.0, stroke=0.0)
    for seed in latent.SEEDS:

        def make(seed=seed):
            data, test = both()
            run = clustergan.train(config, data, seed=seed, progress=False, snapshots=0)
            measured = latent.measure(latent.ENTRIES["ClusterGAN"], run, test)
            return [{"updates": run.steps} | measured]

        sources = (clustergan, latent.measure)
        yield Job("undistorted", "ClusterGAN", seed, plain(config), make, sources)


def published_jobs() -> Iterator[Job]:
    """ClusterGAN with the critic and the settings of its paper's experiments: one long run."""
    config = published.Config()

    def make():
        data, test = both()
        run = published.train(data)
        return [{"updates": run.steps} | latent.measure(latent.ENTRIES["ClusterGAN"], run, test)]

    yield Job("published", "ClusterGAN", 0, plain(config), make, (published, latent.measure))


def baseline_jobs() -> Iterator[Job]:
    """A GAN with a latent regressor, every seed: BiGAN's networks without its game."""
    settings = plain(preset(None, bigan.PRESETS), unused=("hidden", "pair_width"))
    for seed in latent.SEEDS:

        def make(seed=seed):
            data, test = both()
            run = encoders.train("latent regressor", data, seed)
            measured = latent.measure(latent.Entry(encoders, encodes=True), run, test)
            sharp = encoders.measure_sharpness(run, test)
            return [{"updates": run.steps} | measured | sharp]

        yield Job("baselines", "latent regressor", seed, settings, make, (encoders, latent.measure))


def level_jobs() -> Iterator[Job]:
    """Real digits, as the levels to compare with."""

    def make():
        return [latent.measure_reals(*both())]

    yield Job("levels", "real digits", 0, {}, make, (latent.measure_reals,))


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {
        "models": model_jobs,
        "undistorted": undistorted_jobs,
        "published": published_jobs,
        "baselines": baseline_jobs,
        "levels": level_jobs,
    }


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
