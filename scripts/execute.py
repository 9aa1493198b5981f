"""Execute chapters from top to bottom and store them with their outputs.

    python scripts/execute.py book/foundations/gan.ipynb [more.ipynb …] --budget cpu
    python scripts/execute.py book/foundations/gan.ipynb [more.ipynb …] --fill    only what is new
    python scripts/execute.py book/foundations/gan.ipynb [more.ipynb …] --tidy    runs nothing

The original is replaced only if every cell ran and the outputs are fit to be committed: no error
or warning, no path of this machine, alternative text for every image, at most 1.5 MB. The time
that it takes goes to `gan_lessons/timings.json`, from where the first cell reads it.

With `--fill` only the cells run that never ran (their count is empty), in a kernel of their own,
after nothing but the first cell and the imports. So they cannot depend on what the chapter trains
and draw what they would draw in a run of the whole. The other outputs stay. It is for a diagram
or a curve that is added to a chapter; a cell that needs more fails: then execute the chapter. The
first cell runs in any case, so that it states the time that is stored now.

With `--tidy` the outputs stay, and only what surrounds them is made anew: the first cell, the ids,
the metadata that folds a cell (see `folding.py`) and describes an image.
"""

import argparse
import ast
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from folding import fold
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from set_address import address, chapter_name, set_first_cell, write_notebook

ROOT = Path(__file__).resolve().parent.parent
TIMINGS = ROOT / "gan_lessons" / "timings.json"
LIMIT = 1_500_000  # bytes of a notebook
WIDGET = "application/vnd.jupyter.widget-view+json"
START = re.compile(r'gan_lessons\.start\("(?P<chapter>[\w/]+)"\)')
RICH = {"text/html", "text/markdown", "image/png", "image/jpeg", "image/svg+xml", "text/latex"}
PROGRESS = re.compile(r"^(.*\d+%\|.*|.*\d+\s*(it|s/it)\s*\[.*)?$")

# Folders of people and machines, whoever's they are.
FOLDERS = (
    r"(?<![\w./-])(?:/(?:home|Users|root|tmp|private|mnt|media|var|opt|srv)/[\w.~-]+|[A-Z]:\\)"
)
DATA_URI = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]*")


def execute(path: Path, budget: str) -> tuple[nbformat.NotebookNode, float]:
    """A copy of the notebook with fresh outputs, and the seconds it takes on an idle machine.

    Raises CellExecutionError if a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    set_first_cell(notebook, chapter_name(path), address())
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started, worked = time.perf_counter(), _processor_seconds()
    _run(notebook, path, budget)
    # On a busy machine a run waits; what one thread works is what it would take on an idle core.
    seconds, worked = time.perf_counter() - started, _processor_seconds() - worked
    return notebook, min(seconds, worked or seconds)  # Windows does not say what children work


def fill(path: Path) -> tuple[nbformat.NotebookNode, int]:
    """A copy of the notebook in which the cells that never ran have outputs; how many they are.

    Raises CellExecutionError if one of them needs more than the first cell and the imports.
    """
    notebook = nbformat.read(path, as_version=4)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    new = [cell for cell in codes[1:] if cell.execution_count is None]
    imports = nbformat.v4.new_code_cell("\n".join(line for c in codes[1:] for line in _imports(c)))
    part = nbformat.v4.new_notebook(metadata=notebook.metadata)
    part.cells = [nbformat.from_dict(cell) for cell in (codes[0], imports, *new)]
    _run(part, path, "cpu")
    for cell, ran in zip([codes[0], *new], [part.cells[0], *part.cells[2:]], strict=True):
        cell.outputs = ran.outputs
    for number, cell in enumerate(codes, 1):
        cell.execution_count = number
    return notebook, len(new)


def _imports(cell: nbformat.NotebookNode) -> list[str]:
    """The imports at the top level of a cell; none of a cell with a magic."""
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:
        return []
    return [ast.unparse(each) for each in body if isinstance(each, ast.Import | ast.ImportFrom)]


def _run(notebook: nbformat.NotebookNode, path: Path, budget: str) -> None:
    """Execute the cells of a notebook that lies at `path`, under a budget."""
    environment = os.environ | {
        "GAN_LESSONS_BUDGET": budget,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    environment.pop("MPLBACKEND", None)  # the kernel chooses its inline backend
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
    )
    client.execute(env=environment)


def _processor_seconds() -> float:
    """What the kernels of this process have worked so far, all threads together."""
    times = os.times()
    return times.children_user + times.children_system


def tidy(notebook: nbformat.NotebookNode, slug: str) -> None:
    """Keep what a reader sees; drop what differs from run to run or needs a kernel."""
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "code"), "")
    if started := START.search(first):
        set_first_cell(notebook, started["chapter"], address())
    notebook.metadata = nbformat.from_dict(
        {
            "accelerator": "GPU",  # Colab then offers a machine that has one
            "colab": {"gpuType": "T4", "provenance": []},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for index, cell in enumerate(notebook.cells):
        cell.id = f"{slug}-{index:03d}"
        cell.metadata = nbformat.from_dict(
            {"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {}
        )
        if cell.cell_type == "code":
            cell.outputs = _merged([o for o in map(_kept, cell.outputs) if o is not None])
            _copy_alt(cell)
            fold(cell)
        else:
            cell.pop("attachments", None)


def _kept(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    if output.output_type == "stream" and output.name == "stderr":
        lines = re.split(r"[\r\n]+", output.text)
        output.text = "\n".join(line for line in lines if not PROGRESS.match(line))
        return output if output.text.strip() else None
    if "data" in output and WIDGET in output.data:
        del output.data[WIDGET]
        if not RICH & set(output.data):
            return None
    if "metadata" in output:
        output.metadata = nbformat.from_dict(
            {key: value for key, value in output.metadata.items() if key in output.data}
        )
    return output


def _merged(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Consecutive pieces of the same stream become one."""
    result: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = result[-1] if result else None
        if (
            last is not None
            and output.output_type == last.output_type == "stream"
            and output.name == last.name
        ):
            last.text += output.text
        else:
            result.append(output)
    return result


def _copy_alt(cell: nbformat.NotebookNode) -> None:
    """Jupyter Book takes alt text and width from the cell; `show` puts them at the output."""
    facts = [image for output in cell.outputs for image in image_metadata(output)]
    if len(facts) == 1 and facts[0].get("alt"):
        image = {"alt": facts[0]["alt"]}
        if "width" in facts[0]:  # else a small figure is stretched to the width of the page
            image["width"] = f"{facts[0]['width']}px"
        cell.metadata["mystnb"] = nbformat.from_dict({"image": image})


def image_metadata(output: nbformat.NotebookNode) -> list[dict]:
    """The metadata of each image in an output's bundle."""
    return [
        output.get("metadata", {}).get(mime, {})
        for mime in output.get("data", {})
        if mime.startswith("image/")
    ]


def image_alts(output: nbformat.NotebookNode) -> list[str]:
    """The alternative text of each image in an output's bundle, "" where there is none."""
    return [image.get("alt", "") for image in image_metadata(output)]


def machine_paths(text: str) -> list[str]:
    """Paths in a text that only one machine has: its folders, or anybody's home."""
    text = DATA_URI.sub("", text)
    own = {str(Path.home()), tempfile.gettempdir(), str(ROOT), sys.prefix} - {"/", ""}
    own |= {os.path.realpath(folder) for folder in own}
    pattern = "|".join([*(rf"{re.escape(folder)}(?![\w-])" for folder in sorted(own)), FOLDERS])
    return re.findall(rf"(?:{pattern})[^\s\"'<>)]*", text)


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Why the notebook must not be committed as it is; empty if it may."""
    found = []
    size = len(nbformat.writes(notebook).encode())
    if size > LIMIT:
        found.append(f"it has {size / 1e6:.2f} MB; at most {LIMIT / 1e6} MB")
    if "widgets" in notebook.metadata:
        found.append("it has saved widget state")
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(codes, 1):
        where = f"code cell {number} ({(cell.source.splitlines() or ['empty'])[0]!r})"
        if cell.execution_count != number:
            found.append(f"{where}: its count is {cell.execution_count}; not run top to bottom")
        alts = []
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"{where}: {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{where}: on stderr: {output.text.strip()[:300]}")
            data = output.get("data", {})
            text = "\n".join(
                [output.get("text", ""), *(str(v) for k, v in data.items() if k.startswith("text"))]
            )
            found += [f"{where}: path of a machine: {path}" for path in machine_paths(text)]
            if re.search(r"\b\w*Warning:", text):
                found.append(f"{where}: a warning in its output")
            if re.search(r" at 0x[0-9a-f]{6,}", text):
                found.append(f"{where}: an address in memory, other in each run, in its output")
            if WIDGET in data:
                found.append(f"{where}: a widget, which is empty without a kernel")
            alts += image_alts(output)
        if len(alts) > 1:
            found.append(f"{where}: {len(alts)} images; one image for each cell")
        found += [
            f"{where}: alternative text of at least 20 characters is missing: use figures.show"
            for alt in alts
            if len(alt) < 20
        ]
    return found


def record(chapter: str, budget: str, seconds: float) -> None:
    """Store how long a chapter takes under a budget."""
    timings = json.loads(TIMINGS.read_text(encoding="utf-8")) if TIMINGS.exists() else {}
    timings.setdefault(chapter, {})[budget] = round(seconds)
    _replace(TIMINGS, json.dumps(timings, indent=2, sort_keys=True) + "\n")


def slug(path: Path) -> str:
    """What the ids of a chapter's cells begin with."""
    return path.stem.replace("_", "-")


def _store(notebook: nbformat.NotebookNode, path: Path) -> None:
    nbformat.validate(notebook)
    fresh = path.with_name(f".{path.name}.new")
    write_notebook(notebook, fresh)
    fresh.replace(path)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--budget", choices=("smoke", "cpu", "gpu"), help="execute with this budget")
    what.add_argument("--fill", action="store_true", help="execute only what never ran")
    what.add_argument("--tidy", action="store_true", help="execute nothing, keep the outputs")
    options = parser.parse_args(arguments)
    failed = 0
    for path in (path.resolve() for path in options.notebooks):
        chapter = chapter_name(path)
        if options.tidy:
            notebook = nbformat.read(path, as_version=4)
            tidy(notebook, slug(path))
            _store(notebook, path)
            continue
        print(f"{chapter}: executing, {options.budget or 'what is new'} …", flush=True)
        try:
            if options.fill:
                notebook, filled = fill(path)
            else:
                notebook, seconds = execute(path, options.budget)
        except CellExecutionError as error:
            print(f"{chapter}: a cell failed; the file is as it was.\n{error}")
            failed += 1
            continue
        tidy(notebook, slug(path))
        found = problems(notebook)
        if found:
            print(f"{chapter}: not stored, the file is as it was:\n  " + "\n  ".join(found))
            failed += 1
            continue
        _store(notebook, path)
        if options.budget:
            record(chapter, options.budget, seconds)
        did = f"{seconds:.0f} s" if options.budget else f"{filled} cells filled"
        print(f"{chapter}: {did}, {path.stat().st_size / 1e6:.2f} MB")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
