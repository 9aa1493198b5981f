"""The glossary points to where a term is taught, and so does the index.

The role `` {taught}`foundations/gan#mode collapse` `` is a link to the first heading of that chapter
that has these words in it, whatever else the heading says; `optimal|optimum` means either of them. A
test fails if there is none, and the link leads to the chapter's beginning.
"""

import re
from pathlib import Path

import chapters
from docutils import nodes
from myst_parser.mdit_to_docutils.base import default_slugify
from sphinx import addnodes
from sphinx.util.docutils import SphinxRole

GLOSSARY = "book/glossary"
ROLE = re.compile(r"\{taught\}`([\w/-]+)#([^`]+)`")
TERM = re.compile(r"^(?![ \t`{#:(])(\S.*)$", re.MULTILINE)


def setup(app):
    """Called by `gan_lessons_book`."""
    app.add_role("taught", Taught())
    app.connect("env-updated", add_to_index)


def heading(root, place: str) -> tuple[str, str] | None:
    """The heading meant by `foundations/gan#words`, with its anchor; None if there is none.

    Anchors are counted as MyST does: the second heading of the same text gets a -1, and so on.
    """
    name, words = place.split("#", 1)
    path = Path(root) / f"book/{name}.ipynb"
    wanted, seen = words.lower().split("|"), set()
    for level, text in chapters.headings(path):
        slug, n = default_slugify(_shown(text, math=True)), 1
        while slug in seen:
            slug, n = f"{slug}-{n}", n + 1
        seen.add(slug)
        if level > 1 and any(word in _shown(text).lower() for word in wanted):
            return _shown(text), slug
    return None


def _shown(text, math=False):
    """A heading without the marks of Markdown; MyST leaves formulas out of an anchor."""
    text = re.sub(r"\$[^$]*\$", "", text) if math else text
    return re.sub(r"[*`]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))


class Taught(SphinxRole):
    """A link to a heading of a chapter."""

    def run(self):
        """Return the link."""
        name = self.text.split("#", 1)[0]
        docname = f"book/{name}"
        found = heading(self.env.srcdir, self.text)
        path = Path(self.env.doc2path(docname))
        self.env.note_dependency(str(path))
        title = titles(self.env.srcdir).get(name, name)
        if found is None:
            target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{docname}"}
            text = title
        else:
            target = {
                "refdomain": "doc",
                "reftype": "myst",
                "reftarget": docname,
                "reftargetid": found[1],
            }
            text = f"{title}, “{_plain(found[0])}”"
        node = addnodes.pending_xref(
            "",
            nodes.inline("", text),
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
            **target,
        )
        self.set_source_info(node)
        return [node], []


def _plain(text):
    """A heading as text: $W_1$ becomes W₁, and "Deeper: why" is Why."""
    text = text.removeprefix("Deeper: ")
    text = text[:1].upper() + text[1:]
    digits = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    text = re.sub(r"_\{?(\d+)\}?", lambda m: m[1].translate(digits), text)
    return text.replace("$", "").replace("\\", "")


def titles(root) -> dict[str, str]:
    """The short title of each chapter, such as "WGAN-GP" for objectives/wgan_gp."""
    return {chapter.name: chapter.title for chapter in chapters.written(root)}


def places(root) -> dict[str, list[str]]:
    """The terms of the glossary, each with the places that its entry names."""
    text = (Path(root) / f"{GLOSSARY}.md").read_text("utf-8")
    blocks = re.findall(r"^```\{glossary\}\n(.*?)^```", text, re.S | re.M)
    entries = re.split(TERM, "\n".join(blocks))
    return {
        term: [f"{name}#{words}" for name, words in ROLE.findall(body)]
        for term, body in zip(entries[1::2], entries[2::2], strict=True)
    }


def add_to_index(app, env):
    """Put the headings that the glossary names into the index, below their term."""
    if GLOSSARY not in env.found_docs:
        return
    short = titles(env.srcdir)
    index = env.domaindata["index"]["entries"]
    for chapter in chapters.written(
        env.srcdir
    ):  # notebooks have no entries of their own
        index[chapter.docname] = []
    for term, there in places(env.srcdir).items():
        for place in there:
            name, found = place.split("#", 1)[0], heading(env.srcdir, place)
            if found is None:
                continue
            docname = f"book/{name}"
            slugs = env.metadata[docname].get("myst_slugs", {})
            if found[1] not in slugs:
                continue
            entry = (
                "single",
                f"{term}; {short.get(name, name)}",
                slugs[found[1]][1],
                "",
                None,
            )
            index[docname].append(entry)
