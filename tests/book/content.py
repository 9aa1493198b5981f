"""What the tests of the book read: notebooks, pages, the table of contents, tags, docstrings."""

import ast
import re
from functools import cache
from pathlib import Path

import nbformat
import yaml
from set_address import chapter_name, chapters

ROOT = Path(__file__).resolve().parent.parent.parent
BOOK = ROOT / "book"
PACKAGE = ROOT / "gan_lessons"
CHAPTERS = chapters(ROOT)
PAGES = sorted(BOOK.rglob("*.md"))
TAG = re.compile(r"\\tag\{([^}]*)\}")
TAG_FORM = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+")
NAMED_TAG = re.compile(rf"\[({TAG_FORM.pattern})\]")
# Tags that end so are objectives: a function of the package computes them.
OBJECTIVES = ("-D", "-G", "-MM", "-C", "-E", "-P", "-GP")
SHARED_MODULES = {  # chapters without a variant module
    "foundations/metrics": PACKAGE / "metrics",
    "objectives/gallery": PACKAGE / "comparisons" / "objectives.py",
    "latent/codes": PACKAGE / "comparisons" / "latent.py",
    "translation/maps": PACKAGE / "comparisons" / "maps.py",
}


def chapter_id(path: Path) -> str:
    """The name of a chapter in a test's id."""
    return chapter_name(path)


@cache
def notebook(path: Path) -> nbformat.NotebookNode:
    """A notebook, read once."""
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    """The code cells of a chapter."""
    return [cell for cell in notebook(path).cells if cell.cell_type == "code"]


def tags_of(cell: nbformat.NotebookNode) -> set[str]:
    """The cell tags, such as nbval-ignore-output."""
    return set(cell.metadata.get("tags", []))


def first_line(cell: nbformat.NotebookNode) -> str:
    """A cell's first line, to name it in a message."""
    return (cell.source.strip().splitlines() or ["(empty)"])[0]


def markdown(path: Path) -> str:
    """The text of a page, or of a chapter's text cells."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = notebook(path).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def prose(path: Path) -> str:
    """The same without code, fenced or inline."""
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1", "", markdown(path), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def toc() -> dict:
    """The table of contents."""
    return yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))


def toc_files() -> list[str]:
    """Its files in reading order, without suffix."""
    contents = toc()
    listed = [chapter["file"] for part in contents["parts"] for chapter in part["chapters"]]
    return [contents["root"], *listed]


def toc_chapters() -> list[str]:
    """Its notebooks, as foundations/gan: all pages of a part but its index page."""
    names = [name.removeprefix("book/") for name in toc_files() if name.count("/") == 2]
    return [name for name in names if not name.endswith("/index")]


def family() -> list[dict]:
    """The parts of the family, each with its chapters."""
    return yaml.safe_load((BOOK / "family.yml").read_text(encoding="utf-8"))


def equation_tags() -> dict[str, list[Path]]:
    """Each tag of the book, with the pages that have it."""
    found: dict[str, list[Path]] = {}
    for path in [*CHAPTERS, *PAGES]:
        for tag in TAG.findall(prose(path)):
            found.setdefault(tag, []).append(path)
    return found


def equations() -> dict[str, str]:
    """Each tag of the book with the equation that stands before it, in single blanks."""
    found = {}
    for path in [*CHAPTERS, *PAGES]:
        for block in re.findall(r"\$\$(.+?)\$\$", prose(path), flags=re.DOTALL):
            body = re.sub(r"\\(begin|end)\{align\*?\}", "", block)
            lines = re.split(r"\\\\(?!\w)", body) if len(TAG.findall(body)) > 1 else [body]
            for line in lines:
                for tag in TAG.findall(line):
                    found[tag] = " ".join(TAG.sub("", line).split())
    return found


@cache
def functions(folder: Path) -> list[tuple[Path, ast.FunctionDef]]:
    """All functions and methods below a folder, or in one file, with their files."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    return [
        (path, node)
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]


def headline(function: ast.FunctionDef) -> str:
    """The first line of a docstring."""
    return (ast.get_docstring(function) or "\n").splitlines()[0]


def implementations() -> dict[str, list[str]]:
    """Each tag named in the first docstring line of a function, with file:function."""
    found: dict[str, list[str]] = {}
    for path, function in functions(PACKAGE):
        for match in NAMED_TAG.finditer(headline(function)):
            place = f"{path.relative_to(ROOT)}:{function.name}"
            found.setdefault(match[1], []).append(place)
    return found


@cache
def oracles() -> dict[str, tuple[Path, ast.FunctionDef]]:
    """Each tag with an @oracle in the tests: the file and the function."""
    found = {}
    for path, function in functions(ROOT / "tests"):
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "oracle":
                found[ast.literal_eval(decorator.args[0])] = (path, function)
    return found


def stated() -> dict[str, str]:
    """Each tag with the equation that stands beside its oracle, or where it is taken over."""
    found = {}
    for path, call in _calls():
        tag, *_, latex = (ast.literal_eval(argument) for argument in call.args)
        assert tag not in found, f"{path.name}: {tag} is stated twice"
        found[tag] = " ".join(latex.split())
    return found


def taken_over() -> dict[str, str]:
    """Each tag that a variant takes over from another one, with the owner's tag: by the tests."""
    calls = [call for _, call in _calls() if call.func.id == "taken_over"]
    return {ast.literal_eval(c.args[0]): ast.literal_eval(c.args[1]) for c in calls}


def named_as_taken_over() -> dict[str, str]:
    """The same by the docstrings of the package: "[DCGAN-D] is [GAN-D]"."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        form = TAG_FORM.pattern
        pairs = re.finditer(rf"\[(?P<tag>{form})\]\s+is\s+\[(?P<owner>{form})\](?!\s+plus)", text)
        found |= {pair["tag"]: pair["owner"] for pair in pairs}
    return found


@cache
def _calls() -> list[tuple[Path, ast.Call]]:
    """All calls of `oracle` and `taken_over` in the tests."""
    return [
        (path, node)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and node.args
        and getattr(node.func, "id", "") in ("oracle", "taken_over")
    ]
