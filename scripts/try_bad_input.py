"""Try bad input on the whole public interface, and say how clearly each one is answered.

    python scripts/try_bad_input.py [AREA …]

Prints a table by area, and then each case whose answer is no good. An area is chosen by a part of
its name. The answers are

- clear: an error that the package raises itself, with a sentence;
- cryptic: any other error;
- silent: bad input that is accepted;
- fine: strange input that is legitimate, and is accepted.

It trains one step at most, on tiny data, under the smoke budget: two minutes on one core.
"""

import argparse
import contextlib
import io
import linecache
import os
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
os.environ["GAN_LESSONS_BUDGET"] = "smoke"

import bad_inputs  # noqa: E402
import torch  # noqa: E402

import gan_lessons  # noqa: E402

PACKAGE = Path(gan_lessons.__file__).parent
ANSWERS = ("clear", "cryptic", "silent", "fine")
LIMIT = 30  # seconds for one case
EXPECTED = (ValueError, TypeError, FileNotFoundError, NotADirectoryError, PermissionError)


def is_clear(error: Exception) -> bool:
    """Whether a line of the package raises the error on purpose, with more than a few words."""
    if not isinstance(error, EXPECTED) and not type(error).__module__.startswith("gan_lessons"):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    raised = PACKAGE in Path(last.filename).parents and line.startswith("raise")
    unknown = "unexpected keyword argument" in str(error)  # Python says it well enough
    return (raised or unknown) and len(str(error)) > 20


def answer_to(case: bad_inputs.Case) -> tuple[str, str]:
    """One of ANSWERS, and what an error says."""
    quiet = io.StringIO()
    signal.alarm(LIMIT)
    try:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            case.call()
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:140]}"
        return ("clear" if is_clear(error) else "cryptic"), said
    finally:
        signal.alarm(0)
    return ("silent" if case.bad else "fine"), ""


def _too_long(*_: object) -> None:
    raise TimeoutError(f"No answer within {LIMIT} seconds.")


def try_all(cases: Iterable[bad_inputs.Case]) -> tuple[dict[str, Counter], list[str]]:
    """How many answers of each kind there are in each area, and a line for each that is no good."""
    counts: dict[str, Counter] = {}
    lines = []
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(tempfile, "tempdir", folder):
        for case in cases:
            answer, said = answer_to(case)
            counts.setdefault(case.area, Counter())[answer] += 1
            if answer in ("cryptic", "silent"):
                lines.append(f"{answer:8}{case.area}: {case.name}   {said}".rstrip())
    return counts, lines


def table(counts: dict[str, Counter]) -> str:
    """A line for each area, and one for all."""
    rows = {**counts, "all": sum(counts.values(), Counter())}
    width = max(map(len, rows))
    lines = ["  ".join(["area".ljust(width), "  tried", *(f"{a:>7}" for a in ANSWERS)])]
    for area, found in rows.items():
        numbers = [sum(found.values()), *(found[answer] for answer in ANSWERS)]
        lines.append("  ".join([area.ljust(width), *(f"{n:7,}" for n in numbers)]))
    return "\n".join(lines)


def main() -> None:
    """Try, print, and fail if an answer is no good."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("areas", nargs="*", help="parts of the names of areas; default: all")
    wanted = parser.parse_args().areas
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_long)
    torch.set_num_threads(1)  # faster for steps as small as these
    counts, lines = try_all(
        case
        for case in bad_inputs.all_cases()
        if not wanted or any(part in case.area for part in wanted)
    )
    print(table(counts), *lines, sep="\n")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
