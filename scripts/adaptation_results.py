"""Make the runs about domain adaptation that the chapters tell, and write down their numbers.

    python scripts/adaptation_results.py            # all runs that the file does not have yet
    python scripts/adaptation_results.py --verify   # repeat one run of each table, and compare
    python scripts/adaptation_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/adaptation.json` after every run; all of them take about
fifteen minutes on one core. MNIST and USPS are needed; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from gan_lessons.budgets import budget
from gan_lessons.comparisons import adaptation
from gan_lessons.data import TwoDomains, digits_and_usps
from gan_lessons.results.making import Job, Makers, command_line, only_mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "adaptation.json"


def domains(split: str) -> TwoDomains:
    """MNIST and USPS."""
    both = digits_and_usps(split)
    only_mnist(both.first)
    if budget() != "smoke" and not both.second.name.startswith("USPS"):
        sys.exit(f"The table is about USPS, but only {both.second.name} is here.")
    return both


def cogan_jobs() -> Iterator[Job]:
    """Every way of reading USPS, and every seed."""
    for seed in adaptation.SEEDS:
        for way in adaptation.WAYS:

            def make(way=way, seed=seed):
                taught = int(way == adaptation.WAYS[-1])
                train, test = adaptation.few(domains("train")), domains("test")
                reader = adaptation.adapt(train, way, adaptation.config(), seed)
                return [adaptation.measure(reader, test, taught)]

            sources = (adaptation.adapt, adaptation.measure, adaptation.few)
            yield Job("cogan", way, seed, plain(adaptation.config()), make, sources)


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {"cogan": cogan_jobs}


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
