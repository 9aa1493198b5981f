"""Make the runs that the gallery of the objectives compares, and write down their numbers.

    python scripts/objectives_results.py            # all runs that the file does not have yet
    python scripts/objectives_results.py --verify   # repeat one run of each table, and compare

The numbers go to `gan_lessons/results/objectives.json` after every run, so that nothing is lost
when it is interrupted; it takes about an hour and a half on two cores. A run whose settings have
changed since is made again. Several processes may share the work, by `--name` or `--seed`. Digits
need MNIST; elsewhere the script stops and says so.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from gan_lessons import __version__, metrics
from gan_lessons.data import digits
from gan_lessons.objectives import gallery
from gan_lessons.runs import replacing
from gan_lessons.training import budget

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "objectives.json"


@dataclasses.dataclass(frozen=True)
class Job:
    """One run: the table it goes to, what it is, and how to get its rows."""

    table: str
    name: str
    seed: int
    settings: dict[str, Any]
    make: Callable[[], list[dict[str, Any]]]

    def has(self, row: dict[str, Any]) -> bool:
        """Whether a stored row comes from this run."""
        same = row["name"] == self.name and row["seed"] == self.seed
        return same and row["settings"] == self.settings

    def replaces(self, row: dict[str, Any]) -> bool:
        """Whether a stored row is an older version of this run's."""
        same = row["name"] == self.name and row["seed"] == self.seed
        return same and row["settings"].get("batch_norm") == self.settings.get("batch_norm")


def plain(name: str, config: Any) -> dict[str, Any]:
    """The config of a loss as JSON gives it back, without the fields that its model ignores."""
    unused = gallery.ENTRIES[name].unused
    return {k: v for k, v in json.loads(json.dumps(vars(config))).items() if k not in unused}


def ring_jobs() -> Iterator[Job]:
    """Every loss and seed on the ring."""
    for seed in gallery.SEEDS:
        for name in gallery.ENTRIES:

            def make(name=name, seed=seed):
                run = gallery.train_on_ring(name, seed, progress=False, snapshots=0)
                return [{"updates": run.steps} | gallery.measure_on_ring(run)]

            yield Job("ring", name, seed, plain(name, gallery.ring_config(name)), make)


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

                yield Job("digits", name, seed, plain(name, config), make)


def time_jobs() -> Iterator[Job]:
    """The seconds of one step of each loss on digits, all measured in one run, in turns."""
    configs = {}
    for name, entry in gallery.ENTRIES.items():
        for batch_norm in entry.norms:
            row = name + (", batch norm" if batch_norm else "")
            configs[row] = name, gallery.digits_config(name, batch_norm)
    settings = {row: plain(*pair) for row, pair in configs.items()}

    def make():
        return [{"seconds": gallery.step_seconds(configs, digits("train"))}]

    yield Job("time", "one step", 0, settings, make)


def read(path: Path) -> dict[str, Any]:
    """The stored tables, or empty ones."""
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"made with": {}, "ring": [], "digits": [], "time": []}


def write(path: Path, tables: dict[str, Any]) -> None:
    """Store the tables in one move."""
    tables["made with"] = {
        "gan_lessons": __version__,
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
    }
    with replacing(path) as fresh:
        fresh.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
        fresh.chmod(0o644)


def run(job: Job) -> list[dict[str, Any]]:
    """The rows of a job, complete."""
    head = {"name": job.name, "seed": job.seed, "settings": job.settings}
    return [head | row for row in job.make()]


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=("ring", "digits", "time"), help="make this table only")
    parser.add_argument("--name", help="make the runs of this loss only, such as WGAN-GP")
    parser.add_argument("--seed", type=int, help="make the runs of this seed only")
    parser.add_argument("--verify", action="store_true", help="repeat some runs and compare")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums are then the same on every machine of a kind
    makers = {"ring": ring_jobs, "digits": digit_jobs, "time": time_jobs}
    chosen = [options.only] if options.only else list(makers)
    jobs = [job for table in chosen for job in makers[table]()]
    jobs = [job for job in jobs if options.name in (None, job.name)]
    jobs = [job for job in jobs if options.seed in (None, job.seed)]
    if options.verify:
        return verify([job for job in jobs if job.table != "time"], read(path))
    for job in jobs:
        if any(job.has(row) for row in read(path)[job.table]):
            continue
        rows = run(job)
        with FileLock(Path(tempfile.gettempdir()) / f"{path.name}.lock"):
            tables = read(path)  # as another process may have left it meanwhile
            kept = [row for row in tables[job.table] if not job.replaces(row)]
            tables[job.table] = kept + rows
            write(path, tables)
        print(job.table, *(show(row) for row in rows), sep="\n  ", flush=True)
    return 0


def verify(jobs: list[Job], tables: dict[str, Any]) -> int:
    """Repeat the first run of each table; returns 0 if the numbers are those of the file."""
    status = 0
    first = {}
    for job in jobs:
        first.setdefault(job.table, job)
    for job in first.values():
        stored = [row for row in tables[job.table] if job.has(row)]
        fresh = json.loads(json.dumps(run(job)))
        agree = stored == fresh
        status |= not agree
        print(job.table, "the same numbers" if agree else "OTHER NUMBERS", sep=": ")
        for row in stored + fresh:
            print("  " + show(row))
    return status


def show(row: dict[str, Any]) -> str:
    """One line about a row."""
    values = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
        if key not in ("settings", "name")
    )
    norm = ", batch norm" if row["settings"].get("batch_norm") else ""
    return f"{row['name']}{norm}: " + ", ".join(values)


if __name__ == "__main__":
    sys.exit(main())
