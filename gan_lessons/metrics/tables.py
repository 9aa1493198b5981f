"""All metrics of one set of digits at once, and tables of several sets."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gan_lessons.arguments import of_kind
from gan_lessons.metrics.images import (
    class_coverage,
    conditional_accuracy,
    frechet_distance,
    kernel_distance,
    nearest_neighbours,
    precision_recall,
    within_class_diversity,
)
from gan_lessons.metrics.judge import check_digits, features

# Columns whose heading is not simply the key with blanks.
HEADINGS = {
    "frechet_distance": "Fréchet distance (judge features)",
    "kernel_distance": "kernel distance (judge features)",
    "class_kl": "class KL",
}


def report(
    samples: Tensor,
    reference: Tensor,
    labels: Tensor | None = None,
    train: Tensor | None = None,
    *,
    reference_labels: Tensor | None = None,
) -> dict[str, float]:
    """All numbers of generated digits `samples` against real ones, by name.

    Both are images (N, 1, H, W) in [-1, 1]; the reference may be a TensorData, which brings its
    labels along. The book takes 10,000 samples against the 10,000 test images: 10 seconds on two
    cores. With `labels` (N,), the classes asked for, `conditional_accuracy` is added and, if the
    reference has labels, `diversity`. With `train`, the training images, `copies` is added: the
    share of the first 500 samples that are nearer to a training image than 99 % of the real ones.

    Raises as the metrics do.
    """
    if reference_labels is None:
        reference_labels = getattr(reference, "labels", None)
    samples, reference = check_digits(samples), check_digits(reference, "reference")
    fake, real = features(samples), features(reference)
    classes = class_coverage(fake)
    result = {
        "frechet_distance": frechet_distance(fake, real),
        "kernel_distance": kernel_distance(fake, real),
        **precision_recall(fake, real)._asdict(),
        "classes": classes.covered,
        "class_kl": classes.kl,
    }
    if labels is not None:
        result["conditional_accuracy"] = conditional_accuracy(fake, labels)
        if reference_labels is not None:
            result["diversity"] = within_class_diversity(
                samples, labels, reference, reference_labels
            )
    if train is not None:
        result["copies"] = _copies(samples[:500], reference[:500], train)
    return result


def _copies(samples: Tensor, reference: Tensor, train: Tensor) -> float:
    _, real = nearest_neighbours(reference, train)
    _, fake = nearest_neighbours(samples, train)
    return (fake < torch.quantile(real, 0.01)).double().mean().item()


class Table:
    """Rows of numbers; Markdown in a notebook, plain text elsewhere."""

    def __init__(self, rows: Mapping[str, Mapping[str, float | int | str]]):
        of_kind("rows", rows, Mapping, hint="Pass {name: report(...), ...}.")
        for name, row in rows.items():
            of_kind(f"rows[{name!r}]", row, Mapping, hint="Pass {name: report(...), ...}.")
        if not rows:
            raise ValueError("rows are empty: pass {name: report(...), ...}.")
        self.rows = {name: dict(row) for name, row in rows.items()}
        self.keys = list(dict.fromkeys(key for row in self.rows.values() for key in row))

    def _cells(self) -> list[list[str]]:
        heads = ["samples", *(HEADINGS.get(key, key.replace("_", " ")) for key in self.keys)]
        body = [
            [name, *(_text(key, row.get(key)) for key in self.keys)]
            for name, row in self.rows.items()
        ]
        return [heads, *body]

    def _repr_markdown_(self) -> str:
        heads, *body = self._cells()
        rule = ["---", *["---:"] * len(self.keys)]
        return "\n".join("| " + " | ".join(line) + " |" for line in (heads, rule, *body))

    def __repr__(self) -> str:
        lines = self._cells()
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
            for line in lines
        )


def _text(key: str, value: float | int | str | None) -> str:
    """Distances with one decimal, ratios with two, counts and seconds with none."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    decimals = 1 if key.endswith("distance") else 0 if key.endswith("seconds") else 2
    return f"{value:z,.{decimals}f}"


def table(rows: Mapping[str, Mapping[str, float | int | str]]) -> Table:
    """A table with one line for each `{name: report(...)}`, shown by leaving it as a cell's result.

    Always give it the floor, real against real, and the ceiling, an untrained generator: no number
    means anything without the two. A number that a row does not have becomes a dash.
    Raises ValueError for no rows.
    """
    return Table(rows)
