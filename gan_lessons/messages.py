"""Messages that appear whatever they are about: any file name, on any terminal."""

import sys
from typing import Any


def say(text: str) -> None:
    """Print a line; what the terminal cannot show appears as an escape, such as `\\xfc`."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("…", "...").encode(encoding, "backslashreplace").decode(encoding)
    print(text)


def printable(name: str) -> str:
    """A file's name in which bytes that are no text have become escapes, such as `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def shown(value: Any) -> str:
    """A wrong value in a message: short, and with its type."""
    text = repr(value)
    return f"{text if len(text) < 40 else text[:36] + ' …'} ({type(value).__name__})"
