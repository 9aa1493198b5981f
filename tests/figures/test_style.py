"""Showing a figure: alternative text, the picture, and what is left alone."""

import subprocess
import sys

import matplotlib
import pytest
import torch

from gan_lessons import figures
from tests.figures.drawn import ALT, fading, pixels, steps


def test_show_gives_a_white_png_with_alternative_text_and_width(shown):
    fig, ax = figures.figure()
    ax.plot([0, 1], [0, 1])
    assert figures.show(fig, alt="A straight  line from\nthe origin to (1, 1).") is None
    bundle, metadata = shown[0]
    alt = "A straight line from the origin to (1, 1)."
    assert metadata == {"image/png": {"alt": alt, "width": 600}}
    assert bundle["text/plain"] == alt
    picture = pixels(bundle)
    assert picture.shape == (576, 960, 3)
    assert (picture[0] == 255).all()


def test_show_outside_ipython_prints_the_alternative_text_and_returns_the_figure(capsys):
    fig, _ = figures.figure()
    assert figures.show(fig, alt=ALT) is fig
    assert capsys.readouterr().out == ALT + "\n"


@pytest.mark.parametrize("alt", ["", "   ", "digits", " a    b    c    d    e "])
def test_alternative_text_is_required(alt):
    fig, _ = figures.figure()
    with pytest.raises(ValueError, match="alternative text"):
        figures.show(fig, alt=alt)
    with pytest.raises(ValueError, match="alternative text"):
        figures.player_html(fading(), steps(5), title="Grey", alt=alt)


def test_no_figure_changes_the_readers_settings(shown):
    before = dict(matplotlib.rcParams)
    figures.sample_grid(fading()[0], alt=ALT)
    figures.curves({"a_loss": [1, 2, 3]}, alt=ALT)
    figures.scatter(torch.randn(20, 2), alt=ALT)
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported():
    code = "import sys; from gan_lessons import figures; print('matplotlib.pyplot' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "False\n", result.stderr
