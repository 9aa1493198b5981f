"""What the files say about each chapter: its place, its number, its time, its first picture.

Nothing here is written by hand. The family is `book/family.yml`, the order and the numbers come
from `_toc.yml`, the times from `gan_lessons/timings.json`, the picture and its description from the
cell of the chapter that is tagged `first-picture`.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pictures
import yaml


@dataclass(frozen=True)
class Chapter:
    """One chapter of the family, whether it has been written or not."""

    key: str
    title: str
    line: str  # what it changes, in one line
    builds_on: tuple[str, ...]
    part: str
    number: int | None  # its place in the book; None while it is planned
    seconds: dict[str, int]  # what its execution took, by budget

    @property
    def name(self) -> str:
        """The chapter as other files name it, such as foundations/gan."""
        return f"{self.part}/{self.key}"

    @property
    def docname(self) -> str:
        """The chapter as Sphinx names it."""
        return f"book/{self.name}"


@dataclass(frozen=True)
class Part:
    """A part of the book with its chapters, in reading order."""

    key: str
    title: str
    line: str
    chapters: tuple[Chapter, ...]

    @property
    def index(self) -> str:
        """Its index page, as Sphinx names it."""
        return f"book/{self.key}/index"

    @property
    def written(self) -> list[Chapter]:
        """The chapters that exist."""
        return [c for c in self.chapters if c.number]

    @property
    def planned(self) -> list[Chapter]:
        """The chapters that are still to come."""
        return [c for c in self.chapters if not c.number]


def sources(root):
    """Return the files from which `family` is made."""
    root = Path(root)
    return [
        root / "_toc.yml",
        root / "book/family.yml",
        root / "gan_lessons/timings.json",
    ]


def family(root) -> list[Part]:
    """Read the parts of the book, each with its chapters; once for each state of the files."""
    paths = sources(root)
    return _family(*map(str, paths), *(path.stat().st_mtime_ns for path in paths))


@lru_cache(maxsize=4)
def _family(*files):
    contents, parts, times = (Path(path).read_text("utf-8") for path in files[:3])
    numbers = {name: n for n, name in enumerate(_listed(yaml.safe_load(contents)), 1)}
    seconds = json.loads(times)
    return [
        Part(
            part["part"],
            part["title"],
            part["line"],
            tuple(
                Chapter(
                    chapter["key"],
                    chapter["title"],
                    chapter["line"],
                    tuple(chapter["from"]),
                    part["part"],
                    numbers.get(f"{part['part']}/{chapter['key']}"),
                    seconds.get(f"{part['part']}/{chapter['key']}", {}),
                )
                for chapter in part["chapters"]
            ),
        )
        for part in yaml.safe_load(parts)
    ]


def written(root) -> list[Chapter]:
    """All chapters that exist, in reading order."""
    return [chapter for part in family(root) for chapter in part.written]


def _listed(contents):
    """The chapters in the table of contents: what lies in a part's folder and is no index page."""
    files = [
        chapter["file"] for part in contents["parts"] for chapter in part["chapters"]
    ]
    return [
        name.removeprefix("book/")
        for name in files
        if name.count("/") == 2 and not name.endswith("/index")
    ]


def notebook_path(root, chapter: Chapter) -> Path:
    """The file of a chapter."""
    return Path(root) / f"{chapter.docname}.ipynb"


def duration(seconds: int | float) -> str:
    """A time as a reader wants it: "40 seconds", "4 minutes"."""
    if seconds < 50:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    return minutes(seconds / 60)


def minutes(number: float) -> str:
    """A number of minutes: "1 minute", "2 minutes"."""
    whole = max(1, round(number))
    return f"{whole} minute{'s' * (whole > 1)}"


def span(seconds) -> str:
    """The shortest and the longest of several times: "5 seconds to 4 minutes"."""
    shortest, longest = duration(min(seconds)), duration(max(seconds))
    if shortest == longest:
        return shortest
    if shortest.split()[1].rstrip("s") == longest.split()[1].rstrip("s"):
        shortest = shortest.split()[0]
    return f"{shortest} to {longest}"


# --- what a notebook says -----------------------------------------------------------------------


def notebook(path):
    """Read a notebook, once for each state of the file; not to be changed by the caller."""
    return _notebook(str(path), Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _notebook(path, changed):
    return nbformat.read(path, as_version=4)


def first_output(path) -> dict:
    """The data of the output that a chapter opens with, by type; empty if there is none."""
    cell = pictures.first_cell(notebook(path))
    for output in cell.outputs if cell else []:
        data = output.get("data", {})
        if {"text/html", "image/png", "image/jpeg"} & set(data):
            return dict(data) | {"metadata": output.get("metadata", {})}
    return {}


class _Alt(HTMLParser):
    """Finds the alternative text of the first image."""

    text = ""

    def handle_starttag(self, tag, attrs):
        if tag == "img" and not self.text:
            self.text = dict(attrs).get("alt") or ""


def alt(data: dict) -> str:
    """The alternative text of an output, as `first_output` gives it."""
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return data["metadata"].get(kind, {}).get("alt", "")
    parser = _Alt()
    parser.feed(data.get("text/html", ""))
    return parser.text


def words(path) -> int:
    """The words of a chapter's text, without code and formulas."""
    text = re.sub(
        r"```.*?```|\$\$.*?\$\$|\$[^$\n]+\$", " ", _text(path), flags=re.DOTALL
    )
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"[^\W_][\w'’-]*", text))


def headings(path) -> list[tuple[int, str]]:
    """The headings of a notebook, down to the third level, in their order."""
    text = re.sub(
        r"^(`{3,}|~{3,}).*?^\1", "", _text(path), flags=re.DOTALL | re.MULTILINE
    )
    found = re.findall(r"^(#{1,3}) +(.+?) *$", text, re.MULTILINE)
    return [(len(marks), title) for marks, title in found]


def question(path) -> str:
    """The first paragraph of a chapter, which asks its question, as plain text."""
    paragraphs = [p for p in _text(path).split("\n\n") if p and not p.startswith("#")]
    first = " ".join(paragraphs[0].split()) if paragraphs else ""
    first = first.removeprefix("**The question.** ")
    return re.sub(r"[*`$]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", first))


def _text(path):
    """The text cells of a notebook."""
    cells = notebook(path).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
