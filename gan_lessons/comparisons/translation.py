"""The runs that the chapters of this part have no time for: variants, each with three seeds.

How each is trained and measured. `scripts/translation_results.py` makes all of them, and writes
`gan_lessons/results/translation.json`. Those on real photographs are in `photographs`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from gan_lessons import metrics, results
from gan_lessons.data import (
    Pairs,
    TwoDomains,
    digits_in_two_colours,
    toy_facades,
)
from gan_lessons.evaluation.translations import (
    baselines_with_map,
    baselines_with_targets,
    measure_with_map,
    measure_with_targets,
)
from gan_lessons.page import spread
from gan_lessons.training import Run, preset
from gan_lessons.translation import cyclegan, pix2pix

SEEDS = (0, 1, 2)
Rows = dict[str, dict[str, float]]  # the rows of a table


def houses(split: str) -> Pairs:
    """Plans and pictures of drawn houses, of the split "train" or "test"."""
    return toy_facades(5000 if split == "train" else 1000, split=split)


@dataclass(frozen=True)
class Comparison:
    """Variants of one model, by the settings in which they differ from the preset."""

    module: ModuleType
    data: Callable[[str], Pairs | TwoDomains]  # of the split "train" or "test"
    variants: dict[str, dict[str, Any]]
    measure: Callable[[Run, Any], dict[str, float]]  # a run, at test data
    baselines: Callable[[Any, Any], Rows]  # what needs no training, at training and test data


COMPARISONS = {
    "pix2pix": Comparison(
        pix2pix,
        houses,
        {
            "L1 and adversarial": {},
            "L1 alone": {"adversarial_weight": 0.0},
            "adversarial alone": {"l1_weight": 0.0},
        },
        measure_with_targets,
        baselines_with_targets,
    ),
    "cyclegan": Comparison(
        cyclegan,
        digits_in_two_colours,
        {"with the cycle": {}, "without": {"cycle_weight": 0.0}},
        measure_with_map,
        baselines_with_map,
    ),
}


def config(chapter: str, variant: str) -> Any:
    """The settings of a variant: those of the session's budget, and what is special about it."""
    comparison = COMPARISONS[chapter]
    return replace(preset(None, comparison.module.PRESETS), **comparison.variants[variant])


def table(chapter: str, columns: Sequence[str] | None = None) -> metrics.Table:
    """All variants of a chapter: means over the seeds, with the least and the greatest value.

    The rows above them need no training. `columns` chooses numbers, by default all. An unknown
    chapter or column raises `ValueError`.
    """
    rows = dict(baselines(chapter))
    found = {name: numbers(chapter, name) for name in COMPARISONS[chapter].variants}
    known = list(next(iter(found.values())))
    columns = known if columns is None else columns
    if strange := [name for name in columns if name not in known]:
        raise ValueError(f"There is no column {strange[0]!r}: choose from {', '.join(known)}.")
    texts = {
        what: {name: f"{row[name]:.2f}" for name in columns if name in row}
        for what, row in rows.items()
    }
    texts |= {what: {name: spread(row[name]) for name in columns} for what, row in found.items()}
    return metrics.table(texts)


def baselines(chapter: str) -> Rows:
    """The stored numbers of what needs no training; an unknown chapter raises `ValueError`."""
    _check(chapter)
    stored = results.load("translation")["baselines"]
    return {row["what"]: row["numbers"] for row in stored if row["name"] == chapter}


def numbers(chapter: str, variant: str) -> dict[str, list[float]]:
    """The stored numbers of a variant, each with one value for each seed, in order of the seeds.

    An unknown chapter or variant raises `ValueError`.
    """
    _check(chapter)
    found = [row for row in results.load("translation")[chapter] if row["name"] == variant]
    if not found:
        names = ", ".join(COMPARISONS[chapter].variants)
        raise ValueError(f"There are no runs {variant!r}: choose from {names}.")
    found.sort(key=lambda row: row["seed"])
    return {key: [row["numbers"][key] for row in found] for key in found[0]["numbers"]}


def _check(chapter: str) -> None:
    if chapter not in COMPARISONS:
        raise ValueError(f"There are no runs for {chapter!r}: choose {' or '.join(COMPARISONS)}.")
