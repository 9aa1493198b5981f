"""The status page: what each chapter takes, what it has and what checks it, counted in the files.

`chapter-times` is about the runs, `chapter-checks` about what stands on a page and what tests it.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import chapters
from cards import link, note_sources
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

# Chapters whose module has another name, with the folders and files of their tests.
TESTS = {
    "foundations/metrics": ["metrics"],
    "objectives/gallery": ["comparisons/test_objectives.py"],
    "latent/codes": ["comparisons/test_latent.py"],
    "translation/maps": ["comparisons/test_maps.py"],
}


def setup(app):
    """Called by `gan_lessons_book`."""
    app.add_directive("chapter-times", ChapterTimes)
    app.add_directive("chapter-checks", ChapterChecks)


# --- counting -----------------------------------------------------------------------------------


def files_of_tests(root, chapter) -> list[Path]:
    """The files with the tests of a chapter's own."""
    tests = Path(root) / "tests"
    names = TESTS.get(chapter.name, [f"{chapter.part}/test_{chapter.key}.py"])
    found = [
        sorted((tests / name).glob("test_*.py")) if "." not in name else [tests / name]
        for name in names
    ]
    return [path for group in found for path in group if path.exists()]


def counts(paths) -> Counter:
    """The test functions, the equations with an oracle and the planted mistakes in test files.

    A test with many parameters counts once. Mistakes that are generated from the source when the
    tests run are not counted.
    """
    found = Counter(tests=0, oracles=0, mutants=0)
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found["tests"] += 1
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", "")
                found["oracles"] += name in ("oracle", "taken_over")
                if name == "mutants":
                    found["mutants"] += len(node.args) - 1
    return found


def executed(path) -> dict[str, str]:
    """Budget, device and torch, from what a chapter's first cell has printed."""
    cells = chapters.notebook(path).cells
    codes = [cell for cell in cells if cell.cell_type == "code"]
    outputs = codes[0].outputs if codes else []
    text = "".join(o.get("text", "") for o in outputs)
    device = re.search(r"torch (\S+), on (?:the )?(.+?)\.$", text, re.MULTILINE)
    budget = re.search(r"^Budget: (\w+)", text, re.MULTILINE)
    return {
        "budget": budget[1] if budget else "not said",
        "torch": device[1] if device else "not said",
        "device": device[2] if device else "not said",
    }


# --- the tables ---------------------------------------------------------------------------------


class Table(SphinxDirective):
    """A table with a row for each chapter."""

    head = ()
    numbers = ()  # columns that are set flush right

    def run(self):
        """Return the table."""
        note_sources(self.env)
        rows = []
        for chapter in chapters.written(self.env.srcdir):
            path = chapters.notebook_path(self.env.srcdir, chapter)
            if not path.exists():
                continue
            self.env.note_dependency(str(path))
            title = nodes.paragraph("", f"{chapter.number} ")
            title += link(self, chapter.docname, nodes.Text(chapter.title))
            cells = [nodes.paragraph("", text) for text in self.cells(chapter, path)]
            rows.append([title, *cells])
        if not rows:
            return []
        last = self.last(chapters.written(self.env.srcdir))
        if last:
            rows.append([nodes.paragraph("", text) for text in last])
        return [self.table(rows)]

    def table(self, rows):
        """Return the rows, each a list of paragraphs, below the head."""
        table = nodes.table("", classes=["status-table"])
        group = nodes.tgroup("", cols=len(self.head))
        table += group
        group.extend(nodes.colspec("", colwidth=1) for _ in self.head)
        head = nodes.row()
        for k, text in enumerate(self.head):
            head += self.entry(k, nodes.paragraph("", text))
        group += nodes.thead("", head)
        body = nodes.tbody()
        for cells in rows:
            row = nodes.row()
            row.extend(self.entry(k, cell) for k, cell in enumerate(cells))
            body += row
        group += body
        return table

    def entry(self, k, content):
        """Return one cell."""
        return nodes.entry(
            "", content, classes=["text-right"] if k in self.numbers else []
        )

    def last(self, written):
        """Return the texts of a last row, or nothing."""
        return []


class ChapterTimes(Table):
    """How long each chapter took, and where."""

    head = ("Chapter", "Time", "Budget", "Device", "torch")
    numbers = (1,)

    def cells(self, chapter, path):
        """Return what stands in a row behind the title."""
        facts = executed(path)
        seconds = chapter.seconds.get(facts["budget"])
        took = f"{seconds} s" if seconds is not None else "not timed"
        return [took, facts["budget"], facts["device"], facts["torch"]]

    def last(self, written):
        """Return the sum of the times."""
        total = sum(chapter.seconds.get("cpu", 0) for chapter in written)
        return ["All, budget cpu", f"{total:,} s", "", "", ""]


class ChapterChecks(Table):
    """What a chapter has, and what checks it."""

    head = ("Chapter", "Words", "MB", "Tests", "Equations", "Mistakes")
    numbers = (1, 2, 3, 4, 5)

    def cells(self, chapter, path):
        """Return what stands in a row behind the title."""
        files = files_of_tests(self.env.srcdir, chapter)
        for file in files:
            self.env.note_dependency(str(file))
        found = counts(files)
        return [
            f"{chapters.words(path):,}",
            f"{path.stat().st_size / 1e6:.2f}",
            str(found["tests"]),
            str(found["oracles"]),
            str(found["mutants"]),
        ]

    def last(self, written):
        """Return the sums."""
        root = self.env.srcdir
        paths = [chapters.notebook_path(root, chapter) for chapter in written]
        found = counts(
            {f for chapter in written for f in files_of_tests(root, chapter)}
        )
        return [
            "All",
            f"{sum(map(chapters.words, paths)):,}",
            f"{sum(path.stat().st_size for path in paths) / 1e6:.1f}",
            f"{found['tests']:,}",
            str(found["oracles"]),
            str(found["mutants"]),
        ]
