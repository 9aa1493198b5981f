"""What others see of the book: the picture of a shared link, and the page where a link is dead.

- A shared link shows the picture that the chapter opens with; other pages show that of the gallery.
  The address of such a picture must be complete, so there is none where no public address is known.
- GitHub Pages serves `404.html` for every address that does not exist, in whatever folder. Its links
  are therefore written from the root of the site where the public address is known. Where it is not,
  they start at the page, which is right for a server whose root is the book's own folder.
"""

import html
import re
from pathlib import Path
from urllib.parse import urlparse

import cards
import chapters
import pictures

SIZE = (1200, 630)  # pixels, what the networks ask for
GENERAL = "objectives/gallery"  # its picture stands for the book
FOLDER = "_static/sharing"
LOST = "404"

# What leads to another page or file of the site: not an address, a place on the page, or data.
LOCAL = re.compile(
    r"""(?P<before>\s(?:href|src|action|data-content_root)=")(?P<to>(?![a-z][a-z0-9+.-]*:|//|\#|/)[^"]*)"""
)
DESCRIPTION = re.compile(
    r'(<meta (?:property="og:|name=")description" content=")[^"]*(")'
)
BODY = """\
<h1>This page does not exist</h1>
<p>The link that led you here is out of date or mistyped. What you are looking for may be here:</p>
<form class="lost-search" action="search.html" method="get" role="search">
<label for="lost-search">Search the book</label>
<input id="lost-search" type="search" name="q" autocomplete="off">
<button type="submit">Search</button>
</form>
<ul>
<li><a href="book/intro.html">The first page, with all chapters</a></li>
{parts}
<li><a href="book/glossary.html">The glossary</a></li>
<li><a href="genindex.html">The index</a></li>
</ul>
"""


def setup(app):
    """Called by `gan_lessons_book`."""
    app.connect("html-collect-pages", lost_page)
    app.connect("html-page-context", name_picture, priority=400)  # before opengraph
    app.connect("html-page-context", describe, priority=900)  # after opengraph
    app.connect("build-finished", root_links)


# --- the picture of a shared link ---------------------------------------------------------------


def name_picture(app, pagename, templatename, context, doctree):
    """Write the picture of a page, and tell the Open Graph extension where it is."""
    if not app.config.public_address or doctree is None:
        return
    root = app.env.srcdir
    there = {chapter.docname: chapter for chapter in chapters.written(root)}
    general = {chapter.name: chapter for chapter in there.values()}.get(GENERAL)
    for chapter in (there.get(pagename), general):
        path = chapter and chapters.notebook_path(root, chapter)
        image = path and path.exists() and pictures.picture(path)
        if image:
            break
    else:
        return
    name = f"{FOLDER}/{chapter.part}-{chapter.key}.png"
    target = Path(app.outdir) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    cards.panel(image, SIZE).save(target, optimize=True)
    context["meta"] = dict(context.get("meta") or {}) | {
        "og:image": f"{app.config.html_baseurl}{name}",
        "og:image:alt": chapters.alt(chapters.first_output(path)) or chapter.line,
    }


def describe(app, pagename, templatename, context, doctree):
    """Describe a chapter by its question, and say how large the picture is to be shown."""
    tags = context.get("metatags", "")
    root = app.env.srcdir
    chapter = {c.docname: c for c in chapters.written(root)}.get(pagename)
    if chapter and chapters.notebook_path(root, chapter).exists():
        text = chapters.question(chapters.notebook_path(root, chapter))
        tags = DESCRIPTION.sub(lambda m: f"{m[1]}{html.escape(text)}{m[2]}", tags)
    if FOLDER in tags:
        tags += (
            f'<meta property="og:image:width" content="{SIZE[0]}" />\n'
            f'<meta property="og:image:height" content="{SIZE[1]}" />\n'
            '<meta name="twitter:card" content="summary_large_image" />\n'
        )
    context["metatags"] = tags


# --- the page for dead links --------------------------------------------------------------------


def lost_page(app):
    """Give Sphinx a page that no document has."""
    parts = "\n".join(
        f'<li><a href="{part.index}.html">{part.title}</a></li>'
        for part in chapters.family(app.env.srcdir)
        if part.index in app.env.found_docs
    )
    context = {"title": "This page does not exist", "body": BODY.format(parts=parts)}
    yield LOST, context, "page.html"


def root_links(app, exception):
    """Have the links of that page start at the root of the site, where that is known."""
    path = Path(app.outdir) / f"{LOST}.html"
    if exception or app.builder.format != "html" or not path.exists():
        return
    if app.config.html_baseurl:
        root = urlparse(app.config.html_baseurl).path
        path.write_text(from_root(path.read_text("utf-8"), root), encoding="utf-8")


def from_root(page: str, root: str) -> str:
    """The page with every local link starting at `root`, such as /gan-lessons/."""
    return LOCAL.sub(
        lambda m: f"{m['before']}{root}{m['to'].removeprefix('./')}",
        page,
    )
