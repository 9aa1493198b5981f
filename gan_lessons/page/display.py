"""How something reaches the page of a notebook, and the alternative text that it must have.

All figures and explorers end here. It loads nothing heavy.
"""

import sys
from typing import Any

MIN_ALT = 20  # characters


def publish(bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> bool:
    """Display a MIME bundle where IPython runs, else print its plain text. True if displayed."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(bundle["text/plain"])
        return False
    from IPython.display import display

    display(bundle, raw=True, metadata=metadata or {})
    return True


def checked_alt(alt: str) -> str:
    """Return `alt` with single spaces. ValueError if it has fewer than 20 characters."""
    alt = " ".join(str(alt).split())
    if len(alt) < MIN_ALT:
        raise ValueError(
            f"The alternative text {alt!r} is too short: say in a sentence (at least {MIN_ALT} "
            "characters) what the picture shows, for a reader who cannot see it."
        )
    return alt
