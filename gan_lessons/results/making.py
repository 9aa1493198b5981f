"""What the scripts that make results have in common: jobs, the file, and the command line.

A job is one run with its settings. Its rows go to the file as soon as they are there, so that an
interruption loses one run at most, and a job whose rows are there, made with the same settings, is
not done again.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from gan_lessons import __version__
from gan_lessons.runs import replacing


@dataclass(frozen=True)
class Job:
    """One run: the table it goes to, what it is, and how to get its rows."""

    table: str
    name: str
    seed: int
    settings: dict[str, Any]  # as JSON gives them back, so that they can be compared
    make: Callable[[], list[dict[str, Any]]]
    apart: tuple[str, ...] = ()  # settings in which two runs of one name and seed may differ

    def has(self, row: dict[str, Any]) -> bool:
        """Whether a stored row comes from this run."""
        return self.replaces(row) and row["settings"] == self.settings

    def replaces(self, row: dict[str, Any]) -> bool:
        """Whether a stored row comes from this run, or from an older version of it."""
        same = row["name"] == self.name and row["seed"] == self.seed
        old = row["settings"]
        return same and all(old.get(key) == self.settings.get(key) for key in self.apart)

    def rows(self) -> list[dict[str, Any]]:
        """Do it: the rows, complete."""
        head = {"name": self.name, "seed": self.seed, "settings": self.settings}
        return [head | row for row in self.make()]


def plain(config: Any, unused: Iterable[str] = ()) -> dict[str, Any]:
    """A config as JSON gives it back, without the fields that a model does not read."""
    return {k: v for k, v in json.loads(json.dumps(vars(config))).items() if k not in unused}


def command_line(
    description: str,
    makers: Mapping[str, Callable[[], Iterable[Job]]],
    path: Path,
    arguments: list[str] | None = None,
) -> int:
    """Make the tables of a file, or what the arguments choose of them; returns the exit status.

    `makers` has the name of each table and what gives its jobs.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", choices=list(makers), help="make this table only")
    parser.add_argument("--name", help="make the runs of this name only, such as WGAN-GP")
    parser.add_argument("--seed", type=int, help="make the runs of this seed only")
    parser.add_argument("--verify", action="store_true", help="repeat some runs and compare")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # sums are then the same on every machine of a kind
    chosen = [options.only] if options.only else list(makers)
    jobs = [job for table in chosen for job in makers[table]()]
    jobs = [job for job in jobs if options.name in (None, job.name)]
    jobs = [job for job in jobs if options.seed in (None, job.seed)]
    if options.verify:
        return _verify([job for job in jobs if job.table != "time"], _read(path, makers))
    for job in jobs:
        if any(job.has(row) for row in _read(path, makers)[job.table]):
            continue
        rows = job.rows()
        with FileLock(Path(tempfile.gettempdir()) / f"{path.name}.lock"):
            tables = _read(path, makers)  # as another process may have left it meanwhile
            kept = [row for row in tables[job.table] if not job.replaces(row)]
            tables[job.table] = kept + rows
            _write(path, tables)
        print(job.table, *(_line(job, row) for row in rows), sep="\n  ", flush=True)
    return 0


def _read(path: Path, names: Iterable[str]) -> dict[str, Any]:
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {"made with": {}} | {name: [] for name in names} | stored


def _write(path: Path, tables: dict[str, Any]) -> None:
    tables["made with"] = {
        "gan_lessons": __version__,
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
    }
    with replacing(path) as fresh:
        fresh.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
        fresh.chmod(0o644)


def _verify(jobs: list[Job], tables: dict[str, Any]) -> int:
    """Repeat the first run of each table; returns 0 if the numbers are those of the file."""
    status = 0
    first = {}
    for job in jobs:
        first.setdefault(job.table, job)
    for job in first.values():
        stored = [row for row in tables[job.table] if job.has(row)]
        fresh = json.loads(json.dumps(job.rows()))
        agree = stored == fresh
        status |= not agree
        print(job.table, "the same numbers" if agree else "OTHER NUMBERS", sep=": ")
        for row in stored + fresh:
            print("  " + _line(job, row))
    return status


def _line(job: Job, row: dict[str, Any]) -> str:
    values = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
        if key not in ("settings", "name")
    )
    settings = row["settings"]
    choices = "".join(f", {key} {settings[key]}" for key in job.apart if key in settings)
    return f"{row['name']}{choices}: " + ", ".join(values)
