"""What the front pages claim: times, what is stored, letters with two meanings, data."""

import json
import re

import pytest

from tests.book.content import BOOK, CHAPTERS, PACKAGE, PAGES, ROOT, markdown, notebook, prose

FRONT = [ROOT / "README.md", *PAGES]
TIMINGS = json.loads((PACKAGE / "timings.json").read_text(encoding="utf-8"))
CPU = {name: seconds["cpu"] for name, seconds in TIMINGS.items() if "cpu" in seconds}
A_FEW_MINUTES = 660  # seconds of one core for a whole chapter; its main training is a part of it

NUMBER = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|some|a few|a couple of|\d+)"
UNIT = r"(?:seconds?|minutes?|hours?)"
ABOUT = r"(?:about |at most |less than |under )?"
TIME = re.compile(
    rf"\b(?!a second\b){ABOUT}{NUMBER}(?:(?: to | or |-){NUMBER})? {UNIT}\b"
    rf"|\b(?:within|less than) (?:a {UNIT}|ten)\b",
    re.IGNORECASE,
)
# What the front pages say about times, and whether the measured times of the chapters allow it.
# What is not about a chapter is None: it is measured by hand when it changes.
SAID = {
    "a few minutes": lambda: max(CPU.values()) <= A_FEW_MINUTES,
    "some seconds": lambda: True,  # the smoke budget, which the tests run
    "within a minute": None,  # make book
    "less than ten": None,  # make test
}


def text_of(path):
    """A page without code, in single blanks."""
    return " ".join(prose(path).split())


@pytest.mark.parametrize("path", FRONT, ids=lambda path: str(path.relative_to(ROOT)))
def test_times_in_prose_are_those_of_the_chapters(path):
    found = {match[0].lower() for match in TIME.finditer(text_of(path))}
    unknown = found - set(SAID)
    assert not unknown, f"{path.name} says {unknown}: leave it to the build, or check it here"
    false = [time for time in found if SAID[time] and not SAID[time]()]
    slow = {name: seconds for name, seconds in CPU.items() if seconds > A_FEW_MINUTES}
    assert not false, f"{path.name} says {false}, but these chapters took longer: {slow}"


def test_the_pattern_finds_times():
    text = "It takes one to a few minutes, about 3 minutes, a minute or two, 90 seconds, two hours."
    assert len(TIME.findall(text)) == 5
    assert not TIME.findall("In a second step, the minutes of 20 meetings.")


def test_nothing_is_said_of_a_gpu_that_has_not_been_measured():
    measured = [name for name, seconds in TIMINGS.items() if "gpu" in seconds]
    said = "not yet been run on a GPU" in text_of(BOOK / "how-to-read.md")
    assert said == (not measured), "how-to-read.md and timings.json disagree about the GPU"


def test_no_chapter_loads_the_weights_of_a_generator():
    assert "No chapter loads the weights of a generator" in text_of(BOOK / "how-to-read.md")
    weights = {".safetensors", ".pt", ".pth", ".ckpt", ".npz"}
    stored = [path.name for path in PACKAGE.rglob("*") if path.suffix in weights]
    assert stored == ["judge.safetensors"]
    for path in CHAPTERS:
        code = "\n".join(c.source for c in notebook(path).cells if c.cell_type == "code")
        loads = re.findall(r"torch\.load|load_file|hub\.load|from_pretrained", code)
        assert not loads, f"{path.name}: {loads}"
        saved = set(re.findall(r"\.save\(\s*(.+?)\)", code))
        loaded = re.findall(r"\bload_run\(\s*(.+?)[,)]", code)
        assert not loaded or saved, f"{path.name} loads a run that it has not saved: {loaded}"


def test_what_is_stored_names_its_seed_and_its_settings():
    for path in (PACKAGE / "results").glob("*.json"):
        for table, rows in json.loads(path.read_text(encoding="utf-8")).items():
            if table != "made with":
                bare = [row for row in rows if not {"seed", "settings"} <= set(row)]
                assert not bare, f"{path.name}, {table}: {bare[:1]}"


def formulas(path):
    """All formulas of a page or chapter."""
    return re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", markdown(path), re.DOTALL)


def letters():
    """The second table of the notation: (letter, the chapters that use it so)."""
    text = (BOOK / "notation.md").read_text(encoding="utf-8")
    section = text.partition("## Letters with more than one meaning")[2].partition("\n## ")[0]
    letter = ""
    for first, where in re.findall(r"^\| *(\$\S+\$|) *\|[^|]*\|(.*)\|$", section, re.MULTILINE):
        letter = first.strip("$") or letter
        for target in re.findall(r"\]\((\S+?\.ipynb)\)", where):
            yield letter, target


def test_letters_with_more_than_one_meaning_are_used_where_the_table_says():
    rows = list(letters())
    assert {letter for letter, _ in rows} >= {r"\lambda", r"\sigma", "T", "q", "S"}
    for letter, target in rows:
        end = r"(?![a-zA-Z])" if letter.startswith("\\") else r"(?!\w)"
        start = "" if letter.startswith("\\") else r"(?<![\\a-zA-Z])"
        used = [
            f
            for f in formulas(BOOK / target)
            if re.search(start + re.escape(letter) + end, "".join(f))
        ]
        assert used, f"notation.md: {target} has no formula with {letter}"


@pytest.mark.parametrize(
    "name", ["MNIST", "The built-in digits", "USPS", "CMP façades", "apple2orange", "BSDS500"]
)
def test_every_data_set_has_a_reference(name):
    text = (BOOK / "references.md").read_text(encoding="utf-8").partition("## Data")[2]
    (entry,) = [e for e in re.split(r"^- ", text, flags=re.M) if e.startswith(f"**{name}.**")]
    for said, target in re.findall(r"\[doi:(\S+)\]\((\S+)\)", entry):
        assert target == f"https://doi.org/{said}"
    assert "doi:" in entry


def test_the_front_pages_promise_no_more_than_there_is():
    gone = [
        "a minute or two", "one to a few minutes", "written from the paper alone",
        "Nothing else.", "The same symbol means the same thing in every chapter",
    ]  # fmt: skip
    for path in FRONT:
        said = [words for words in gone if words.lower() in text_of(path).lower()]
        assert not said, f"{path.name}: {said}"


def test_the_readme_begins_with_the_two_commands_and_a_picture():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    top = text.partition("\n## ")[0]
    assert top.index("make book ") < top.index("make test ") < top.index("![")
