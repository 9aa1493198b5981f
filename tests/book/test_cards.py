"""What the build makes from the chapters: cards, the first page, glossary, status, shared links.

A small book with chapters of its own, built twice: with a public address and without one.
"""

import base64
import html
import io
import json
import re
import sys
from types import SimpleNamespace

import nbformat
import pytest
import torch
from PIL import Image

from gan_lessons.figures import player_html
from tests.book.content import BOOK, ROOT, family, toc_chapters

sys.path.append(str(BOOK / "_ext"))
import cards
import chapters
import sharing
import status
import taught

ADDRESS = "https://github.com/somebody/other-name"
SITE = "https://somebody.github.io/other-name/"
ALT = 'A picture with "quotes", at least as long as it has to be.'
PLAYER = player_html(torch.rand(3, 8, 1, 8, 8), ["a", "b", "c"], title="T", alt=ALT)

TOC = """\
format: jb-book
root: book/intro
parts:
  - caption: Foundations
    chapters:
      - file: book/foundations/index
      - file: book/foundations/gan
      - file: book/foundations/dcgan
  - caption: Objectives
    chapters: [{file: book/objectives/gallery}]
  - caption: More
    chapters: [{file: book/glossary}, {file: book/status}]
"""
FAMILY = [
    {
        "part": "foundations",
        "title": "Foundations",
        "line": "The game.",
        "chapters": [
            {"key": "gan", "title": "GAN", "from": [], "line": "Two networks."},
            {"key": "dcgan", "title": "DCGAN", "from": ["gan"], "line": "Five rules."},
            {"key": "cgan", "title": "CGAN", "from": ["gan"], "line": "A label."},
        ],
    },
    {
        "part": "objectives",
        "title": "Objectives",
        "line": "The loss.",
        "chapters": [{"key": "gallery", "title": "Gallery", "from": ["dcgan"], "line": "Nine."}],
    },
]
INTRO = """\
# Book

```{start-buttons} foundations/gan
```

```{first-picture} objectives/gallery
```

Between {took}`cpu` and {took}`gpu`.

```{chapter-cards} foundations
:line:
```

```{toctree}
foundations/gan
foundations/dcgan
objectives/gallery
foundations/index
glossary
status
```
"""
GLOSSARY = """\
# Glossary

```{glossary}
mode collapse
  Few kinds. See {taught}`foundations/gan#collapse` and {taught}`foundations/dcgan#nowhere`

value
  A number. See {taught}`foundations/gan#no such thing|value is`
```
"""
GAN = """\
# GAN: a game

**The question.** Can *two* networks
play <so>?

A second paragraph.

## The game

```python
## Mode collapse in a comment
```

## The game

### Mode collapse, `seen`

## Deeper: the value is $W_1$
"""
SETUP = (
    "GAN Lessons 0.1.0, torch 2.9.1, on the CPU (2 threads).\n"
    "Budget: cpu (chosen by GAN_LESSONS_BUDGET). Expect about 5 seconds for the whole chapter.\n"
)
TESTS = '''\
"""Tests."""

MUTANTS = [
    *mutants("a.b", ("what", "old", "new", "test"), ("w", "o", "n", "")),
    *mutants("a.c", ("w", "o", "n", "")),
]


@oracle("GAN-D", r"x")
def one():
    pass


taken_over("DCGAN-D", "GAN-D", r"x")


@pytest.mark.parametrize("n", [1, 2])
def test_it(n):
    pass


class TestMore:
    def test_that(self):
        pass
'''


def png(width, height, colour="white"):
    """A picture as a notebook stores it."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def chapter(path, text, *outputs, tagged=True):
    """Write a notebook with a set-up cell, and one with these outputs."""
    setup = nbformat.v4.new_code_cell("import gan_lessons")
    setup.outputs = [nbformat.v4.new_output("stream", name="stdout", text=SETUP)]
    cell = nbformat.v4.new_code_cell("draw()", outputs=list(outputs))
    if tagged:
        cell.metadata["tags"] = ["first-picture"]
    markdown = nbformat.v4.new_markdown_cell(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(cells=[markdown, setup, cell])
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "python"}
    nbformat.write(notebook, path)


def display(data, metadata=None):
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata or {})


def write_book(root, address):
    (root / "gan_lessons").mkdir(parents=True)
    (root / "tests/foundations").mkdir(parents=True)
    texts = {
        "_toc.yml": TOC,
        "book/family.yml": json.dumps(FAMILY),
        "gan_lessons/timings.json": json.dumps(
            {"foundations/gan": {"cpu": 4}, "foundations/dcgan": {"cpu": 241}}
        ),
        "tests/foundations/test_gan.py": TESTS,
        "book/intro.md": INTRO,
        "book/glossary.md": GLOSSARY,
        "book/status.md": "# Status\n\n```{chapter-times}\n```\n\n```{chapter-checks}\n```\n",
        "book/foundations/index.md": "# Foundations\n\n```{chapter-cards} foundations\n```\n",
        "conf.py": (
            f"import sys; sys.path.insert(0, {str(BOOK / '_ext')!r})\n"
            "project = 'Book'\nroot_doc = 'book/intro'\nnb_execution_mode = 'off'\n"
            "extensions = ['myst_nb', 'sphinxext.opengraph']\nmyst_heading_anchors = 3\n"
            "myst_enable_extensions = ['dollarmath']\nhtml_theme = 'basic'\n"
            "source_suffix = {'.md': 'myst-nb', '.ipynb': 'myst-nb'}\n"
            "exclude_patterns = ['_build', 'tests']\nogp_enable_meta_description = True\n"
            "ogp_social_cards = {'enable': False}\n"
            f"html_baseurl = ogp_site_url = {SITE if address else ''!r}\n"
            "def setup(app):\n"
            "    import cards, sharing, status, taught\n"
            f"    app.add_config_value('public_address', {address!r}, 'env', str)\n"
            "    for extension in (cards, sharing, status, taught):\n"
            "        extension.setup(app)\n"
        ),
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    chapter(
        root / "book/foundations/gan.ipynb",
        GAN,
        display({"image/png": png(300, 100)}, {"image/png": {"alt": ALT}}),
    )
    chapter(root / "book/foundations/dcgan.ipynb", "# DCGAN\n\nWhich networks?", tagged=False)
    chapter(
        root / "book/objectives/gallery.ipynb", "# Gallery\n\nAll?", display({"text/html": PLAYER})
    )


@pytest.fixture(scope="module", params=[ADDRESS, ""], ids=["address", "no address"])
def site(request, tmp_path_factory):
    """The rendered book: its address, the folder, and what Sphinx has complained about."""
    from sphinx.testing.util import SphinxTestApp

    root = tmp_path_factory.mktemp("book")
    write_book(root, request.param)
    app = SphinxTestApp("html", srcdir=root)
    app.build()
    yield SimpleNamespace(
        address=request.param,
        root=root,
        out=app.outdir,
        warnings=app.warning.getvalue(),
        page=lambda name: (app.outdir / f"{name}.html").read_text(encoding="utf-8"),
    )
    app.cleanup()


def tags(page, name):
    """All opening tags of a kind."""
    return re.findall(rf"<{name}\b[^>]*>", page)


def plain(page):
    """The text of a piece of HTML, in single blanks."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


# --- cards --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["book/intro", "book/foundations/index"])
def test_a_card_has_picture_number_title_line_and_times(site, page):
    assert not site.warnings
    listed = re.search(r'<ul class="chapter-cards[^>]*>(.*?)</ul>', site.page(page), re.S)[1]
    first, second = re.findall(r"<li>(.*?)</li>", listed, re.S)
    (image,) = tags(first, "img")
    assert f'alt="From the chapter: {html.escape(ALT)}"' in image
    stored = (site.out / page).parent / re.search(r'src="([^"]+)"', image)[1]
    assert Image.open(stored).size == cards.SIZE
    assert plain(first) == "1 GAN Two networks. 1 minute to read, 5 seconds to run."
    assert not tags(second, "img"), "no picture is tagged there"
    assert "card-empty" in second
    assert plain(second) == (
        "2 DCGAN Five rules. Builds on GAN. 1 minute to read, 4 minutes to run."
    )
    (link,) = re.findall(r'href="([^"]+)"', second)
    assert ((site.out / page).parent / link).exists()


def test_the_line_of_a_part_stands_above_its_cards_where_it_is_asked_for(site):
    line = "<p>The game.</p>"
    assert site.page("book/intro").index(line) < site.page("book/intro").index("chapter-cards")
    assert line not in site.page("book/foundations/index")


def test_planned_chapters_are_named_without_a_link(site):
    box = re.search(r'<div class="chapters-planned.*?</div>', site.page("book/intro"), re.S)[0]
    assert plain(box) == "Planned: CGAN . A label."
    assert not tags(box, "a")


def test_a_panel_shows_the_whole_picture_in_the_colour_of_its_corner():
    image = Image.new("RGB", (300, 100), "red")
    image.putpixel((299, 99), (0, 0, 255))
    panel = cards.panel(image, (600, 400))
    assert panel.size == (600, 400)
    assert panel.getpixel((5, 5)) == panel.getpixel((300, 200)) == (255, 0, 0)
    small = Image.new("RGB", (4, 4), "black")
    small.putpixel((1, 1), (255, 255, 255))
    colours = {colour for _, colour in cards.panel(small, (400, 400)).getcolors()}
    assert colours == {(0, 0, 0), (255, 255, 255)}, "pixels that are drawn larger stay squares"


# --- the first page -----------------------------------------------------------------------------


def test_the_first_page_opens_with_the_player_of_the_gallery(site):
    page = site.page("book/intro")
    assert page.count(PLAYER) == 1
    assert page.index("</h1>") < page.index("start-buttons") < page.index(PLAYER)
    assert len(re.findall(r"<figure[^>]* id=", page)) == 1


def test_the_buttons_lead_to_the_first_chapter_and_to_colab_if_there_is_an_address(site):
    (line,) = re.findall(r'<p class="start-buttons">(.*?)</p>', site.page("book/intro"), re.S)
    links = re.findall(r'href="([^"]+)"', line)
    colab = "https://colab.research.google.com/github/somebody/other-name/blob/main/"
    there = [f"{colab}book/foundations/gan.ipynb"] if site.address else []
    assert links == ["foundations/gan.html", *there]
    assert plain(line) == "Read the first chapter" + " Open it in Colab" * bool(site.address)


def test_times_come_from_the_file(site):
    assert "Between 5 seconds to 4 minutes and not measured yet." in plain(site.page("book/intro"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ([3], "5 seconds"),
        ([44], "45 seconds"),
        ([58], "1 minute"),
        ([130, 290, 200], "2 to 5 minutes"),
        ([5, 290], "5 seconds to 5 minutes"),
        ([55, 290], "1 to 5 minutes"),
    ],
)
def test_times_are_put_as_a_reader_wants_them(seconds, text):
    assert chapters.span(seconds) == text


# --- the glossary and the index -----------------------------------------------------------------


def test_a_term_links_the_heading_where_it_is_taught(site):
    page = site.page("book/glossary")
    target = site.page("book/foundations/gan")
    links = dict(re.findall(r'href="foundations/gan.html#([^"]+)"><span[^>]*>(.*?)</span>', page))
    assert set(links.values()) == {"GAN, “Mode collapse, seen”", "GAN, “The value is W₁”"}
    assert all(f'id="{anchor}"' in target for anchor in links)
    assert re.search(r'href="foundations/dcgan.html"><span[^>]*>DCGAN<', page), "no heading there"
    index = site.page("genindex")
    assert plain(index).count("mode collapse") == 1
    (anchor,) = [a for a, text in links.items() if "collapse" in text]
    assert f'book/foundations/gan.html#{anchor}">GAN</a>' in index
    assert 'book/glossary.html#term-mode-collapse">' in index


def test_anchors_are_those_of_the_page(site):
    assert taught.heading(site.root, "foundations/gan#the value") == (
        "Deeper: the value is $W_1$",
        "deeper-the-value-is-",
    )
    assert taught.heading(site.root, "foundations/gan#A game") is None, "a title teaches nothing"
    assert taught.heading(site.root, "foundations/gan#comment") is None, "that is code"


def test_every_term_of_the_glossary_is_taught_where_it_says():
    places = taught.places(ROOT)
    lost = [
        f"{term}: {place}"
        for term, there in places.items()
        for place in there
        if not (ROOT / f"book/{place.split('#')[0]}.ipynb").exists()
        or taught.heading(ROOT, place) is None
    ]
    assert not lost, f"no heading has these words: change the heading or glossary.md: {lost}"
    untaught = {term for term, there in places.items() if not there}
    assert untaught <= {"fake", "mode"}, untaught


@pytest.mark.parametrize("term", ["mode collapse", "gradient penalty", "equilibrium"])
def test_the_search_finds_a_term_where_it_is_taught(term):
    """Sphinx's search puts pages first that have the words in a heading."""
    found = [
        name
        for name in toc_chapters()
        for level, text in chapters.headings(BOOK / f"{name}.ipynb")
        if level > 1 and term in text.lower()
    ]
    assert found, f"no heading has {term!r} in it"


def test_the_glossary_has_the_terms_that_chapters_use():
    terms = {term.lower() for term in taught.places(ROOT)}
    wanted = {
        "generator", "discriminator", "critic", "equilibrium", "saturation", "mode collapse",
        "non-saturating loss", "gradient penalty", "lipschitz", "weight clipping", "coverage",
        "latent code", "fréchet distance", "kernel distance", "precision", "recall", "floor",
        "ceiling", "ttur", "cycle consistency", "patch discriminator", "mutual information",
        "averaged weights", "judge",
    }  # fmt: skip
    assert wanted <= terms, wanted - terms


# --- the status page ----------------------------------------------------------------------------


def test_the_status_page_counts(site):
    page = site.page("book/status")
    rows = [
        [plain(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.S)
    ]
    assert ["1 GAN", "4 s", "cpu", "CPU (2 threads)", "2.9.1"] in rows
    assert ["3 Gallery", "not timed", "cpu", "CPU (2 threads)", "2.9.1"] in rows
    assert ["All, budget cpu", "245 s", "", "", ""] in rows
    (counted,) = [row for row in rows if row[0] == "1 GAN" and len(row) == 6]
    assert counted[3:] == ["2", "2", "3"]
    size = (site.root / "book/foundations/gan.ipynb").stat().st_size
    assert counted[2] == f"{size / 1e6:.2f}"


def test_every_chapter_has_tests_to_count():
    for chapter in chapters.written(ROOT):
        files = status.files_of_tests(ROOT, chapter)
        assert files, chapter.name
        assert status.counts(files)["tests"] > 0, chapter.name


def test_the_counts_are_those_of_the_tests_themselves():
    """For one variant: what the syntax tree gives is what the module has when it is imported."""
    from tests.objectives import test_wgan_gp as module

    found = status.counts([ROOT / "tests/objectives/test_wgan_gp.py"])
    assert found["tests"] == sum(name.startswith("test_") for name in vars(module))
    planted = [mutant for mutant in module.MUTANTS if mutant.old and "generated" not in mutant.what]
    assert found["mutants"] == len(planted)


def test_the_first_cells_of_the_chapters_can_be_read():
    for chapter in chapters.written(ROOT):
        facts = status.executed(chapters.notebook_path(ROOT, chapter))
        assert "not said" not in facts.values(), chapter.name


# --- shared links, and dead ones ----------------------------------------------------------------


def meta(page, name):
    """The contents of meta elements of one name."""
    found = re.findall(rf'<meta (?:property|name)="{name}" content="([^"]*)"', page)
    return [html.unescape(text) for text in found]


@pytest.mark.parametrize(
    ("page", "picture", "alt"),
    [
        ("book/foundations/gan", "foundations-gan", ALT),
        ("book/foundations/dcgan", "objectives-gallery", ALT),
        ("book/intro", "objectives-gallery", ALT),
    ],
)
def test_a_shared_link_has_a_picture_where_there_is_an_address(site, page, picture, alt):
    text = site.page(page)
    name = f"_static/sharing/{picture}.png"
    assert meta(text, "og:image") == [f"{SITE}{name}"] * bool(site.address)
    assert meta(text, "og:image:alt") == [alt] * bool(site.address)
    assert meta(text, "twitter:card") == ["summary_large_image"] * bool(site.address)
    assert (site.out / name).exists() == bool(site.address)
    if site.address:
        size = Image.open(site.out / name).size
        assert size == sharing.SIZE
        given = [int(*meta(text, f"og:image:{side}")) for side in ("width", "height")]
        assert given == list(size)


def test_a_shared_chapter_is_described_by_its_question(site):
    text = site.page("book/foundations/gan")
    for name in ("og:description", "description"):
        assert meta(text, name) == ["Can two networks play <so>?"]


def test_the_page_for_dead_links_works_in_any_folder(site):
    page = site.page("404")
    targets = re.findall(r'\s(?:href|src|action)="([^"]*)"', page)
    local = [t for t in targets if not re.match(r"[a-z]+:|#|//", t)]
    start = "/other-name/" if site.address else ""
    for target in local:
        assert target.startswith(start), f"{target} leads elsewhere from a folder"
        path = target.removeprefix(start).split("?")[0].split("#")[0]
        assert (site.out / path).exists(), target
    assert {f"{start}book/intro.html", f"{start}search.html", f"{start}genindex.html"} <= set(local)
    assert f"{start}book/foundations/index.html" in local
    assert '<label for="lost-search">' in page


def test_links_elsewhere_and_on_the_page_stay_as_they_are():
    page = '<a href="#x"></a><a href="https://a.org/"></a><img src="data:,"><a href="/b"></a>'
    assert sharing.from_root(page, "/book/") == page
    assert (
        sharing.from_root('<html data-content_root="./">', "/b/")
        == '<html data-content_root="/b/">'
    )
    assert (
        sharing.from_root('<script src="_static/a.js">', "/b/") == '<script src="/b/_static/a.js">'
    )


# --- the chapters of this book ------------------------------------------------------------------


def test_the_family_of_the_build_is_that_of_the_files():
    parts = chapters.family(ROOT)
    assert [part.key for part in parts] == [part["part"] for part in family()]
    assert [chapter.name for chapter in chapters.written(ROOT)] == toc_chapters()
    numbers = [chapter.number for chapter in chapters.written(ROOT)]
    assert numbers == list(range(1, len(numbers) + 1))
    planned = [chapter for part in parts for chapter in part.planned]
    assert all(chapter.number is None for chapter in planned)


def test_every_first_picture_can_stand_on_a_card():
    for chapter in chapters.written(ROOT):
        data = chapters.first_output(chapters.notebook_path(ROOT, chapter))
        if data:
            assert len(chapters.alt(data)) >= 20, f"{chapter.name}: describe the first picture"
