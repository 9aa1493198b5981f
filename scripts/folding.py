"""Which cells of a chapter are folded, and what the fold is called.

A cell that is no lesson (it draws, tabulates, checks) is tagged `hide-input`, or `hide-cell` where
its output is folded too, and its first line is a title:

    # @title Draw the two distances

Colab then shows a form, JupyterLab hides the source, and a page has a button "Show the code: Draw
the two distances". The metadata for the three is made here from the tag and the title alone.
"""

import re

import nbformat

FOLDS = {"hide-input", "hide-cell"}
TITLE = re.compile(r"# @title (?P<title>\S.*)")
LONGEST = 60  # characters of a title: the button stays on one line of a phone, or on two
PROMPTS = {"code_prompt_show": "Show the code: {}", "code_prompt_hide": "Hide the code: {}"}


def title(cell: nbformat.NotebookNode) -> str | None:
    """The title in a code cell's first line, None if it has none."""
    found = TITLE.match(cell.source) if cell.cell_type == "code" else None
    return found["title"].strip() if found else None


def is_folded(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is tagged as folded."""
    return bool(FOLDS & set(cell.metadata.get("tags", [])))


def fold(cell: nbformat.NotebookNode) -> None:
    """Give a folded cell with a title what shows it folded; take that from any other cell."""
    name = title(cell) if is_folded(cell) else None
    settings = {k: v for k, v in cell.metadata.get("mystnb", {}).items() if k not in PROMPTS}
    hidden = {k: v for k, v in cell.metadata.get("jupyter", {}).items() if k != "source_hidden"}
    if name:
        plain = name.replace("{", "(").replace("}", ")")  # MyST-NB formats the prompt once more
        settings |= {key: prompt.format(plain) for key, prompt in PROMPTS.items()}
        hidden["source_hidden"] = True
        cell.metadata["cellView"] = "form"
    else:
        cell.metadata.pop("cellView", None)
    for key, value in (("mystnb", settings), ("jupyter", hidden)):
        if value:
            cell.metadata[key] = nbformat.from_dict(value)
        else:
            cell.metadata.pop(key, None)
