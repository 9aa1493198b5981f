"""The public address of the repository on the pages of the rendered book.

It is `repository.url` in `_config.yml`, or, as long as that is the placeholder, the git remote
`origin`. From it come the buttons for Colab, the repository and issues, the canonical links and the
Open Graph tags. Where neither is known, all these are left out: a link that leads nowhere is worse
than no link.

The placeholder also stands in the first cell of each chapter and in the command that clones. A page
shows the public address there, or says that it needs a clone, and so does the notebook that can be
downloaded from it. The files in the repository stay as they are.
"""

import re
import sys
from pathlib import Path

import nbformat
from sphinx.util import logging

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
from set_address import INSTALL, PLACEHOLDER, forms, remote

LOGGER = logging.getLogger(__name__)
HOLDERS = forms(PLACEHOLDER)
BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")

LINK = re.compile(
    rf"\[([^\]]*)\]\((?:{'|'.join(map(re.escape, HOLDERS.values()))})[^)]*\)"
)
CLONE = re.compile(
    rf"^( *)git clone {re.escape(HOLDERS['repository'])}\b.*$", re.MULTILINE
)
CLONE_IT = "# Clone the repository that these pages were built from. Then:"
IMPORT = """\
# The package is part of the book's repository: run this notebook in a clone of it.
import gan_lessons
"""


def setup(app):
    """Called by `gan_lessons_book`."""
    # "env": pages are read again when the address becomes another one.
    app.add_config_value("public_address", "", "env", str)
    app.connect("config-inited", set_address)
    app.connect("source-read", read_page)
    app.connect("html-page-context", drop_relative_url, priority=900)  # after opengraph
    app.connect("build-finished", write_downloads)


def set_address(app, config):
    """Make all settings that name the repository or the site from the one address."""
    options = config.html_theme_options
    said = options.get("repository_url") or PLACEHOLDER
    known = remote(Path(app.srcdir)) if forms(said) == HOLDERS else said
    if known:
        address = forms(known)
        config.public_address = options["repository_url"] = address["repository"]
        config.html_baseurl = config.ogp_site_url = address["book"]
        if known != said:
            LOGGER.info(
                "The address is that of the git remote, %s. The chapters in the repository still "
                "have a placeholder: `make address URL=%s` writes it there, for Colab.",
                known,
                known,
            )
        return
    LOGGER.info(
        "No public address is known: the pages have no links to the repository or Colab."
    )
    config.public_address = options["repository_url"] = ""
    config.html_baseurl = config.ogp_site_url = ""
    for button in BUTTONS:
        options[button] = False
    options.get("launch_buttons", {}).pop("colab_url", None)


def published(text, address, *, is_notebook=False):
    """The text of a page or notebook with `address`, "" if none is known, for the placeholder."""
    if not names_placeholder(text):
        return text
    if address:
        new = forms(address)
        for form, placeholder in HOLDERS.items():
            text = text.replace(placeholder, new[form])
        return text
    if not is_notebook:
        return CLONE.sub(rf"\1{CLONE_IT}", LINK.sub(r"\1", text))
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = published(cell.source, address)
        else:
            cell.source = cell.source.replace(
                INSTALL.format(address=PLACEHOLDER), IMPORT
            )
    return nbformat.writes(notebook)


def names_placeholder(text):
    """Whether a text has an address that is none."""
    return any(placeholder in text for placeholder in HOLDERS.values())


def read_page(app, docname, source):
    """Give Sphinx the text with the public address. With -W, one that is left stops the build."""
    is_notebook = app.env.doc2path(docname).endswith(".ipynb")
    source[0] = published(source[0], app.config.public_address, is_notebook=is_notebook)
    if names_placeholder(source[0]):
        LOGGER.warning("names %s, which is no address", PLACEHOLDER, location=docname)


def drop_relative_url(app, pagename, templatename, context, doctree):
    """Without an address og:url is a path within the site, which tells nobody anything."""
    if not app.config.public_address:
        context["metatags"] = re.sub(
            r'<meta property="og:url"[^>]*>\s*', "", context.get("metatags", "")
        )


def write_downloads(app, exception):
    """Write the public address into the copies of the sources that a page offers."""
    if exception or app.builder.format != "html":
        return
    for path in sorted((Path(app.outdir) / "_sources").rglob("*.*")):
        if path.suffix in {".ipynb", ".md"}:
            before = path.read_text(encoding="utf-8")
            is_notebook = path.suffix == ".ipynb"
            after = published(
                before, app.config.public_address, is_notebook=is_notebook
            )
            if after != before:
                path.write_text(after, encoding="utf-8")
