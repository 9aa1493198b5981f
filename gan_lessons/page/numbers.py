"""How a page writes a number that several seeds gave."""

import math
from collections.abc import Sequence


def spread(values: Sequence[float], digits: int = 2, percent: bool = False) -> str:
    """Return "mean [least, greatest]" of numbers, such as one for each seed, in one unbroken piece.

    `digits` stand behind the point; with `percent`, numbers are shares. Raises ValueError where
    there are no numbers, or where one is not finite.
    """
    numbers = [float(value) * (100 if percent else 1) for value in values]
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError(f"A spread needs finite numbers, at least one, not {values!r}.")
    shown = (math.fsum(numbers) / len(numbers), min(numbers), max(numbers))
    mean, least, greatest = (f"{number:,.{digits}f}" for number in shown)
    text = f"{mean} [{least}, {greatest}]" + (" %" if percent else "")
    return text.replace(" ", "\N{NO-BREAK SPACE}")
