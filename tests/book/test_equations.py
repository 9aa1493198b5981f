"""Tags, functions and oracles belong together: equation = code = test."""

import ast
import functools
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.book.content import (
    CHAPTERS,
    NAMED_TAG,
    OBJECTIVES,
    PACKAGE,
    ROOT,
    TAG,
    TAG_FORM,
    chapter_id,
    code_cells,
    equation_tags,
    equations,
    functions,
    headline,
    implementations,
    markdown,
    named_as_taken_over,
    oracles,
    stated,
    taken_over,
)

TAGS = equation_tags()
OWNERS = taken_over()


def test_the_book_has_tagged_equations():
    assert TAGS or not CHAPTERS, "no \\tag{…} found in any chapter"


def test_tags_are_unique_in_the_book():
    twice = {tag: [p.name for p in places] for tag, places in TAGS.items() if len(places) > 1}
    assert not twice, f"these tags stand at more than one equation: {twice}"


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_tag_has_the_agreed_form(tag):
    assert TAG_FORM.fullmatch(tag), f"{tag!r}: write it like WGAN-D"


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_tag_has_an_oracle(tag):
    owner = OWNERS.get(tag, tag)
    assert owner in oracles(), f'no test has @oracle("{owner}"): see tests/oracles.py'


def test_page_and_oracle_state_the_same_equation():
    """So that a sign which is changed on the page alone does not pass."""
    page, tests = equations(), stated()
    differ = [f"{t}: {page[t]} | {tests[t]}" for t in sorted(tests) if page.get(t) != tests[t]]
    assert not differ, "\n".join(["page | beside the oracle", *differ])


def test_what_is_taken_over_is_named_so_in_the_docstring():
    assert taken_over() == named_as_taken_over()
    chained = {tag: owner for tag, owner in OWNERS.items() if owner in OWNERS}
    assert not chained, f"name the owner itself: {chained}"


def test_oracles_belong_to_the_book():
    strange = (set(oracles()) | set(OWNERS)) - set(TAGS)
    assert not strange, f"oracles for tags that no equation in the book has: {sorted(strange)}"


@functools.cache
def uses() -> Counter:
    """How often the tests call something with a tag, and, by file, how often they use a name."""
    found = Counter()
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = getattr(node.args[0], "value", None) if node.args else None
                if name != "oracle" and isinstance(first, str):
                    found[first] += 1
                found[file, name] += 1
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found[file, node.id] += 1
    return found


@pytest.mark.parametrize("tag", sorted(oracles()))
def test_oracle_is_used(tag):
    path, function = oracles()[tag]
    used = uses()[tag] + uses()[path, function.name]
    assert used > 0, f"{path.name}: no test compares anything with {tag}"


@functools.cache
def foreign_names(path: Path) -> set[str]:
    """What a test file imports from the package or from torch."""
    return {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if re.match(r"gan_lessons|torch", getattr(node, "module", None) or alias.name)
    }


def test_oracles_are_independent_of_the_package():
    for tag, (path, function) in oracles().items():
        foreign = foreign_names(path)
        used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        assert not used & foreign, f"the oracle of {tag} uses {used & foreign}: write it in NumPy"


@pytest.mark.parametrize("tag", sorted(t for t in TAGS if t.endswith(OBJECTIVES)))
def test_objective_has_a_function(tag):
    owner = OWNERS.get(tag, tag)
    assert owner in implementations(), (
        f"no function of the package has [{owner}] in the first line of its docstring"
    )


def variant_functions() -> list[tuple[Path, ast.FunctionDef]]:
    """The loss and penalty functions of the variant modules: gan_lessons/<part>/<variant>.py."""
    return [
        (path, function)
        for path, function in functions(PACKAGE)
        if path.parent.parent == PACKAGE
        and (ROOT / "book" / path.parent.name).is_dir()
        and re.search(r"_(loss|penalty)$", function.name)
        and not function.name.startswith("_")
    ]


@pytest.mark.parametrize(
    ("path", "function"), variant_functions(), ids=lambda v: getattr(v, "name", str(v))
)
def test_loss_names_its_tag(path, function):
    named = NAMED_TAG.findall(headline(function))
    place = f"{path.relative_to(ROOT)}:{function.name}"
    assert named, f"{place}: the first docstring line has no tag such as [GAN-D]"
    tags = {match[0] for match in named}
    assert tags <= set(TAGS), f"{place}: no equation in the book has the tag {tags - set(TAGS)}"


@pytest.mark.parametrize("path", CHAPTERS, ids=chapter_id)
def test_the_source_stands_under_the_equation(path):
    """For each objective the chapter shows the function that has its tag, from the package."""
    shown = "\n".join(
        output.data.get("text/plain", "")
        for cell in code_cells(path)
        if "show_source(" in cell.source
        for output in cell.outputs
        if "data" in output
    )
    tags = [tag for tag in TAG.findall(markdown(path)) if tag.endswith(OBJECTIVES)]
    missing = [tag for tag in tags if f"[{OWNERS.get(tag, tag)}]" not in shown]
    assert not missing, f"{path.name}: show_source is never called for {missing}"


@pytest.mark.parametrize("path", CHAPTERS, ids=chapter_id)
def test_tagged_equations_stand_on_one_line(path):
    """MathJax refuses a tag in an equation with line breaks, except in an align environment."""
    for block in re.findall(r"\$\$(.+?)\$\$", markdown(path), flags=re.S):
        if TAG.search(block) and r"\\" in block:
            assert r"\begin{align}" in block, f"{path.name}: \\\\ in a tagged equation: {block}"
