"""The table of contents, the map, the README and the folders list the same chapters."""

import json
import re

import pytest
import yaml
from set_address import address as present_address
from set_address import chapter_name, forms

from tests.book.content import (
    BOOK,
    CHAPTERS,
    PACKAGE,
    PAGES,
    ROOT,
    SHARED_MODULES,
    family,
    markdown,
    notebook,
    toc,
    toc_chapters,
    toc_files,
)

LISTED = toc_chapters()


def planned() -> dict[str, dict]:
    """All chapters of the family, as foundations/gan."""
    return {f"{p['part']}/{c['key']}": c for p in family() for c in p["chapters"]}


def test_every_page_is_in_the_table_of_contents():
    there = {str(path.relative_to(ROOT).with_suffix("")) for path in [*CHAPTERS, *PAGES]}
    listed = toc_files()
    assert len(listed) == len(set(listed)), "_toc.yml lists a page twice"
    assert there - set(listed) == set(), "these pages are not in _toc.yml"
    assert set(listed) - there == set(), "_toc.yml lists pages that do not exist"


def test_the_family_is_well_formed():
    known = set()
    for part in family():
        assert set(part) == {"part", "title", "line", "chapters"}
        for chapter in part["chapters"]:
            assert set(chapter) == {"key", "title", "from", "line"}, chapter
            assert chapter["line"].endswith("."), f"{chapter['key']}: a line is a sentence"
            unknown = set(chapter["from"]) - known
            assert not unknown, f"{chapter['key']} builds on {unknown}, not listed before it"
            known.add(chapter["key"])


def test_the_first_page_has_every_part_and_every_chapter():
    text = (BOOK / "intro.md").read_text(encoding="utf-8")
    shown = re.findall(r"```\{chapter-cards\} (\w+)", text)
    assert shown == [part["part"] for part in family()], "intro.md and family.yml differ"
    heads = [
        f"## [{part['title']}]({part['part']}/index.md)" if written(part) else f"## {part['title']}"
        for part in family()
    ]
    assert re.findall(r"^## .*", text, re.M)[: len(heads)] == heads
    assert "```{family-tree}" in text
    missing = set(LISTED) - set(planned())
    assert not missing, f"family.yml does not know {missing}, so the map does not link them"
    order = [name for name in planned() if name in LISTED]
    assert order == LISTED, "_toc.yml has the chapters in another order than family.yml"


def written(part: dict) -> list[str]:
    """The chapters of a part that exist."""
    names = [f"{part['part']}/{chapter['key']}" for chapter in part["chapters"]]
    return [name for name in names if name in LISTED]


@pytest.mark.parametrize("part", family(), ids=lambda part: part["part"])
def test_a_part_with_chapters_begins_with_its_own_page(part):
    entries = {p["caption"]: [c["file"] for c in p["chapters"]] for p in toc()["parts"]}
    page = BOOK / part["part"] / "index.md"
    if not written(part):
        assert not page.exists()
        assert part["title"] not in entries
        return
    pages = [f"book/{part['part']}/index", *(f"book/{name}" for name in written(part))]
    assert entries[part["title"]] == pages
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {part['title']}\n")
    assert re.findall(r"```\{chapter-cards\} (\w+)", text) == [part["part"]]
    order = text.partition("## In which order")[2]
    unnamed = [
        chapter["title"]
        for chapter in part["chapters"]
        if f"{part['part']}/{chapter['key']}" in LISTED and chapter["title"] not in order
    ]
    assert not unnamed, f"the order to read does not say when to read {unnamed}"


def test_the_map_links_exactly_the_chapters_that_exist(tmp_path):
    """The directives themselves, on a page of their own."""
    from docutils import nodes
    from sphinx.testing.util import SphinxTestApp

    for name in ("_toc.yml", "book/family.yml", "gan_lessons/timings.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(BOOK / '_ext')!r})\n"
        "extensions = ['myst_parser']\nsource_suffix = {'.md': 'markdown'}\n"
        "root_doc = 'book/intro'\n"
        "def setup(app):\n"
        "    import cards\n"
        "    from gan_lessons_book import FamilyTree\n"
        "    cards.setup(app)\n"
        "    app.add_directive('family-tree', FamilyTree)\n",
        encoding="utf-8",
    )
    blocks = [f"```{{chapter-cards}} {part['part']}\n```" for part in family()]
    text = "\n\n".join(["# Map", "```{family-tree}\n```", *blocks])
    (tmp_path / "book/intro.md").write_text(text, encoding="utf-8")
    for name in LISTED:
        page = tmp_path / "book" / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text("# A chapter\n", encoding="utf-8")

    app = SphinxTestApp("dummy", srcdir=tmp_path)
    try:
        app.build()
    finally:
        app.cleanup()  # roles and directives are global to docutils
    tree = app.env.get_doctree("book/intro")

    def links(shown):
        elements = [n for m in shown for n in m.findall(nodes.Element)]
        return [n["reftarget"] for n in elements if n.get("reftype") == "doc"]

    everything = sorted(chapter["title"] for chapter in planned().values())
    maps = [n for n in tree.findall(nodes.container) if "family-tree" in n["classes"]]
    assert sorted(links(maps)) == sorted(f"/book/{name}" for name in LISTED)
    names = [
        n.astext()
        for n in maps[0].findall()
        if "family-name" in getattr(n, "attributes", {}).get("classes", [])
    ]
    assert sorted(names) == everything
    cards = [n for n in tree.findall(nodes.bullet_list) if "chapter-cards" in n["classes"]]
    rest = [n for n in tree.findall(nodes.container) if "chapters-planned" in n["classes"]]
    assert links(cards) == [f"/book/{name}" for name in LISTED]
    missing = [n.astext() for box in rest for n in box.findall(nodes.strong)]
    have = [planned()[name]["title"] for name in LISTED]
    assert sorted(missing + have) == everything


def test_the_readme_lists_the_chapters_with_their_colab_links():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| \[(.+?)\]\(book/(.+?)\.ipynb\) \| (.+?) \| \[Open in Colab\]\((\S+?)\) \|$",
        text,
        re.M,
    )
    assert [row[1] for row in rows] == LISTED, "the README's table and _toc.yml differ"
    colab = forms(present_address())["Colab"]
    for title, name, line, link in rows:
        chapter = planned()[name]
        assert (title, line) == (chapter["title"], chapter["line"]), f"{name}: not as in family.yml"
        assert link == f"{colab}blob/main/book/{name}.ipynb"


@pytest.mark.parametrize("name", LISTED)
def test_book_package_and_tests_mirror_each_other(name):
    part, key = name.split("/")
    module = SHARED_MODULES.get(name, PACKAGE / part / f"{key}.py")
    assert module.exists(), f"no module for {name}"
    place = module.relative_to(PACKAGE).with_suffix("")
    tests = [
        *ROOT.glob(f"tests/{place}/test_*.py"),
        *ROOT.glob(f"tests/{place.parent}/test_{place.name}.py"),
    ]
    assert tests, f"no tests for {name}: expected tests/{part}/test_{key}.py"


def test_every_chapter_has_a_measured_time():
    timings = json.loads((PACKAGE / "timings.json").read_text(encoding="utf-8"))
    for path in CHAPTERS:
        measured = timings.get(chapter_name(path), {})
        assert {"cpu", "gpu"} & set(measured), (
            f"{chapter_name(path)} has no time in gan_lessons/timings.json; "
            "execute it with scripts/execute.py --budget cpu"
        )
    assert set(timings) <= {chapter_name(path) for path in CHAPTERS}


def test_every_chapter_begins_with_its_title():
    for path in CHAPTERS:
        first = notebook(path).cells[0]
        assert first.cell_type == "markdown", path.name
        assert first.source.startswith("# "), path.name
        titles = re.findall(r"^# ", re.sub(r"```.*?```", "", markdown(path), flags=re.S), re.M)
        assert len(titles) == 1, f"{path.name}: one title"


def test_workflow_and_continuous_integration_use_the_two_commands():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8"))
    commands = {job: [s.get("run") for s in j["steps"]] for job, j in workflow["jobs"].items()}
    assert "make test" in commands["test"]
    assert "make book" in commands["book"]
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").rstrip().endswith("make test")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make book " in readme
    assert "make test " in readme
