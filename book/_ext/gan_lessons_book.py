"""What the rendered book needs beyond `_config.yml`.

- MathJax comes from the site itself and not from a content network: the book is then complete
  without a connection, and no third party sees who reads it. The files are those of the Python
  package sphinx-mathjax-offline; of its 24 MB only the parts that a page can ask for are copied.
- Single options of the theme. `html_theme_options` in `_config.yml` would replace all that Jupyter
  Book sets, and the Colab button with it.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

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
    app.connect("config-inited", set_options)
    app.connect("builder-inited", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def set_options(app, config):
    """Serve MathJax from the site; show one search box, not two."""
    config.mathjax_path = "mathjax/tex-chtml.js"
    config.html_theme_options["navbar_persistent"] = []


def copy_mathjax(app):
    """Copy MathJax beside the other static files, unless it is there."""
    if app.builder.format != "html":
        return
    source = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in MATHJAX_PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        elif not (target / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / part, target / part)
