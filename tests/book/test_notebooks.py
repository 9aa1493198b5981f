"""Every committed chapter is fit to be read, and was made by a real run of the present code."""

import ast
import importlib
import inspect
import re
import textwrap
from html.parser import HTMLParser

import nbformat
import pytest
from execute import image_alts, problems
from folding import LONGEST, fold, is_folded, title
from set_address import address, chapter_name, first_cell

from tests.book.content import (
    CHAPTERS,
    chapter_id,
    code_cells,
    first_line,
    notebook,
    tags_of,
)

# Directives, roles and targets, as MyST writes them.
MYST = re.compile(r"^\s*(`{3,}|:{3,})\{|\{[a-zA-Z:_-]+\}`|^\([\w-]+\)=$", re.MULTILINE)

pytestmark = pytest.mark.parametrize("path", CHAPTERS, ids=chapter_id)


def test_it_was_executed_and_is_clean(path):
    nbformat.validate(notebook(path))
    found = problems(notebook(path))
    assert not found, f"{chapter_name(path)}:\n  " + "\n  ".join(found)


def test_it_was_executed_with_a_real_budget(path):
    said = "".join(output.get("text", "") for output in code_cells(path)[0].outputs)
    budget = re.search(r"^Budget: (\w+)", said, re.M)
    assert budget, f"{path.name}: the first cell has printed no budget"
    assert budget[1] in {"cpu", "gpu"}, f"{path.name}: executed with the budget {budget[1]}"


def test_the_first_cell_is_the_agreed_one(path):
    cell = code_cells(path)[0]
    assert cell.source == first_cell(chapter_name(path), address()), (
        f"{path.name}: run `python scripts/set_address.py`"
    )
    assert {"hide-input", "nbval-ignore-output"} <= tags_of(cell)


def test_a_folded_cell_says_what_it_does(path):
    for cell in code_cells(path):
        where = f"{path.name}: the cell {first_line(cell)!r}"
        name = title(cell)
        if is_folded(cell):
            assert name, f"{where} is folded: its first line must be `# @title What it does`"
            assert len(name) <= LONGEST, f"{where}: a title has at most {LONGEST} characters"
        else:
            assert "@title" not in cell.source, f"{where} has a title: tag it hide-input"
        before = cell.copy()
        fold(cell)
        assert cell == before, f"{where}: run `scripts/execute.py {path.name} --tidy`"


def test_something_is_compared(path):
    """At least one cell with an output takes part in the comparison by nbval."""
    ignored = {"nbval-ignore-output", "nbval-skip"}
    compared = [c for c in code_cells(path) if c.outputs and not ignored & tags_of(c)]
    assert compared, f"{path.name}: all outputs are tagged nbval-ignore-output"


def test_cells_are_short_and_define_no_class(path):
    for cell in code_cells(path):
        lines = len(cell.source.splitlines())
        assert lines <= 15, f"{path.name}: {lines} lines in the cell {first_line(cell)!r}"
        if "defines-class" not in tags_of(cell):
            assert not re.search(r"^\s*class \w", cell.source, re.M), (
                f"{path.name}: a class in {first_line(cell)!r}; if building it is the lesson, "
                "tag the cell defines-class"
            )


def test_text_is_plain_markdown(path):
    """Colab and GitHub show directives and roles as raw text."""
    for cell in notebook(path).cells:
        if cell.cell_type == "markdown":
            raw = MYST.search(cell.source)
            assert not raw, f"{path.name}: MyST syntax {raw[0]!r} in {first_line(cell)!r}"


def test_every_table_column_has_a_name(path):
    """A screen reader announces the head of a column; an empty one announces nothing."""
    for cell in notebook(path).cells:
        texts = [cell.source] if cell.cell_type == "markdown" else []
        texts += [o.get("data", {}).get("text/markdown", "") for o in cell.get("outputs", [])]
        heads = [
            m[1] for text in texts for m in re.finditer(r"^(\|.*\|)\n\|[ :|-]+\|$", text, re.M)
        ]
        for head in heads:
            assert all(name.strip() for name in head.strip("|").split("|")), f"{path.name}: {head}"


def test_images_have_alternative_text(path):
    for cell in code_cells(path):
        for alt in (alt for output in cell.outputs for alt in image_alts(output)):
            where = f"{path.name}: the image of {first_line(cell)!r}"
            assert len(alt) >= 20, f"{where} has no alternative text: use figures.show(fig, alt=…)"
            stored = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
            assert stored == alt, f"{where}: the page would say {stored!r}; run scripts/execute.py"


class _Images(HTMLParser):
    def __init__(self):
        super().__init__()
        self.images: list[dict] = []
        self.scripts: list[dict] = []

    def handle_starttag(self, tag, attrs):
        if tag in {"img", "svg"}:
            self.images.append({"tag": tag, **dict(attrs)})
        if tag in {"script", "link"}:
            self.scripts.append(dict(attrs))


def test_html_outputs_are_self_contained_and_described(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            parser = _Images()
            html = output.get("data", {}).get("text/html", "")
            parser.feed(html)
            where = f"{path.name}: the HTML of {first_line(cell)!r}"
            for image in parser.images:
                described = (
                    len(image.get("alt") or image.get("aria-label") or "") >= 20
                    or image.get("aria-hidden") == "true"
                    or "aria-labelledby" in image
                )
                assert described, f"{where} has an <{image['tag']}> without alternative text"
            loaded = [s.get("src") or s.get("href") for s in parser.scripts]
            assert not any(loaded), f"{where} loads {loaded} from elsewhere"


def test_shown_source_is_the_present_source(path):
    names: dict = {}
    for cell in code_cells(path):
        try:
            tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            _remember_import(node, names)
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) == "show_source"
        ]
        text = "".join(output.get("data", {}).get("text/markdown", "") for output in cell.outputs)
        for argument in (a for call in calls for a in call.args):
            shown = ast.unparse(argument)
            root = shown.split(".")[0]
            assert root in names, f"{path.name}: show_source({shown}) of something not imported"
            thing = eval(shown, {root: names[root]})
            source = textwrap.dedent(inspect.getsource(thing)).rstrip()
            assert source in text, (
                f"{path.name}: the source of {shown} on the page is not the package's; "
                "execute the chapter again"
            )


def _remember_import(node: ast.AST, names: dict) -> None:
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gan_lessons"):
        module = importlib.import_module(node.module)
        for alias in node.names:
            if not hasattr(module, alias.name):
                importlib.import_module(f"{node.module}.{alias.name}")
            names[alias.asname or alias.name] = getattr(module, alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.startswith("gan_lessons"):
                module = importlib.import_module(alias.name)
                top = alias.name.split(".")[0]
                names[alias.asname or top] = (
                    module if alias.asname else importlib.import_module(top)
                )
