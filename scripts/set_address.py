"""Write the repository's public address everywhere it occurs.

    python scripts/set_address.py https://github.com/owner/name   set it
    python scripts/set_address.py                                 derive all again from _config.yml
    python scripts/set_address.py --check                         only look, write nothing
    python scripts/set_address.py file:///path/to/a/clone         for a local trial, not to commit

The one source is `repository.url` in `_config.yml`. Derived from it are the first code cell of each
chapter, the links to Colab and to the rendered book in the README and the pages, the clone command,
`CITATION.cff` and the links in `pyproject.toml`. As long as it is the placeholder, the rendered
book takes the address of the git remote instead; `book/_ext/public_address.py` does that.

A `file://` address goes into the first cells only: they then install the package from a repository
on this machine. Run the script without an address to undo that.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import nbformat
from folding import fold

ROOT = Path(__file__).resolve().parent.parent

# GitHub accepts no underscore in an account's name. While the book has no public address, nobody
# can register this one and be installed by our first cells.
PLACEHOLDER = "https://github.com/set_address/gan-lessons"

INSTALL = """\
try:
    import gan_lessons
except ModuleNotFoundError:
    %pip install -q "git+{address}"
    import gan_lessons
"""
TITLE = "# @title Set-up: the package, the device, the budget\n"
FIRST_CELL = TITLE + INSTALL + '\ngan_lessons.start("{chapter}")'

ADDRESS_LINE = re.compile(r"^(?P<before>repository:\n\s+url:\s*)(?P<url>\S+)", re.MULTILINE)
CITED_LINE = re.compile(r"^repository-code:\s*(?P<url>\S+)", re.MULTILINE)

# What git knows a repository on GitHub by: https://…, ssh://…, or git@github.com:owner/name.
REMOTE = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^@/\s]+@)?(?:www\.|ssh\.)?github\.com(?::\d+)?/"
    r"|(?:[^@/:\s]+@)?github\.com:/?)"
    r"(?P<owner>[\w-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?",
    re.IGNORECASE,
)


def address(root: Path = ROOT) -> str:
    """The address in `_config.yml`; ValueError if there is none."""
    found = ADDRESS_LINE.search((root / "_config.yml").read_text(encoding="utf-8"))
    if not found:
        raise ValueError("_config.yml has no `repository:` with `url:` as its first line.")
    return found["url"].strip("\"'")


def parse(url: str) -> tuple[str, str]:
    """Owner and name of a GitHub address; ValueError for anything else."""
    parts = urlparse(url)
    path = parts.path.strip("/").removesuffix(".git").split("/")
    if parts.scheme != "https" or parts.netloc != "github.com" or len(path) != 2 or not all(path):
        raise ValueError(f"{url!r} is no address like https://github.com/owner/name.")
    return path[0], path[1]


def from_remote(url: str) -> str | None:
    """The public address of what git calls a remote; None if that is not on GitHub.

    A name or a token before the @ is left out: the address goes onto pages.
    """
    found = REMOTE.fullmatch(url.strip())
    return f"https://github.com/{found['owner']}/{found['name']}" if found else None


def remote(root: Path = ROOT) -> str | None:
    """The address of the git remote `origin`; None without git, a remote, or GitHub."""
    if not (root / ".git").exists():  # git would look in the folders above, at other repositories
        return None
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return from_remote(done.stdout) if done.returncode == 0 else None


def forms(url: str) -> dict[str, str]:
    """How a GitHub address is written in the files: repository, Colab, rendered book."""
    owner, name = parse(url)
    return {
        "repository": f"https://github.com/{owner}/{name}",
        "Colab": f"https://colab.research.google.com/github/{owner}/{name}/",
        "book": f"https://{owner.lower()}.github.io/{name}/",
    }


def chapter_name(path: Path) -> str:
    """The chapter of a notebook: book/foundations/gan.ipynb is foundations/gan."""
    return f"{path.parent.name}/{path.stem}"


def first_cell(chapter: str, url: str) -> str:
    """The source of a chapter's first code cell."""
    return FIRST_CELL.format(address=url.removesuffix("/"), chapter=chapter)


def set_first_cell(notebook: nbformat.NotebookNode, chapter: str, url: str) -> None:
    """Replace the first code cell, or put one after the title if the first is another one."""
    source = first_cell(chapter, url)
    codes = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    if codes and "gan_lessons.start(" in notebook.cells[codes[0]].source:
        cell = notebook.cells[codes[0]]
    else:
        cell = nbformat.v4.new_code_cell()
        notebook.cells.insert(1, cell)
    cell.source = source
    tags = set(cell.metadata.get("tags", [])) | {"hide-input", "nbval-ignore-output"}
    cell.metadata["tags"] = sorted(tags)
    fold(cell)


def chapters(root: Path = ROOT) -> list[Path]:
    """All chapters: the notebooks below book/, one folder for each part."""
    return sorted((root / "book").glob("*/*.ipynb"))


def text_files(root: Path = ROOT) -> list[Path]:
    """The files that may name the address, besides the notebooks."""
    names = ["_config.yml", "README.md", "CONTRIBUTING.md", "CITATION.cff", "pyproject.toml"]
    found = [root / name for name in names] + sorted((root / "book").rglob("*.md"))
    return [path for path in found if path.exists()]


def write_notebook(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook the way it is committed: one space of indentation, a newline at the end."""
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")


def apply(url: str, root: Path = ROOT, *, write: bool = True) -> list[Path]:
    """Bring every file in line with `url`; returns those that changed (or would).

    A GitHub address goes everywhere. Any other address that pip can install goes into the first
    cells only. ValueError for what is neither.
    """
    everywhere = urlparse(url).scheme != "file"
    replacements = _replacements(url, root) if everywhere else {}
    repository = forms(url)["repository"] if everywhere else url
    changed = []
    for path in text_files(root) if everywhere else []:
        before = path.read_text(encoding="utf-8")
        after = _replaced(before, replacements)
        if after != before:
            changed.append(path)
            if write:
                path.write_text(after, encoding="utf-8")
    for path in chapters(root):
        notebook = nbformat.read(path, as_version=4)
        before = nbformat.writes(notebook)
        set_first_cell(notebook, chapter_name(path), repository)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = _replaced(cell.source, replacements)
        if nbformat.writes(notebook) != before:
            changed.append(path)
            if write:
                write_notebook(notebook, path)
    return changed


def _replacements(url: str, root: Path) -> dict[str, str]:
    """What the files may say now, each with what they shall say.

    `_config.yml` may have been edited by hand; `CITATION.cff` then still has what the others have.
    A chapter that has just been added may come with the placeholder.
    """
    present = [address(root), PLACEHOLDER]
    citation = root / "CITATION.cff"
    if citation.exists() and (cited := CITED_LINE.search(citation.read_text(encoding="utf-8"))):
        present.append(cited["url"])
    new = forms(url)
    return {old: new[form] for known in present for form, old in forms(known).items()}


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        end = "" if old.endswith("/") else r"(?![\w-])"  # owner/name is no part of owner/name-2
        text = re.sub(re.escape(old) + end, new, text)
    return text


def strangers(root: Path = ROOT) -> list[str]:
    """Links to Colab, GitHub Pages or the placeholder that are not of the present address."""
    current = forms(address(root))
    patterns = [
        (r"https://colab\.research\.google\.com/github/[^/\s]+/[^/\s]+/", current["Colab"]),
        (r"https://[\w-]+\.github\.io/[\w.-]*gan[-_]lessons/", current["book"]),
        (r"https://github\.com/[^/\s]+/gan[-_]lessons\b", current["repository"]),
    ]
    if address(root) != PLACEHOLDER:
        patterns.append((r"set_address/\S*", None))
    found = []
    for path in text_files(root):
        text = path.read_text(encoding="utf-8")
        found += [
            f"{path.relative_to(root)}: {match}"
            for pattern, expected in patterns
            for match in re.findall(pattern, text)
            if match != expected
        ]
    return found


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", help="https://github.com/owner/name, or file://…")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if files differ")
    options = parser.parse_args(arguments)
    try:
        url = (options.url or address()).rstrip("/").removesuffix(".git")
        if urlparse(url).scheme != "file":
            parse(url)
    except ValueError as error:
        parser.error(str(error))
    changed = apply(url, write=not options.check)
    for path in changed:
        print(("differs: " if options.check else "written: ") + str(path.relative_to(ROOT)))
    wrong = strangers() if options.check else []
    for line in wrong:
        print(f"another address: {line}")
    if not changed:
        print(f"All files have {url}.")
    return int(options.check and bool(changed or wrong))


if __name__ == "__main__":
    sys.exit(main())
