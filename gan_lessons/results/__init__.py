"""Results that take too long for a page: files that a script makes and chapters read."""

import json
from importlib.resources import files
from typing import Any


def load(name: str) -> dict[str, Any]:
    """The results `name`, such as "objectives", as a script of the repository wrote them.

    An unknown name raises `FileNotFoundError`.
    """
    file = files(__name__) / f"{name}.json"
    if not file.is_file():
        raise FileNotFoundError(
            f"There are no results {name!r}; scripts/{name}_results.py makes them in a clone."
        )
    return json.loads(file.read_text(encoding="utf-8"))
