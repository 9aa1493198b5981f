"""The public address on the rendered pages: where it comes from, and what there is without one."""

import os
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from set_address import PLACEHOLDER, chapter_name, first_cell, forms, from_remote, remote

from tests.book.content import BOOK, CHAPTERS, PAGES, ROOT, chapter_id

sys.path.append(str(BOOK / "_ext"))
import public_address

ADDRESS = "https://github.com/Somebody/other-name"
SITE = "https://somebody.github.io/other-name/"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A function that makes a folder, with a git repository if a remote is given."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # a hook of git sets some that name another repository
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # which may rewrite remotes

    def make(url=None):
        if url is not None:
            subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
        if url:
            subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", url], check=True)
        return tmp_path

    return make


def settings(url, root):
    """What `public_address.set_address` makes of the settings that Jupyter Book hands over."""
    options = {
        "repository_url": url,
        "repository_branch": "main",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"notebook_interface": "classic", "colab_url": "https://colab.example"},
        "home_page_in_navbar": True,
    }
    config = SimpleNamespace(html_theme_options=options, html_baseurl="", ogp_site_url="")
    public_address.set_address(SimpleNamespace(srcdir=str(root)), config)
    assert config.html_theme_options is options, "the theme's options must not be replaced"
    assert options["home_page_in_navbar"]
    return config


# --- where it comes from ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Somebody/other-name",
        "https://github.com/Somebody/other-name.git",
        "https://github.com/Somebody/other-name/",
        "https://GitHub.com/Somebody/other-name.git\n",
        "https://somebody@github.com/Somebody/other-name.git",
        "https://x-access-token:secret@github.com/Somebody/other-name",
        "git@github.com:Somebody/other-name.git",
        "git@github.com:Somebody/other-name",
        "github.com:Somebody/other-name.git",
        "ssh://git@github.com/Somebody/other-name.git",
        "ssh://git@ssh.github.com:443/Somebody/other-name.git",
        "git://github.com/Somebody/other-name.git",
    ],
)
def test_a_remote_on_github_gives_its_address(url):
    assert from_remote(url) == ADDRESS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://gitlab.com/somebody/other-name.git",
        "git@gitlab.com:somebody/other-name.git",
        "https://github.com.example.org/somebody/other-name",
        "https://example.org/github.com/somebody/other-name",
        "https://notgithub.com/somebody/other-name",
        "git@notgithub.com:somebody/other-name",
        "https://github.com/somebody",
        "https://github.com/somebody/other-name/tree/main",
        "/repositories/github.com/other-name.git",
        "../other-name",
        "file:///srv/other-name.git",
    ],
)
def test_another_remote_gives_none(url):
    assert from_remote(url) is None


def test_names_may_have_dots():
    assert from_remote("git@github.com:a/b.c.git") == "https://github.com/a/b.c"


def test_the_remote_is_that_of_the_folder_itself(folder):
    root = folder("git@github.com:Somebody/other-name.git")
    (root / "copy").mkdir()
    assert remote(root) == ADDRESS
    assert remote(root / "copy") is None, "that is a folder in another repository"


@pytest.mark.parametrize("url", [None, "", "https://gitlab.com/somebody/other-name.git"])
def test_without_a_remote_on_github_there_is_none(folder, url):
    assert remote(folder(url)) is None


def test_without_git_there_is_none(folder, monkeypatch):
    root = folder(ADDRESS)
    monkeypatch.setenv("PATH", str(root))
    assert remote(root) is None


# --- the settings of the book ----------------------------------------------------------------


@pytest.mark.parametrize("url", [PLACEHOLDER, f"{PLACEHOLDER}.git", None, ""])
def test_the_remote_serves_where_no_address_is_set(folder, url):
    config = settings(url, folder("git@github.com:Somebody/other-name.git"))
    options = config.html_theme_options
    assert config.public_address == options["repository_url"] == ADDRESS
    assert config.html_baseurl == config.ogp_site_url == SITE
    assert options["use_repository_button"]
    assert options["use_issues_button"]
    assert options["launch_buttons"]["colab_url"]


def test_the_address_in_the_settings_wins(folder):
    config = settings(f"{ADDRESS}.git", folder("https://github.com/else/else.git"))
    assert config.public_address == config.html_theme_options["repository_url"] == ADDRESS
    assert config.html_baseurl == config.ogp_site_url == SITE


@pytest.mark.parametrize("url", [None, "https://gitlab.com/somebody/other-name.git"])
def test_without_an_address_there_are_no_buttons(folder, url):
    config = settings(PLACEHOLDER, folder(url))
    options = config.html_theme_options
    assert (config.public_address, config.html_baseurl, config.ogp_site_url) == ("", "", "")
    assert options["repository_url"] == ""
    assert not options["use_repository_button"]
    assert not options["use_issues_button"]
    assert options["launch_buttons"] == {"notebook_interface": "classic"}


def test_the_settings_have_the_address_once():
    text = (ROOT / "_config.yml").read_text(encoding="utf-8")
    present = forms(yaml.safe_load(text)["repository"]["url"])
    assert sum(text.count(form) for form in present.values()) == 1


# --- the text of the pages -------------------------------------------------------------------


@pytest.mark.parametrize("path", [*CHAPTERS, *PAGES], ids=chapter_id)
@pytest.mark.parametrize("address", [ADDRESS, ""])
def test_no_page_shows_the_placeholder(path, address):
    is_notebook = path.suffix == ".ipynb"
    text = path.read_text(encoding="utf-8")
    shown = public_address.published(text, address, is_notebook=is_notebook)
    assert not public_address.names_placeholder(shown)
    if is_notebook:
        nbformat.validate(nbformat.reads(shown, as_version=4))


def test_a_page_shows_the_address():
    text = f"[Site]({forms(PLACEHOLDER)['book']}book/intro.html)\n\n    git clone {PLACEHOLDER} x\n"
    shown = public_address.published(text, ADDRESS)
    assert shown == f"[Site]({SITE}book/intro.html)\n\n    git clone {ADDRESS} x\n"


def test_a_page_without_an_address_has_no_such_links():
    text = (
        f"See [the source]({PLACEHOLDER}/blob/main/a.py) or [arXiv](https://arxiv.org).\n\n"
        f"```bash\ngit clone {PLACEHOLDER} here\ncd here\n```\n"
    )
    assert public_address.published(text, "") == (
        "See the source or [arXiv](https://arxiv.org).\n\n"
        f"```bash\n{public_address.CLONE_IT}\ncd here\n```\n"
    )


def a_chapter():
    cells = [
        nbformat.v4.new_markdown_cell(f"# GAN\n\nThe source is [here]({PLACEHOLDER})."),
        nbformat.v4.new_code_cell(first_cell("foundations/gan", PLACEHOLDER)),
    ]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells))


def test_the_first_cell_installs_from_the_address():
    shown = public_address.published(a_chapter(), ADDRESS, is_notebook=True)
    title, code = nbformat.reads(shown, as_version=4).cells
    assert title.source == f"# GAN\n\nThe source is [here]({ADDRESS})."
    assert code.source == first_cell("foundations/gan", ADDRESS)


def test_the_first_cell_asks_for_a_clone_where_there_is_no_address():
    shown = public_address.published(a_chapter(), "", is_notebook=True)
    title, code = nbformat.reads(shown, as_version=4).cells
    assert title.source == "# GAN\n\nThe source is here."
    title, comment, *lines = code.source.splitlines()
    assert title.startswith("# @title ")
    assert comment.startswith("# ")
    assert "clone" in comment
    assert lines == ["import gan_lessons", "", 'gan_lessons.start("foundations/gan")']


def page(text, address):
    """A page as the events of Sphinx see it: the text read, and how often a warning was given."""
    app = SimpleNamespace(
        env=SimpleNamespace(doc2path=lambda name: f"{name}.md"),
        config=SimpleNamespace(public_address=address),
    )
    source = [text]
    public_address.read_page(app, "book/page", source)
    return source[0]


def test_an_address_that_is_left_is_a_warning(monkeypatch):
    warnings = []
    monkeypatch.setattr(public_address.LOGGER, "warning", lambda *a, **k: warnings.append(k))
    assert page(f"<{PLACEHOLDER}>", ADDRESS) == f"<{ADDRESS}>"
    assert not warnings
    assert page(f"<{PLACEHOLDER}>", "") == f"<{PLACEHOLDER}>"
    assert warnings == [{"location": "book/page"}]


def test_only_an_address_gives_a_url_of_the_page():
    tags = (
        '<meta property="og:type" content="website" />\n<meta property="og:url" content="{}" />\n'
    )
    for address, left in ((ADDRESS, 2), ("", 1)):
        app = SimpleNamespace(config=SimpleNamespace(public_address=address))
        context = {"metatags": tags.format("page.html")}
        public_address.drop_relative_url(app, "page", "page.html", context, None)
        assert context["metatags"].count("<meta ") == left
        assert "og:type" in context["metatags"]


def test_downloads_have_the_address_too(tmp_path):
    copy = tmp_path / "_sources" / "book" / "foundations" / "gan.ipynb"
    copy.parent.mkdir(parents=True)
    copy.write_text(a_chapter(), encoding="utf-8")
    app = SimpleNamespace(
        outdir=str(tmp_path),
        builder=SimpleNamespace(format="html"),
        config=SimpleNamespace(public_address=ADDRESS),
    )
    public_address.write_downloads(app, None)
    cells = nbformat.read(copy, as_version=4).cells
    assert cells[1].source == first_cell(chapter_name(copy), ADDRESS)


# --- the workflow ----------------------------------------------------------------------------


def test_the_workflow_sets_the_address_before_it_renders():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8"))
    commands = [step.get("run", "") for step in workflow["jobs"]["book"]["steps"]]
    command = 'make address URL="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"'
    setting = next(i for i, text in enumerate(commands) if command in text)
    assert setting < commands.index("make book")
