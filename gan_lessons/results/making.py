"""What the scripts that make results have in common: jobs, the file, and the command line.

A job is one run with its settings. Its rows go to the file as soon as they are there, so that an
interruption loses one run at most, and a job whose rows are there, made with the same settings and
by the same sources, is not done again.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from threadpoolctl import threadpool_limits
from torch import Tensor

from gan_lessons import __version__, metrics
from gan_lessons.budgets import budget
from gan_lessons.data import TensorData, digits
from gan_lessons.files import replacing
from gan_lessons.results.sources import source_hash

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One run: the table it goes to, what it is, and how to get its rows."""

    table: str
    name: str
    seed: int
    settings: dict[str, Any]  # as JSON gives them back, so that they can be compared
    make: Callable[[], list[Row]]
    sources: tuple[Any, ...]  # what its numbers depend on, as `source_hash` takes it
    apart: tuple[str, ...] = ()  # settings in which two runs of one name and seed may differ

    def replaces(self, row: Row) -> bool:
        """Whether a stored row comes from this run, or from an older version of it."""
        same = row["name"] == self.name and row["seed"] == self.seed
        old = row["settings"]
        return same and all(old.get(key) == self.settings.get(key) for key in self.apart)

    def has(self, row: Row) -> bool:
        """Whether a stored row comes from this run with these settings."""
        return self.replaces(row) and row["settings"] == self.settings

    def is_current(self, row: Row) -> bool:
        """Whether a stored row comes from this run as the sources of today make it."""
        return self.has(row) and row.get("sources") == source_hash(*self.sources)

    def rows(self) -> list[Row]:
        """Do it: the rows, complete."""
        return [self.complete(row) for row in self.make()]

    def complete(self, row: Row) -> Row:
        """A row with what it is, before its numbers; what stands there already is replaced."""
        head = {"name": self.name, "seed": self.seed, "settings": self.settings}
        head["sources"] = source_hash(*self.sources)
        return head | {key: value for key, value in row.items() if key not in head}


Makers = Mapping[str, Callable[[], Iterable[Job]]]  # the name of each table, and its jobs


def plain(config: Any, unused: Iterable[str] = ()) -> dict[str, Any]:
    """A config as JSON gives it back, without the fields that a model does not read."""
    return {k: v for k, v in json.loads(json.dumps(vars(config))).items() if k not in unused}


def only_mnist(data: Any) -> Any:
    """The digits `data`, if they are MNIST's or the budget is smoke; else the script stops."""
    if budget() != "smoke" and "scikit-learn" in data.name:
        sys.exit(f"The tables are about MNIST, but only {data.name} is here.")
    return data


@cache
def mnist(split: str) -> TensorData:
    """MNIST's "train" or "test" images, loaded once; the script stops if they are not here."""
    return only_mnist(digits(split))


@cache
def mnist_features() -> Tensor:
    """The judge's features of MNIST's test images, computed once."""
    return metrics.features(mnist("test").floats())


def out_of_date(makers: Makers, path: Path) -> list[str]:
    """What is wrong with a file of results, one line each; empty if today's code would make it.

    Runs that are missing, rows that no job makes, and rows made with other settings or by other
    sources than those of today.
    """
    tables, found = _read(path, makers), []
    for table, make in makers.items():
        left = list(tables[table])
        for job in make():
            rows = [row for row in left if job.replaces(row)]
            left = [row for row in left if not job.replaces(row)]
            if fault := _fault(job, rows):
                found.append(f"{table}: {job.name}, seed {job.seed}: {fault}")
        found += [f"{table}: {row['name']}, seed {row['seed']}: no job makes it" for row in left]
    return found


def _fault(job: Job, rows: list[Row]) -> str:
    if not rows:
        return "missing"
    if not all(job.has(row) for row in rows):
        return "made with other settings"
    return "" if all(job.is_current(row) for row in rows) else "made by other sources"


def command_line(
    description: str, makers: Makers, path: Path, arguments: list[str] | None = None
) -> int:
    """Make the tables of a file, or what the arguments choose of them; returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", choices=list(makers), help="make this table only")
    parser.add_argument("--name", help="make the runs of this name only, such as WGAN-GP")
    parser.add_argument("--seed", type=int, help="make the runs of this seed only")
    parser.add_argument("--verify", action="store_true", help="repeat some runs and compare")
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="take the stored rows for those of today's sources; this runs and verifies nothing, "
        "so use it only after a change that was shown to change no number",
    )
    options = parser.parse_args(arguments)
    _use_one_thread()
    chosen = [options.only] if options.only else list(makers)
    jobs = [job for table in chosen for job in makers[table]()]
    jobs = [job for job in jobs if options.name in (None, job.name)]
    jobs = [job for job in jobs if options.seed in (None, job.seed)]
    if options.verify:
        return _verify([job for job in jobs if job.table != "time"], _read(path, makers))
    if options.adopt:
        return _adopt(jobs, makers, path)
    for job in jobs:
        if any(job.is_current(row) for row in _read(path, makers)[job.table]):
            continue
        rows = job.rows()
        with _locked(path):
            tables = _read(path, makers)  # as another process may have left it meanwhile
            kept = [row for row in tables[job.table] if not job.replaces(row)]
            tables[job.table] = kept + rows
            tables["made with"] = {
                "gan_lessons": __version__,
                "torch": torch.__version__.split("+")[0],
                "threads": torch.get_num_threads(),
            }
            _write(path, tables)
        print(job.table, *(_line(job, row) for row in rows), sep="\n  ", flush=True)
    return 0


def _use_one_thread() -> None:
    """In torch, and in what NumPy and SciPy add up with: on any number of cores the same sums."""
    import sklearn.decomposition  # noqa: F401 - loads all the libraries that are limited here

    torch.set_num_threads(1)
    threadpool_limits(1)


def _locked(path: Path) -> FileLock:
    return FileLock(Path(tempfile.gettempdir()) / f"{path.name}.lock")


def _read(path: Path, names: Iterable[str]) -> dict[str, Any]:
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {"made with": {}} | {name: [] for name in names} | stored


def _write(path: Path, tables: dict[str, Any]) -> None:
    with replacing(path) as fresh:
        fresh.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


def _adopt(jobs: list[Job], makers: Makers, path: Path) -> int:
    """Give the stored rows of these jobs the hash of today's sources; returns 0 if all are there.

    Rows with other settings stay as they are, to be made again.
    """
    status = 0
    with _locked(path):
        tables = _read(path, makers)
        for job in jobs:
            rows = tables[job.table]
            found = [i for i, row in enumerate(rows) if job.has(row)]
            for i in found:
                rows[i] = job.complete(rows[i])
            status |= not found
            print(f"{job.table}: {job.name}, seed {job.seed}: {len(found) or 'NO'} rows adopted")
        _write(path, tables)
    return status


def _verify(jobs: list[Job], tables: dict[str, Any]) -> int:
    """Repeat the first run of each table; returns 0 if the numbers are those of the file."""
    status = 0
    first = {}
    for job in jobs:
        first.setdefault(job.table, job)
    for job in first.values():
        stored = [job.complete(row) for row in tables[job.table] if job.has(row)]
        fresh = json.loads(json.dumps(job.rows()))
        agree = stored == fresh
        status |= not agree
        print(job.table, "the same numbers" if agree else "OTHER NUMBERS", sep=": ")
        for row in stored + fresh:
            print("  " + _line(job, row))
    return status


def _line(job: Job, row: Row) -> str:
    values = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
        if key not in ("settings", "sources", "name")
        and not (isinstance(value, str) and len(value) > 200)  # a picture
    )
    settings = row["settings"]
    choices = "".join(f", {key} {settings[key]}" for key in job.apart if key in settings)
    return f"{row['name']}{choices}: " + ", ".join(values)
