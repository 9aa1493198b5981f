"""Cards with a picture for each chapter, and the opening of the first page.

Directives for the pages in `book/`, all made from files when the book is built, so that no card
can fall behind its chapter:

- `chapter-cards PART`: a card for each chapter of a part that exists, and the names of the rest;
  with `:line:` below the line that says what the part is about;
- `first-picture CHAPTER`: the picture or player that a chapter opens with, copied onto this page;
- `start-buttons CHAPTER`: to that chapter, and to Colab where the public address is known.

The role `` {took}`cpu` `` says how long the chapters took under a budget: "5 seconds to 4 minutes".
"""

import hashlib
import os
from pathlib import Path
from typing import ClassVar

import chapters
import pictures
import reading
from docutils import nodes
from docutils.parsers.rst import directives
from PIL import Image
from public_address import forms
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

SIZE = (640, 400)  # pixels of a card's picture, drawn at half of that


def setup(app):
    """Called by `gan_lessons_book`."""
    app.add_directive("chapter-cards", ChapterCards)
    app.add_directive("first-picture", FirstPicture)
    app.add_directive("start-buttons", StartButtons)
    app.add_role("took", Took())


def note_sources(env):
    """Have the page read again whenever the family, the contents or a time changes."""
    for path in chapters.sources(env.srcdir):
        env.note_dependency(str(path))


def link(directive, docname, *content, classes=()):
    """A link to another page of the book; the build warns if there is none."""
    node = addnodes.pending_xref(
        "",
        nodes.inline("", "", *content, classes=list(classes)),
        refdomain="std",
        reftype="doc",
        reftarget=f"/{docname}",
        refdoc=directive.env.docname,
        refexplicit=True,
        refwarn=True,
    )
    directive.set_source_info(node)
    return node


# --- cards --------------------------------------------------------------------------------------


class ChapterCards(SphinxDirective):
    """The chapters of one part: a card for each that exists, a line for each that is planned."""

    required_arguments = 1
    option_spec: ClassVar[dict] = {"line": directives.flag}

    def run(self):
        """Return the cards, and the planned chapters below them."""
        note_sources(self.env)
        parts = {part.key: part for part in chapters.family(self.env.srcdir)}
        if self.arguments[0] not in parts:
            raise self.error(f"book/family.yml has no part {self.arguments[0]!r}")
        part = parts[self.arguments[0]]
        titles = {c.key: c.title for p in parts.values() for c in p.chapters}
        found = [nodes.paragraph("", part.line)] if "line" in self.options else []
        if part.written:
            cards = nodes.bullet_list("", classes=["chapter-cards"])
            cards.extend(self.card(chapter, titles) for chapter in part.written)
            found.append(cards)
        if part.planned:
            found.append(self.planned(part, titles))
        return found

    def card(self, chapter, titles):
        """Return a list item: picture, number and title, line, what it builds on, time."""
        title = nodes.paragraph("", "", classes=["card-title"])
        title += nodes.inline("", str(chapter.number), classes=["card-number"])
        title += nodes.Text(" ")
        title += link(self, chapter.docname, nodes.Text(chapter.title))
        before = ", ".join(titles[key] for key in chapter.builds_on)
        facts = [f"Builds on {before}.", self.times(chapter)]
        return nodes.list_item(
            "",
            self.picture(chapter),
            title,
            nodes.paragraph("", chapter.line, classes=["card-line"]),
            nodes.paragraph("", " ".join(facts[not before :]), classes=["card-facts"]),
        )

    def times(self, chapter):
        """Return how long the chapter takes to read and to run."""
        path = chapters.notebook_path(self.env.srcdir, chapter)
        if not path.exists():
            return ""
        plain, _ = reading.minutes(chapters.notebook(path))
        text = f"{chapters.minutes(plain)} to read"
        if "cpu" in chapter.seconds:
            text += f", {chapters.duration(chapter.seconds['cpu'])} to run"
        return f"{text}."

    def picture(self, chapter):
        """Return the chapter's first picture, or an empty panel until it has one."""
        path = chapters.notebook_path(self.env.srcdir, chapter)
        self.env.note_dependency(str(path))
        image = pictures.picture(path) if path.exists() else None
        if image is None:
            return nodes.container("", classes=["card-picture", "card-empty"])
        target = (
            Path(self.env.doctreedir) / "cards" / f"card-{chapter.part}-{chapter.key}"
        )
        uri = stored(panel(image, SIZE), target.with_suffix(".webp"), self.env)
        text = chapters.alt(chapters.first_output(path))
        return nodes.image(
            "",
            uri=uri,
            alt=f"From the chapter: {text}" if text else chapter.line,
            classes=["card-picture", "dark-light"],
        )

    def planned(self, part, titles):
        """Return one paragraph for each planned chapter."""
        box = nodes.container("", classes=["chapters-planned"])
        box += nodes.paragraph("", "Planned:", classes=["planned-head"])
        listed = nodes.bullet_list()
        for chapter in part.planned:
            line = nodes.paragraph("", "", nodes.strong("", chapter.title))
            line += nodes.Text(f". {chapter.line}")
            listed += nodes.list_item("", line)
        box += listed
        return box


def panel(image, size):
    """The whole image on a panel of this size, which takes the colour of the image's corner.

    Pixels that are drawn larger stay squares.
    """
    times = min(size[0] / image.width, size[1] / image.height)
    fitted = (max(1, round(image.width * times)), max(1, round(image.height * times)))
    sharp = times > 2
    scaled = image.convert("RGB").resize(
        fitted, Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS
    )
    result = Image.new("RGB", size, scaled.getpixel((0, 0)))
    result.paste(scaled, ((size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2))
    return result


def stored(image, path, env):
    """Write an image for Sphinx, which takes it to where the pages find it; return its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=82, method=4)
    page = Path(env.doc2path(env.docname)).parent
    return Path(os.path.relpath(path, page)).as_posix()


# --- the first page -----------------------------------------------------------------------------


class FirstPicture(SphinxDirective):
    """What a chapter opens with, copied from its notebook; nothing if it has no such cell yet."""

    required_arguments = 1

    def run(self):
        """Return the player as it is in the notebook, or the image."""
        docname = f"book/{self.arguments[0]}"
        path = Path(self.env.srcdir) / f"{docname}.ipynb"
        if not path.exists():
            raise self.error(f"there is no chapter {self.arguments[0]!r}")
        self.env.note_dependency(str(path))
        data = chapters.first_output(path)
        if "text/html" in data:
            inside = nodes.raw("", data["text/html"], format="html")
        elif data:
            image = pictures.picture(path)
            name = hashlib.sha256(self.arguments[0].encode()).hexdigest()[:8]
            target = Path(self.env.doctreedir) / "cards" / f"first-{name}.webp"
            uri = stored(image, target, self.env)
            inside = nodes.image(
                "", uri=uri, alt=chapters.alt(data), classes=["dark-light"]
            )
        else:
            return []
        return [nodes.container("", inside, classes=["first-picture"])]


class StartButtons(SphinxDirective):
    """To a chapter; and to the same chapter in Colab where the public address is known."""

    required_arguments = 1

    def run(self):
        """Return one paragraph with the buttons."""
        docname = f"book/{self.arguments[0]}"
        line = nodes.paragraph("", "", classes=["start-buttons"])
        line += link(
            self,
            docname,
            nodes.Text("Read the first chapter"),
            classes=["start-button", "start-read"],
        )
        if address := self.config.public_address:
            colab = f"{forms(address)['Colab']}blob/main/{docname}.ipynb"
            line += nodes.Text(" ")
            line += nodes.reference(
                "",
                "Open it in Colab",
                refuri=colab,
                classes=["start-button", "start-colab"],
            )
        return [line]


class Took(SphinxRole):
    """How long the chapters took under a budget, from the shortest to the longest."""

    def run(self):
        """Return the text."""
        note_sources(self.env)
        found = [
            chapter.seconds[self.text]
            for chapter in chapters.written(self.env.srcdir)
            if self.text in chapter.seconds
        ]
        text = chapters.span(found) if found else "not measured yet"
        return [nodes.Text(text)], []
