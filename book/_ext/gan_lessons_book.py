"""What the rendered book needs beyond `_config.yml`.

- MathJax comes from the site itself and not from a content network: the book is then complete
  without a connection, and no third party sees who reads it. The files are those of the Python
  package sphinx-mathjax-offline; of its 24 MB only the parts that a page can ask for are copied.
- The map of the family on the first page, made from `book/family.yml`. A chapter is a link if
  `_toc.yml` lists it, and marked as planned if not, so the map cannot fall behind the book.
- The number of a chapter, its opening picture, folded answers: see `chapter_pages.py`.
- Cards, the glossary's links, the status page, the picture of a shared link and the page for dead
  ones: see `cards.py`, `taught.py`, `status.py` and `sharing.py`.
- The public address of the repository, or no links to it: see `public_address.py`.
- Single options of the theme. `html_theme_options` in `_config.yml` would replace all that Jupyter
  Book sets, and the Colab button with it.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

import cards
import chapter_pages
import public_address
import sharing
import status
import taught
import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

MATHJAX_PARTS = (
    "tex-chtml.js",
    "output/chtml/fonts",
    "input/tex/extensions",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
    "sre/mathmaps/nemeth.json",
)


def setup(app):
    """Called by Sphinx."""
    app.add_directive("family-tree", FamilyTree)
    app.connect("config-inited", set_options)
    app.connect("builder-inited", copy_mathjax)
    for extension in (cards, public_address, sharing, status, taught):
        extension.setup(app)
    chapter_pages.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def set_options(app, config):
    """Serve MathJax from the site; one search box, not two; the reader's light or dark theme."""
    config.mathjax_path = "mathjax/tex-chtml.js"
    config.html_theme_options["navbar_persistent"] = []
    config.html_context["default_mode"] = "auto"


def copy_mathjax(app):
    """Copy MathJax beside the other static files, unless it is there."""
    if app.builder.format != "html":
        return
    source = (
        Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    )
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in MATHJAX_PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        elif not (target / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / part, target / part)


class Family(SphinxDirective):
    """What the map knows: the chapters, and which of them exist."""

    def load(self):
        """Read `book/family.yml`; the page is then read again whenever that file changes."""
        source = Path(self.env.srcdir) / "book" / "family.yml"
        self.env.note_dependency(str(source))
        self.env.note_dependency(str(Path(self.env.srcdir) / "_toc.yml"))
        self.parts = yaml.safe_load(source.read_text(encoding="utf-8"))
        self.chapters = {
            chapter["key"]: chapter
            | {"part": part["part"], "part_title": part["title"]}
            for part in self.parts
            for chapter in part["chapters"]
        }

    def linked(self, key):
        """A chapter's title: a link if the chapter exists."""
        chapter = self.chapters[key]
        target = f"book/{chapter['part']}/{key}"
        if target not in self.env.found_docs:
            return nodes.inline("", chapter["title"], classes=["family-name"])
        title = nodes.Text(chapter["title"])
        return cards.link(self, target, title, classes=["family-name"])

    def exists(self, key):
        """Whether the chapter is in the book."""
        return f"book/{self.chapters[key]['part']}/{key}" in self.env.found_docs


class FamilyTree(Family):
    """What leads to what: all chapters as a nested list, each below the one it builds on first."""

    def run(self):
        """Return the list."""
        self.load()
        roots = [key for key, chapter in self.chapters.items() if not chapter["from"]]
        return [nodes.container("", self.branch(roots), classes=["family-tree"])]

    def branch(self, keys):
        """Return the list of these chapters, each with the list of those that build on it."""
        result = nodes.bullet_list()
        for key in keys:
            chapter = self.chapters[key]
            line = nodes.paragraph("", "", self.linked(key))
            line += nodes.Text(" ")
            line += nodes.inline(
                "",
                chapter["part_title"],
                classes=["family-label", f"family-{chapter['part']}"],
            )
            more = [self.chapters[other]["title"] for other in chapter["from"][1:]]
            if more:
                line += nodes.inline(
                    "", f" and {', '.join(more)}", classes=["family-also"]
                )
            item = nodes.list_item(
                "", line, classes=[] if self.exists(key) else ["planned"]
            )
            children = [k for k, c in self.chapters.items() if c["from"][:1] == [key]]
            if children:
                item += self.branch(children)
            result += item
        return result
