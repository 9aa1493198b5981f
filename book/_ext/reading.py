"""How long a chapter takes: to read, counted from its cells, and to run, as measured.

Reading goes at 200 words a minute, with a little more for what is slower: an equation of its own
line, and a line of code that is open. What is folded (code, answers) does not count, and sections
called "Deeper: …", which a first reader may skip, count apart.
"""

import json
import re
from pathlib import Path

import chapters

WORDS = 200  # read in a minute
EQUATION = 10  # seconds
LINE = 2  # seconds, of open code
TIMINGS = Path(__file__).resolve().parents[2] / "gan_lessons" / "timings.json"

FOLDED = {"hide-input", "hide-cell"}
HEADING = re.compile(r"^(#{1,6})\s+(.*)", re.MULTILINE)
BLOCK = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
DISPLAY = re.compile(r"\$\$.+?\$\$", re.DOTALL)
INLINE = re.compile(r"\$[^$\n]+\$")
ANSWER = re.compile(r"\s*\*\*Answer\.?\*\*")


def seconds(text: str) -> float:
    """Seconds to read Markdown: its words, equations and blocks of code."""
    blocks = [block[0].count("\n") - 1 for block in BLOCK.finditer(text)]
    text = BLOCK.sub(" ", text)
    equations = len(DISPLAY.findall(text))
    text = INLINE.sub(" x ", DISPLAY.sub(" ", text))
    words = len([word for word in text.split() if any(map(str.isalnum, word))])
    return 60 * words / WORDS + EQUATION * equations + LINE * sum(blocks)


def minutes(notebook) -> tuple[int, int]:
    """Minutes to read a notebook without its deeper sections, and with them; at least 1."""
    plain = deeper = 0.0
    level = 0  # of the heading that began a deeper section, 0 outside of any
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            spent, level_now = _code(cell), level
            plain, deeper = (
                (plain, deeper + spent) if level_now else (plain + spent, deeper)
            )
            continue
        if ANSWER.match(cell.source):
            continue
        place = 0
        for heading in [*HEADING.finditer(BLOCK.sub(_blank, cell.source)), None]:
            end = heading.start() if heading else len(cell.source)
            spent = seconds(cell.source[place:end])
            plain, deeper = (
                (plain, deeper + spent) if level else (plain + spent, deeper)
            )
            place = end
            if heading and (not level or len(heading[1]) <= level):
                level = len(heading[1]) if heading[2].startswith("Deeper") else 0
    return max(1, round(plain / 60)), max(1, round((plain + deeper) / 60))


def _blank(block: re.Match) -> str:
    """A block of code without its `#`, as long as it was."""
    return block[0].replace("#", " ")


def _code(cell) -> float:
    """Seconds for a code cell: its lines and the source that it shows, where they are open."""
    tags = set(cell.metadata.get("tags", []))
    spent = 0.0 if FOLDED & tags else LINE * len(cell.source.splitlines())
    if tags & {"hide-cell", "hide-output"}:
        return spent
    texts = [output.get("data", {}).get("text/markdown", "") for output in cell.outputs]
    return spent + sum(
        LINE * (block[0].count("\n") - 1)
        for text in texts
        for block in BLOCK.finditer(text)
    )


def running(chapter: str) -> str:
    """How long a chapter runs on one CPU core, "about 4 minutes"; "" if nobody has measured it."""
    measured = (
        json.loads(TIMINGS.read_text(encoding="utf-8")).get(chapter, {}).get("cpu")
    )
    return "" if measured is None else f"about {chapters.duration(measured)}"
