"""Source views: the code and the settings of a variant."""

import inspect
import re
import types
from dataclasses import dataclass

import pytest
import torch

import gan_lessons
from gan_lessons.foundations import cgan, gan
from gan_lessons.page import show_diff, show_settings, show_source


def code(markdown):
    return re.findall(r"```\w+\n(.*?)\n```", markdown, re.DOTALL)


def test_show_source_gives_the_objects_own_source_and_its_file(shown):
    show_source(gan.generator_loss)
    text = shown[0]["text/markdown"]
    assert code(text) == [inspect.getsource(gan.generator_loss).rstrip()]
    assert text.startswith(
        "From `gan_lessons/foundations/gan.py`:\n\n```python\ndef generator_loss"
    )
    assert shown[0]["text/plain"] == inspect.getsource(gan.generator_loss)


def test_show_source_takes_classes_methods_and_modules(shown):
    show_source(gan.Config, gan.GAN.step, cgan, title="Three things")
    text = shown[0]["text/markdown"]
    assert text.startswith("**Three things**\n\nFrom `gan_lessons/foundations/gan.py`:")
    first, second = code(text)
    assert first.startswith("@dataclass(frozen=True)\nclass Config")
    assert "\n\ndef step(self" in first  # a method without its indentation
    assert second == inspect.getsource(cgan).rstrip()
    assert text.count("From `") == 2


def test_show_source_of_decorated_functions_and_packages(shown):
    show_source(torch.no_grad()(gan.generator_loss))
    show_source(gan_lessons)
    assert "From `gan_lessons/foundations/gan.py`" in shown[0]["text/markdown"]
    assert "From `gan_lessons/__init__.py`" in shown[1]["text/markdown"]


def test_show_source_prints_where_no_notebook_is(capsys):
    show_source(gan.generator_loss)
    assert capsys.readouterr().out == inspect.getsource(gan.generator_loss) + "\n"


@pytest.mark.parametrize("thing", [gan.PRESETS, 3, len])
def test_show_source_refuses_what_has_no_source(thing):
    with pytest.raises(TypeError, match="has no source of its own: give a function"):
        show_source(thing)


def test_show_source_needs_something_to_show():
    with pytest.raises(TypeError, match="at least one"):
        show_source()


def test_show_diff_gives_the_lines_that_changed(shown):
    show_diff(gan.saturating_generator_loss, gan.generator_loss)
    diff = shown[0]["text/plain"].splitlines()
    assert diff == [
        "--- gan_lessons/foundations/gan.py: saturating_generator_loss",
        "+++ gan_lessons/foundations/gan.py: generator_loss",
        "@@ def generator_loss(fake_scores: Tensor) -> Tensor @@",
        "-def saturating_generator_loss(fake_scores: Tensor) -> Tensor:",
        "-    return -softplus(fake_scores).mean()",
        "+def generator_loss(fake_scores: Tensor) -> Tensor:",
        "+    return softplus(-fake_scores).mean()",
    ]
    assert code(shown[0]["text/markdown"]) == ["\n".join(diff)]


def test_show_diff_keeps_docstrings_when_asked(shown):
    show_diff(gan.saturating_generator_loss, gan.generator_loss, docstrings=True)
    assert "[GAN-MM]" in shown[0]["text/plain"]
    assert "[GAN-G]" in shown[0]["text/plain"]


def test_show_diff_of_modules_leaves_out_docstrings(shown):
    show_diff(gan, cgan)
    assert '"""' not in shown[0]["text/plain"]
    headings = re.findall(r"^@@ (.*) @@$", shown[0]["text/plain"], re.MULTILINE)
    assert len(headings) > 2
    assert all(heading.startswith(("def ", "class ")) for heading in headings[1:])


def test_show_diff_says_when_nothing_changed(shown):
    show_diff(gan.generator_loss, gan.generator_loss)
    assert shown[0]["text/plain"].endswith("is the same.")


@dataclass
class Config:
    steps: int = 20_000
    learning_rate: float = 2e-4
    shape: tuple[int, ...] = (1, 32, 32)


SETTINGS = """\
steps          20000
learning_rate  0.0002
shape          (1, 32, 32)
"""


def test_show_settings_prints_a_line_for_each(capsys):
    show_settings(Config())
    assert capsys.readouterr().out == SETTINGS
    show_settings(types.SimpleNamespace(config=Config(), seed=0))
    assert capsys.readouterr().out == SETTINGS


@pytest.mark.parametrize("thing", [Config, {"steps": 3}, gan])
def test_show_settings_refuses_what_has_none(thing):
    with pytest.raises(TypeError, match="has no settings: give a run or a config"):
        show_settings(thing)
