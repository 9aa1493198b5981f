"""Break DCGAN's rules one at a time, and write down what comes of it.

    python scripts/foundations_results.py            # all runs that the file does not have yet
    python scripts/foundations_results.py --verify   # repeat one run of each table, and compare
    python scripts/foundations_results.py --adopt    # after a change that changed no number

The numbers go to `gan_lessons/results/foundations.json` after every run; all of them take about
four minutes on one core. Runs whose sources have changed are made again. Several processes may
share the work, by `--name` or `--seed`. MNIST is needed; elsewhere the script stops and says so.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from gan_lessons.comparisons import foundations
from gan_lessons.results.making import Job, Makers, command_line, mnist, plain

FILE = Path(__file__).resolve().parent.parent / "gan_lessons" / "results" / "foundations.json"


def rule_jobs() -> Iterator[Job]:
    """Every change at the preset's rate, and two of them at another one."""
    for seed in foundations.SEEDS:
        for name in foundations.CHANGES:
            rates = foundations.RATES if name in foundations.TUNED else foundations.RATES[1:]
            for rate in rates:
                config = foundations.game(name, rate)

                def make(config=config, seed=seed):
                    data, test = mnist("train"), mnist("test")
                    run = foundations.play(config, data, seed)
                    return [foundations.symptoms(run, test.floats().cpu())]

                settings = plain(config, unused=("change", "hidden"))
                sources = foundations.play, foundations.symptoms
                yield Job("rules", name, seed, settings, make, sources, apart=("learning_rate",))


def makers() -> Makers:
    """The tables of the file, and the jobs of each."""
    return {"rules": rule_jobs}


def main(arguments: list[str] | None = None, path: Path = FILE) -> int:
    """The command line; returns the exit status."""
    return command_line(__doc__.partition("\n")[0], makers(), path, arguments)


if __name__ == "__main__":
    sys.exit(main())
