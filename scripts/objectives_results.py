"""Make the runs that the gallery of the objectives compares, and write down their numbers.

    python scripts/objectives_results.py            # all runs that the file does not have yet
    python scripts/objectives_results.py --verify   # repeat one run of each table, and compare

The numbers go to `gan_lessons/results/objectives.json` after every run; all of them take about two
hours on two cores. Several processes may share the work, by `--name` or `--seed`. Digits need
MNIST; elsewhere the script stops and says so.
"""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan_lessons import metrics
from gan_lessons.data import digits
from gan_lessons.objectives import gallery
from gan_lessons.results.making import Job, command_line, plain
from gan_lessons.training import budget

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "objectives.json"


def settings(name: str, config: Any) -> dict[str, Any]:
    """What a run of this loss depends on."""
    return plain(config, gallery.ENTRIES[name].unused)


def ring_jobs() -> Iterator[Job]:
    """Every loss and seed on the ring."""
    for seed in gallery.SEEDS:
        for name in gallery.ENTRIES:

            def make(name=name, seed=seed):
                run = gallery.train_on_ring(name, seed, progress=False, snapshots=0)
                return [{"updates": run.steps} | gallery.measure_on_ring(run)]

            yield Job("ring", name, seed, settings(name, gallery.ring_config(name)), make)


def digit_jobs() -> Iterator[Job]:
    """Every loss and seed on digits, without and, where it may be, with batch normalisation.

    A run in the networks that suit the loss goes to the end of its preset and is measured on the
    way; a run without the batch normalisation that the loss may have stops there.
    """
    data, test = digits("train"), digits("test")
    if budget() != "smoke" and "MNIST" not in data.name:
        sys.exit(f"The tables are about MNIST, but only {data.name} is here.")
    features = metrics.features(test.floats())
    for seed in gallery.DIGIT_SEEDS:
        for name, entry in gallery.ENTRIES.items():
            for batch_norm in entry.norms:
                config = gallery.digits_config(name, batch_norm)
                updates = min(gallery.UPDATES, config.steps)
                if entry.may_normalise and not batch_norm:
                    config = dataclasses.replace(config, steps=updates)

                def make(name=name, seed=seed, config=config, updates=updates):
                    rows = []

                    def monitor(run):
                        if run.steps in (updates, config.steps):
                            values = gallery.measure_on_digits(run, features)
                            rows.append({"updates": run.steps} | values)
                        return {}

                    gallery.train_on_digits(
                        name,
                        data,
                        config,
                        seed,
                        progress=False,
                        snapshots=0,
                        monitor=monitor,
                        monitor_every=updates,
                    )
                    return rows

                yield Job("digits", name, seed, settings(name, config), make, apart=("batch_norm",))


def time_jobs() -> Iterator[Job]:
    """The seconds of one step of each loss on digits, all measured in one run, in turns."""
    configs = {}
    for name, entry in gallery.ENTRIES.items():
        for batch_norm in entry.norms:
            row = name + (", batch norm" if batch_norm else "")
            configs[row] = name, gallery.digits_config(name, batch_norm)

    def make():
        return [{"seconds": gallery.step_seconds(configs, digits("train"))}]

    yield Job("time", "one step", 0, {row: settings(*pair) for row, pair in configs.items()}, make)


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    makers = {"ring": ring_jobs, "digits": digit_jobs, "time": time_jobs}
    return command_line(__doc__.partition("\n")[0], makers, path, arguments)


if __name__ == "__main__":
    sys.exit(main())
