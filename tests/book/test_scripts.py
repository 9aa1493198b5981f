"""The scripts that write and check the pages: what they change and what they refuse."""

import json
import shutil

import check_pages
import execute
import folding
import nbformat
import pytest
import set_address

from tests.book.content import ROOT
from tests.helpers import load_script

OLD = set_address.PLACEHOLDER
NEW = "https://github.com/somebody/other-name"


def stream(name, text):
    return nbformat.v4.new_output("stream", name=name, text=text)


def display(data, metadata=None):
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata or {})


def one_cell(*outputs):
    cell = nbformat.v4.new_code_cell("f()", outputs=list(outputs), execution_count=1)
    return nbformat.v4.new_notebook(cells=[cell])


def tidied(*outputs):
    notebook = one_cell(*outputs)
    execute.tidy(notebook, "gan")
    nbformat.validate(notebook)
    return notebook


# --- execute ---------------------------------------------------------------------------------


def test_progress_bars_disappear():
    bar = display({execute.WIDGET: {"model_id": "1"}, "text/plain": "  0%|      | 0/3"})
    error = stream("stderr", "\r  0%|     | 0/3 [00:00<?]\r100%|#####| 3/3 [00:00<00:00, 9it/s]\n")
    assert tidied(bar, error).cells[0].outputs == []


def test_a_widget_with_a_still_becomes_the_still():
    output = display({execute.WIDGET: {"model_id": "1"}, "text/html": "<p>still</p>"})
    assert list(tidied(output).cells[0].outputs[0].data) == ["text/html"]


def test_streams_are_merged():
    outputs = tidied(stream("stdout", "a\n"), stream("stdout", "b\n")).cells[0].outputs
    assert [output.text for output in outputs] == ["a\nb\n"]


def test_alternative_text_is_copied_to_the_cell():
    alt = "A curve that falls and then stays."
    output = display({"image/png": "iVBORw0KGgo="}, {"image/png": {"alt": alt}})
    notebook = tidied(output)
    assert notebook.cells[0].metadata.mystnb.image.alt == alt
    assert execute.problems(notebook) == []


def test_metadata_is_the_same_for_everybody():
    notebook = one_cell()
    notebook.metadata = nbformat.from_dict(
        {"widgets": {"state": 1}, "language_info": {"name": "python", "version": "3.11.7"}}
    )
    notebook.cells[0].metadata = nbformat.from_dict(
        {"tags": ["nbval-skip"], "execution": {"iopub.status.busy": "2026-01-01"}}
    )
    execute.tidy(notebook, "gan")
    assert "widgets" not in notebook.metadata
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.cells[0].metadata == {"tags": ["nbval-skip"]}
    assert notebook.cells[0].id == "gan-000"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (stream("stderr", "Careful: this is old\n"), "stderr"),
        (stream("stdout", "UserWarning: this is old\n"), "warning"),
        (stream("stdout", f"saved in {ROOT}/runs\n"), "path of a machine"),
        (stream("stdout", "saved in /ho" + "me/somebody/runs\n"), "path of a machine"),
        (display({"text/plain": "<module.Thing at 0x7f3a5c0d9e10>"}), "address in memory"),
        (display({"image/png": "iVBORw0KGgo="}), "alternative text"),
        (
            nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[]),
            "ValueError",
        ),
        (stream("stdout", "0" * execute.LIMIT), "MB"),
    ],
)
def test_unfit_outputs_are_refused(output, message):
    found = execute.problems(tidied(output))
    assert len(found) == 1
    assert message in found[0]


def test_pictures_inside_html_are_no_paths():
    html = '<img alt="x" src="data:image/png;base64,AAA/ro' + "ot/abcd/ho" + 'me/user/AA=">'
    assert execute.problems(tidied(display({"text/html": html}))) == []


def test_two_images_in_a_cell_are_refused():
    metadata = {"image/png": {"alt": "A curve that falls and then stays."}}
    output = display({"image/png": "iVBORw0KGgo="}, metadata)
    assert "one image" in execute.problems(tidied(output, output.copy()))[0]


def test_cells_run_out_of_order_are_refused():
    notebook = one_cell()
    notebook.cells[0].execution_count = 7
    assert "top to bottom" in execute.problems(notebook)[0]


def test_a_failing_chapter_stays_as_it_was(tmp_path, capsys):
    path = tmp_path / "foundations" / "nosuch.ipynb"  # the first cell refuses this chapter
    path.parent.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title")])
    set_address.write_notebook(notebook, path)
    before = path.read_bytes()
    timings = execute.TIMINGS.read_bytes() if execute.TIMINGS.exists() else None
    assert execute.main([str(path), "--budget", "smoke"]) == 1
    assert "There is no chapter" in capsys.readouterr().out
    assert path.read_bytes() == before
    assert timings == (execute.TIMINGS.read_bytes() if execute.TIMINGS.exists() else None)
    assert [p.name for p in path.parent.iterdir()] == ["nosuch.ipynb"]


def test_seconds_are_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "TIMINGS", tmp_path / "timings.json")
    execute.record("foundations/gan", "cpu", 95.4)
    execute.record("foundations/gan", "gpu", 120.6)
    stored = json.loads((tmp_path / "timings.json").read_text(encoding="utf-8"))
    assert stored == {"foundations/gan": {"cpu": 95, "gpu": 121}}


@pytest.fixture
def half_run(tmp_path):
    """A chapter with a slow cell that ran, and a new cell that did not."""
    v4 = nbformat.v4
    cells = [
        v4.new_code_cell("print('set up')", execution_count=1, outputs=[stream("stdout", "old")]),
        v4.new_code_cell("import math\nslow = 1 / 0", execution_count=7),
        v4.new_code_cell("print(math.floor(2.5))", execution_count=None),
        v4.new_code_cell("print(slow)", execution_count=8, outputs=[stream("stdout", "kept")]),
    ]
    path = tmp_path / "chapter.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def test_only_what_never_ran_is_filled(half_run, monkeypatch, tmp_path):
    """After the set-up and the imports of the chapter, but not after its slow cell."""
    monkeypatch.setattr(execute, "TIMINGS", tmp_path / "timings.json")
    assert execute.main([str(half_run), "--fill"]) == 0
    cells = nbformat.read(half_run, as_version=4).cells
    texts = [[output.text.strip() for output in cell.outputs] for cell in cells]
    assert texts == [["set up"], [], ["2"], ["kept"]]
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4]
    assert not execute.TIMINGS.exists(), "the chapter was not timed"


def test_a_new_cell_that_needs_the_training_is_not_filled(half_run, capsys):
    notebook = nbformat.read(half_run, as_version=4)
    notebook.cells[2].source = "print(slow)"
    nbformat.write(notebook, half_run)
    before = half_run.read_bytes()
    assert execute.main([str(half_run), "--fill"]) == 1
    assert "the file is as it was" in capsys.readouterr().out
    assert half_run.read_bytes() == before


def test_a_notebook_is_tidied_without_running(tmp_path):
    path = tmp_path / "foundations" / "gan.ipynb"
    path.parent.mkdir()
    notebook = one_cell(stream("stdout", "2\n"))
    notebook.cells[0] |= {"source": "# @title Add\n1 + 1", "metadata": {"tags": ["hide-input"]}}
    set_address.write_notebook(notebook, path)
    assert execute.main([str(path), "--tidy"]) == 0
    cell = nbformat.read(path, as_version=4).cells[0]
    assert (cell.outputs, cell.execution_count) == (notebook.cells[0].outputs, 1)
    assert cell.metadata.mystnb.code_prompt_show == "Show the code: Add"
    before = path.read_bytes()
    assert execute.main([str(path), "--tidy"]) == 0
    assert path.read_bytes() == before


def test_tidying_brings_the_first_cell_up_to_date():
    notebook = one_cell(stream("stdout", "Budget: cpu\n"))
    notebook.cells[0].source = 'import gan_lessons\n\ngan_lessons.start("foundations/gan")'
    execute.tidy(notebook, "gan")
    cell = notebook.cells[0]
    assert cell.source == set_address.first_cell("foundations/gan", set_address.address())
    assert cell.outputs[0].text == "Budget: cpu\n"


# --- folding ---------------------------------------------------------------------------------


def folded(source, tags, *outputs):
    notebook = one_cell(*outputs)
    notebook.cells[0] |= {"source": source, "metadata": nbformat.from_dict({"tags": tags})}
    execute.tidy(notebook, "gan")
    nbformat.validate(notebook)
    return notebook.cells[0]


@pytest.mark.parametrize("tag", sorted(folding.FOLDS))
def test_a_title_folds_in_the_book_in_colab_and_in_jupyterlab(tag):
    assert folded("# @title Draw {x}\nf()", [tag]).metadata == {
        "tags": [tag],
        "cellView": "form",
        "jupyter": {"source_hidden": True},
        "mystnb": {
            "code_prompt_show": "Show the code: Draw (x)",
            "code_prompt_hide": "Hide the code: Draw (x)",
        },
    }


@pytest.mark.parametrize(
    ("source", "tags"),
    [("# @title Draw\nf()", ["hide-output"]), ("f()", ["hide-input"]), ("f()", [])],
)
def test_no_tag_or_no_title_no_fold(source, tags):
    assert folded(source, tags).metadata == {"tags": tags}


def test_what_folded_a_cell_goes_with_its_tag():
    cell = folded("# @title Draw\nf()", ["hide-input"])
    cell.metadata["tags"] = []
    folding.fold(cell)
    assert cell.metadata == {"tags": []}


def test_a_folded_figure_keeps_its_description():
    facts = {"alt": "A curve that falls and then stays.", "width": 480}
    image = display({"image/png": "iVBORw0KGgo="}, {"image/png": facts})
    settings = folded("# @title Draw\nf()", ["hide-input"], image).metadata.mystnb
    assert settings.image == {"alt": facts["alt"], "width": "480px"}
    assert settings.code_prompt_show == "Show the code: Draw"


# --- set_address -----------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path):
    """A small copy of the repository: its texts and one chapter."""
    for name in ("_config.yml", "README.md", "CITATION.cff", "pyproject.toml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for form, present in set_address.forms(set_address.address()).items():
            text = text.replace(present, set_address.forms(OLD)[form])
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("*.ipynb"))
    path = tmp_path / "book" / "foundations" / "gan.ipynb"
    path.parent.mkdir(exist_ok=True)
    cells = [
        nbformat.v4.new_markdown_cell(f"# GAN\n\nThe source is [here]({OLD})."),
        nbformat.v4.new_code_cell("1 + 1"),
    ]
    set_address.write_notebook(nbformat.v4.new_notebook(cells=cells), path)
    set_address.apply(OLD, tmp_path)
    return tmp_path


def first_code(root):
    cells = nbformat.read(root / "book/foundations/gan.ipynb", as_version=4).cells
    return next(cell for cell in cells if cell.cell_type == "code")


def test_the_first_cell_is_put_after_the_title(checkout):
    cell = first_code(checkout)
    assert cell.source == set_address.first_cell("foundations/gan", OLD)
    assert f'%pip install -q "git+{OLD}"' in cell.source
    assert 'gan_lessons.start("foundations/gan")' in cell.source
    assert cell.metadata.tags == ["hide-input", "nbval-ignore-output"]
    assert cell.metadata.mystnb.code_prompt_show.startswith("Show the code: Set-up")


def test_a_new_address_is_written_everywhere(checkout):
    set_address.apply(NEW, checkout)
    assert set_address.address(checkout) == NEW
    assert set_address.strangers(checkout) == []
    for path in checkout.rglob("*.*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert "set_address/" not in text, path.name
            assert "set_address.github.io" not in text, path.name
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    assert "https://colab.research.google.com/github/somebody/other-name/blob/main/book" in readme
    assert "https://somebody.github.io/other-name/" in readme
    assert NEW in first_code(checkout).source


def test_setting_it_again_changes_nothing(checkout):
    set_address.apply(NEW, checkout)
    assert set_address.apply(NEW, checkout) == []


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_there_and_back_again_every_byte_is_the_same(checkout):
    before = contents(checkout)
    set_address.apply(NEW, checkout)
    assert contents(checkout) != before
    set_address.apply(OLD, checkout)
    assert contents(checkout) == before


@pytest.mark.parametrize("first", [OLD, "https://github.com/a/b", NEW.removesuffix("-name")])
def test_an_address_edited_by_hand_is_written_everywhere(checkout, first):
    set_address.apply(NEW, checkout)
    wanted = contents(checkout)
    set_address.apply(first, checkout)
    config = checkout / "_config.yml"
    config.write_text(config.read_text(encoding="utf-8").replace(first, NEW), encoding="utf-8")
    set_address.apply(set_address.address(checkout), checkout)
    assert contents(checkout) == wanted


def test_checking_writes_nothing(checkout):
    before = (checkout / "README.md").read_bytes()
    changed = set_address.apply(NEW, checkout, write=False)
    assert {path.name for path in changed} >= {"README.md", "_config.yml", "gan.ipynb"}
    assert (checkout / "README.md").read_bytes() == before


def test_a_local_trial_touches_the_first_cells_only(checkout):
    changed = set_address.apply("file:///srv/gan", checkout)
    assert [path.name for path in changed] == ["gan.ipynb"]
    assert '"git+file:///srv/gan"' in first_code(checkout).source
    set_address.apply(set_address.address(checkout), checkout)
    assert OLD in first_code(checkout).source


def test_another_address_is_found(checkout):
    page = checkout / "book" / "notation.md"
    page.write_text("See https://github.com/else/gan-lessons for more.", encoding="utf-8")
    found = set_address.strangers(checkout)
    assert found == ["book/notation.md: https://github.com/else/gan-lessons"]


@pytest.mark.parametrize("url", ["http://github.com/a/b", "https://example.org/a/b", "a/b", "x"])
def test_other_addresses_are_refused(url):
    with pytest.raises(ValueError, match="is no address like"):
        set_address.parse(url)


def test_the_repository_has_one_address(capsys):
    assert set_address.main(["--check"]) == 0, capsys.readouterr().out


def test_a_changed_number_is_noticed(tmp_path, monkeypatch, capsys):
    script = load_script("same_numbers")
    only = [(module, cls) for module, cls in script.MODELS if cls.__name__ == "GAN"]
    monkeypatch.setattr(script, "MODELS", only)
    file, fast = tmp_path / "before.json", ["--steps", "2"]
    assert script.main([str(file), *fast]) == 0
    assert script.main([str(file), *fast]) == 0
    assert "2 of 2 runs have the same numbers" in capsys.readouterr().out
    module, _ = only[0]
    monkeypatch.setattr(module, "generator_loss", lambda scores: 1.0001 * -scores.mean())
    assert script.main([str(file), *fast]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 of 2 runs have the same numbers."
    assert lines[1].startswith("  GAN, grey: ")
    assert "generator_loss" in lines[1]


# --- check_pages -----------------------------------------------------------------------------

FINE = {
    "cut_code": 0,
    "cut_tags": 0,
    "tables": 0,
    "overflow": 0,
    "first_picture": 400,
    "stretch": 2900,
    "stretches": [[2000, "Measured"]],
    "code_share": 0.2,
    "input_share": 0.1,
    "words": 2000,
}


def measured(violations=None, chapter=True, phone=None, **changed):
    at = {1280: FINE | changed, 1440: FINE, 390: FINE | (phone or {})}
    return check_pages.summary(at, violations or {}, chapter)


def test_a_page_as_wanted_misses_nothing():
    page = measured()
    assert check_pages.missed(page) == []
    assert "*" not in check_pages.row("wgan", page)
    assert check_pages.report({"wgan": page}).endswith("1 pages. All fine.")


@pytest.mark.parametrize(
    ("key", "fine", "bad"),
    [
        ("cut_code", 0, 1),
        ("cut_tags", 0, 1),
        ("tables", 0, 1),
        ("overflow", 0, 1),
        ("first_picture", 700, 701),
        ("first_picture", 700, None),
        ("stretch", 3000, 3001),
        ("code_share", 0.22, 0.221),
    ],
)
def test_each_number_has_its_limit(key, fine, bad):
    assert check_pages.missed(measured(**{key: fine})) == []
    page = measured(**{key: bad})
    assert check_pages.missed(page) == [key]
    assert check_pages.row("wgan", page).count("*") == 1
    assert check_pages.report({"wgan": page}).endswith(f"Not as wanted (*): {key} on 1.")


def test_the_worst_width_counts_for_what_is_cut_off():
    assert check_pages.missed(measured(phone={"cut_tags": 2, "overflow": 1})) == [
        "cut_tags",
        "overflow",
    ]


def test_pictures_and_code_count_at_the_narrower_wide_window():
    phone = {"first_picture": 900, "stretch": 5000, "code_share": 0.4}
    assert check_pages.missed(measured(phone=phone)) == []


def test_what_is_no_chapter_needs_no_picture():
    assert check_pages.missed(measured(chapter=False, first_picture=None, stretch=9000)) == []
    assert check_pages.missed(measured(chapter=False, cut_tags=1)) == ["cut_tags"]


def test_only_our_own_violations_count():
    theme = {rule: ["header"] for rule in check_pages.OF_THE_THEME}
    assert check_pages.missed(measured(theme)) == []
    page = measured(theme | {"image-alt": ["img", "figure > img"]})
    assert (page["violations"], page["rules"]) == (2, ["image-alt"])
    assert check_pages.missed(page) == ["violations"]


def test_pages_are_found_and_chosen(tmp_path):
    for name in ("book/intro", "book/objectives/wgan", "404", "genindex"):
        path = tmp_path / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert check_pages.pages_of(tmp_path) == ["book/intro", "book/objectives/wgan", "404"]
    assert check_pages.pages_of(tmp_path, "wgan,40") == ["book/objectives/wgan", "404"]
