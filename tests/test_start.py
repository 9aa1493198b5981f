"""The first cell of a chapter."""

import importlib
import subprocess
import sys
import types

import pytest
import torch

import gan_lessons
from gan_lessons import start

first_cell = importlib.import_module("gan_lessons.start")  # the package has the function's name


@pytest.fixture
def cpu(monkeypatch):
    """A session without an accelerator and without measured times."""
    from gan_lessons import training

    monkeypatch.setattr(training, "pick_device", lambda device=None: torch.device("cpu"))
    monkeypatch.setattr(first_cell, "_timings", dict)
    return monkeypatch


def test_start_says_what_the_session_will_do(cpu, capsys):
    cpu.delenv("GAN_LESSONS_BUDGET", raising=False)
    start("foundations/gan")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert f"GAN Lessons {gan_lessons.__version__}, torch {torch.__version__}" in lines[0]
    assert "on the CPU (1 thread)." in lines[0]
    assert lines[1].startswith("Budget: cpu (chosen from the device).")
    assert lines[1].endswith("on two CPU cores (planned, not measured).")
    assert "(smoke or gpu): %env GAN_LESSONS_BUDGET=" in lines[2]


def test_start_names_the_source_of_the_budget(cpu, capsys):
    cpu.setenv("GAN_LESSONS_BUDGET", "smoke")
    start("foundations/gan")
    out = capsys.readouterr().out
    assert "Budget: smoke (chosen by GAN_LESSONS_BUDGET). Expect a few seconds" in out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.3, "about 1 second "), (41.6, "about 42 seconds"), (95, "about 1.6 minutes")],
)
def test_start_gives_the_measured_time(cpu, capsys, seconds, words):
    cpu.setenv("GAN_LESSONS_BUDGET", "cpu")
    cpu.setattr(first_cell, "_timings", lambda: {"foundations/gan": {"cpu": seconds}})
    start("foundations/gan")
    out = capsys.readouterr().out
    assert f"Expect {words}" in out
    assert "planned" not in out


def test_timings_are_read_from_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(first_cell, "PACKAGE", tmp_path)
    assert first_cell._timings() == {}
    (tmp_path / "timings.json").write_text('{"foundations/gan": {"cpu": 95}}')
    assert first_cell._timings() == {"foundations/gan": {"cpu": 95}}


def test_start_in_colab_without_a_gpu_says_how_to_get_one(cpu, capsys):
    cpu.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    start("foundations/metrics")
    assert "Runtime > Change runtime type" in capsys.readouterr().out.splitlines()[3]


def test_start_refuses_an_unknown_chapter_and_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no chapter 'gan'; choose one of .*foundations/gan,"):
        start("gan")


def test_the_chapters_are_those_of_the_book(root):
    pages = {f"{path.parent.name}/{path.stem}" for path in root.glob("book/*/*.ipynb")}
    assert set(first_cell._chapters()) == pages


def test_chapters_are_found_in_the_parts_that_exist(monkeypatch, tmp_path):
    for name in ("growing/pggan.py", "growing/__init__.py", "metrics/tables.py", "steps.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(first_cell, "PACKAGE", tmp_path)
    assert first_cell._chapters() == sorted(["growing/pggan", *first_cell.NO_MODULE])


@pytest.mark.parametrize("module", ["gan_lessons", "gan_lessons.page"])
def test_importing_stays_light(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'numpy', 'matplotlib', 'PIL',"
    code += " 'torchvision', 'IPython', 'ipywidgets', 'sklearn') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr
