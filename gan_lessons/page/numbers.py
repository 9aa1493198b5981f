"""How a page writes a number that several seeds gave."""

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float], digits: int = 2, percent: bool = False) -> str:
    """Return "mean [least, greatest]" of numbers, such as one for each seed, in one unbroken piece.

    `digits` stand behind the point; with `percent`, numbers are shares. Raises ValueError where
    there are no numbers, or where one is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"A spread needs finite numbers, at least one, not {values!r}.")
    if percent:
        numbers = 100 * numbers
    mean, least, greatest = (
        f"{number:,.{digits}f}" for number in (numbers.mean(), numbers.min(), numbers.max())
    )
    text = f"{mean} [{least}, {greatest}]" + (" %" if percent else "")
    return text.replace(" ", "\N{NO-BREAK SPACE}")
