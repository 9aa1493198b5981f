"""Copy the picture of the README out of the DCGAN chapter, so that it shows a run of the book.

    python scripts/readme_picture.py

Takes the first picture of `book/foundations/dcgan.ipynb` and writes `book/_static/digits.png`.
"""

import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent


def first_picture(notebook: nbformat.NotebookNode) -> bytes:
    """The first PNG among the outputs; ValueError if the notebook has none."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"])
    raise ValueError("The chapter holds no picture: execute it with scripts/execute.py first.")


def main() -> None:
    """Write the picture and say how large it is."""
    chapter = nbformat.read(ROOT / "book/foundations/dcgan.ipynb", as_version=4)
    target = ROOT / "book/_static/digits.png"
    target.write_bytes(first_picture(chapter))
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
