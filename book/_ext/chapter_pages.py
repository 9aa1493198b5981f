"""What a chapter's notebook becomes on its page. The notebook itself stays plain Markdown and code.

- Its number in the book, in the title and in the sidebar. Pages that are no notebook have none.
- A line under the title: the number, the minutes to read, the minutes to run.
- The output of the cell tagged `first-picture` stands right after the question, above the set-up.
- A text cell that begins with `**Answer.**` is folded, together with the cell that checks it.
- A paragraph in italics right after a figure is its caption.
- A folded cell does not repeat its `# @title` line.
"""

import html
from pathlib import Path

import chapters
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from pictures import TAG
from reading import minutes, running
from sphinx.transforms import SphinxTransform

LINES = (
    10_000  # MyST-NB gives the nodes of cell k the source lines from (k + 1) * LINES on
)


class Answer(nodes.General, nodes.Element):
    """A folded answer."""


def setup(app):
    """Called by `gan_lessons_book`."""
    app.add_node(Answer, html=(visit_answer, depart_answer))
    app.add_node(HideCodeCellNode, override=True, html=(visit_fold, depart_fold))
    app.add_transform(ChapterPage)
    app.connect(
        "env-get-updated", number_chapters, priority=900
    )  # after Sphinx's own numbers


def visit_answer(translator, node):
    """Begin the fold."""
    translator.body.append('<details class="answer"><summary>Answer</summary>\n')


def depart_answer(translator, node):
    """End the fold."""
    translator.body.append("</details>\n")


def visit_fold(translator, node):
    """Begin the fold of a cell as MyST-NB does, but let a screen reader read what is written."""
    translator.body.append('<details class="fold"><summary>')
    for kind, prompt in (("collapsed", "prompt_show"), ("expanded", "prompt_hide")):
        text = html.escape(node[prompt])
        translator.body.append(f'<span class="{kind}">{text}</span>')
    translator.body.append("</summary>\n")


def depart_fold(translator, node):
    """End the fold."""
    translator.body.append("</details>\n")


# --- the number ------------------------------------------------------------------------------


def number_chapters(app, env):
    """Number the chapters through the whole book; return the pages that this changes."""
    numbers = {c.docname: c.number for c in chapters.written(app.srcdir)}
    for name, contents in env.tocs.items():
        for reference in contents.findall(nodes.reference):
            reference.attributes.pop("secnumber", None)
            if name in numbers and not reference["anchorname"]:
                reference["secnumber"] = (numbers[name],)
        env.titles[name].attributes.pop("secnumber", None)
        if name in numbers:
            env.titles[name]["secnumber"] = (numbers[name],)
    # By the title's own anchor: under "" a heading without a number would find the chapter's.
    env.toc_secnumbers = {
        name: {f"#{anchor}": (number,)}
        for name, number in numbers.items()
        if name in env.tocs and (anchor := _title_anchor(env, name))
    }
    changed = numbers != getattr(env, "gan_lessons_numbers", None)
    env.gan_lessons_numbers = numbers
    return list(env.tocs) if changed else []


def _title_anchor(env, name):
    """Return the id of the section that is the page."""
    section = next(iter(env.get_doctree(name).findall(nodes.section)), None)
    return section["ids"][0] if section is not None and section["ids"] else None


# --- the page --------------------------------------------------------------------------------


class ChapterPage(SphinxTransform):
    """Turns the document of a notebook into that of a page."""

    default_priority = 200

    def apply(self, **kwargs):
        """Change the document in place."""
        path = Path(self.env.doc2path(self.env.docname))
        page = next(iter(self.document.findall(nodes.section)), None)
        if path.suffix != ".ipynb" or page is None:
            return
        drop_titles(self.document)
        mark_captions(self.document)
        lift_first_picture(self.document, page)
        fold_answers(self.document)
        for source in chapters.sources(self.env.srcdir):
            self.env.note_dependency(str(source))
        listed = {c.docname: c for c in chapters.written(self.env.srcdir)}
        if chapter := listed.get(self.env.docname):
            line = byline(chapters.notebook(path), chapter)
            page.insert(1, nodes.paragraph("", line, classes=["byline"]))


def byline(notebook, chapter):
    """Return the line under the title."""
    plain, whole = minutes(notebook)
    read = f"about {chapters.minutes(plain)} to read"
    if whole > plain:
        read += f" ({whole} with the deeper sections)"
    facts = [f"Chapter {chapter.number}", read]
    if run := running(chapter.name):
        facts.append(f"runs in {run} on one CPU core")
    return " · ".join(facts)


def is_cell(node):
    """Whether a node is a code cell with what it printed."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def has_tag(cell, *tags):
    """Whether a code cell has one of the tags."""
    return any(f"tag_{tag}" in cell["classes"] for tag in tags)


def part(cell, element):
    """Return the source or the output of a code cell, None if it has none."""
    return next(
        (n for n in cell.children if n.get("nb_element") == f"cell_code_{element}"),
        None,
    )


def follower(node):
    """Return the next sibling, None for the last."""
    place = node.parent.index(node) + 1
    return node.parent[place] if place < len(node.parent) else None


def drop_titles(document):
    """Leave out the first line of a folded cell where the fold's button says the same."""
    for cell in filter(is_cell, document.findall(nodes.container)):
        source = part(cell, "source")
        for block in source.findall(nodes.literal_block) if source is not None else ():
            first, _, rest = block.astext().partition("\n")
            if first.startswith("# @title ") and cell.get("hide_mode"):
                block.rawsource = rest
                block.children = []
                block += nodes.Text(rest)


def mark_captions(document):
    """Make a paragraph in italics after a picture its caption."""
    for cell in filter(is_cell, document.findall(nodes.container)):
        text = follower(cell)
        if (
            isinstance(text, nodes.paragraph)
            and [type(child) for child in spoken(text)] == [nodes.emphasis]
            and has_picture(part(cell, "output"))
        ):
            text["classes"].append("figure-caption")


def has_picture(output):
    """Whether an output has an image or a player."""
    return output is not None and any(
        bundle.get("mime_type", "").startswith("image/")
        or any("<figure" in raw.astext() for raw in bundle.findall(nodes.raw))
        for bundle in output.findall(nodes.container)
    )


def lift_first_picture(document, page):
    """Move the picture that a chapter opens with, and its caption, above the first code cell."""
    cells = [cell for cell in document.findall(nodes.container) if is_cell(cell)]
    cell = next((cell for cell in cells if has_tag(cell, TAG)), None)
    output = part(cell, "output") if cell is not None else None
    if output is None:
        return
    caption = follower(cell)
    cell.remove(output)
    if cell.get("hide_mode"):
        cell["hide_mode"] = "input"
    opening = nodes.container("", output, classes=["cell", "opening"])
    if isinstance(caption, nodes.paragraph) and "figure-caption" in caption["classes"]:
        caption.parent.remove(caption)
        opening += caption
    stop = next(
        (
            k
            for k, n in enumerate(page.children)
            if is_cell(n) or isinstance(n, nodes.section)
        ),
        len(page),
    )
    page.insert(stop, opening)


def fold_answers(document):
    """Fold each answer, and the folded cells right after it, which check or draw it."""
    for text in list(document.findall(nodes.paragraph)):
        if not is_answer(text):
            continue
        siblings, place = text.parent, text.parent.index(text)
        cell, stop = cell_of(text), place
        while stop < len(siblings) and belongs(siblings[stop], cell):
            stop += 1
        _, *rest = spoken(text)  # the fold's button says "Answer"
        if rest and isinstance(rest[0], nodes.Text):
            rest[0] = nodes.Text(rest[0].astext().lstrip())
        text.children = []
        text += rest
        inside = siblings[place:stop]
        answer = Answer("", *inside)
        siblings[place:stop] = [answer]


def spoken(paragraph):
    """Return the children of a paragraph without the empty texts around what is in italics."""
    return [child for child in paragraph.children if child.astext()]


def is_answer(paragraph):
    """Whether a paragraph begins with **Answer.**"""
    first = next(iter(spoken(paragraph)), None)
    return (
        isinstance(first, nodes.strong)
        and first.astext() in ("Answer.", "Answer")
        and not isinstance(paragraph.parent, Answer)
    )


def belongs(node, cell):
    """Whether a node is part of the answer in text cell `cell`."""
    if isinstance(node, nodes.section):
        return False
    if is_cell(node):
        return bool(node.get("hide_mode")) and not has_tag(node, "hide-output")
    if isinstance(node, nodes.paragraph) and "figure-caption" in node["classes"]:
        return True
    return cell_of(node) == cell


def cell_of(node):
    """Return the index of the cell that a node of a text cell comes from."""
    line = node.line or next(
        (n.line for n in node.findall() if getattr(n, "line", None)), None
    )
    return line // LINES - 1 if line else None
