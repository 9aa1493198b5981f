"""Make the runs that the closing page of the latent part compares, and write down their numbers.

    python scripts/latent_results.py            # all runs that the file does not have yet
    python scripts/latent_results.py --verify   # repeat one run of each table, and compare
    python scripts/latent_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/latent.json` after every run, strips of pictures beside it;
all of them take about two and a half hours on two cores. Runs whose sources have changed are made
again. Several processes may share the work, by `--name` or `--seed`. MNIST is needed; elsewhere the
script stops and says so.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from gan_lessons.comparisons import encoders, latent, redrawn, wasserstein_clusters
from gan_lessons.data import TensorData, digits
from gan_lessons.files import replacing
from gan_lessons.latent import bigan, clustergan
from gan_lessons.results.making import Job, Makers, command_line, only_mnist, plain
from gan_lessons.training import Run, preset

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "latent.json"


def both() -> tuple[TensorData, TensorData]:
    """Digits to train on, and digits to measure with."""
    return only_mnist(digits("train")), only_mnist(digits("test"))


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


def level_jobs() -> Iterator[Job]:
    """Real digits, as the levels to compare with."""

    def make():
        return [latent.measure_reals(*both())]

    yield Job("levels", "real digits", 0, {}, make, (latent.measure_reals,))


@cache
def trained(name: str, seed: int) -> Run:
    """A model of the part, or BiGAN's networks trained in another way; each of them once."""
    data, _ = both()
    train = encoders.train if name in encoders.WAYS else latent.train
    return train(name, data, seed)


def encoder_jobs() -> Iterator[Job]:
    """BiGAN's two networks trained without its game, every seed."""
    entry = latent.Entry(encoders, encodes=True)
    for seed in latent.SEEDS:
        for name, way in encoders.WAYS.items():

            def make(name=name, seed=seed):
                data, test = both()
                run = trained(name, seed)
                row = {"updates": run.steps} | latent.measure(entry, run, test)
                row |= {"neighbour": encoders.code_classes(run, data, test)}
                return [row | encoders.measure_sharpness(run, test)]

            measures = (latent.measure, encoders.code_classes, encoders.measure_sharpness)
            settings = plain(preset(None, bigan.PRESETS), ("hidden", "pair_width"))
            yield Job("encoders", name, seed, settings, make, (way, *measures))


def paper_jobs() -> Iterator[Job]:
    """ClusterGAN once with the game and the weights of its paper: numbers at five moments."""

    def make():
        data, test = both()
        run = wasserstein_clusters.train(data, test)
        measured = latent.measure(latent.ENTRIES["ClusterGAN"], run, test)
        watched = {key: [float(v) for v in values] for key, values in run.monitored.items()}
        return [{"updates": run.steps, "watched": watched} | measured]

    settings = plain(preset(None, wasserstein_clusters.PRESETS), ("hidden",))
    sources = (wasserstein_clusters, latent.measure)
    yield Job("paper", "ClusterGAN", 0, settings, make, sources)


def picture_jobs(folder: Path) -> Iterator[Job]:
    """A strip of pictures in `folder` of everything that encodes, with the first seed."""
    sources = {name: e.module for name, e in latent.ENTRIES.items() if e.encodes} | encoders.WAYS
    for name, source in sources.items():

        def make(name=name):
            _, test = both()
            run = trained(name, latent.SEEDS[0])
            with replacing(folder / redrawn.file_name(name)) as fresh:
                redrawn.strip(redrawn.look(run, test)).save(fresh, "WEBP", lossless=True)
            return [{"updates": run.steps} | encoders.measure_sharpness(run, test)]

        module = bigan if name in encoders.WAYS else source
        settings = plain(preset(None, module.PRESETS))
        measures = (redrawn.look, redrawn.strip, encoders.measure_sharpness)
        yield Job("pictures", name, latent.SEEDS[0], settings, make, (source, *measures))


def makers(path: Path = FILE) -> Makers:
    """The tables of the file `path`, and the jobs of each; strips of pictures go beside it."""
    return {
        "models": model_jobs,
        "undistorted": undistorted_jobs,
        "levels": level_jobs,
        "encoders": encoder_jobs,
        "paper": paper_jobs,
        "pictures": partial(picture_jobs, path.parent),
    }


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(path), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
