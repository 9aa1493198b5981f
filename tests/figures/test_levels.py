"""Numbers between their floor and their ceiling."""

import numpy as np
import pytest

from gan_lessons import figures

ALT = "Two methods between a floor at 10 and a ceiling at 700, one of them with three seeds."
ROWS = {"GAN": [80.0, 95.0, 125.0], "CGAN": 33.0}


def test_levels_show_the_mean_the_range_and_both_limits():
    fig = figures.levels(ROWS, floor=10, ceiling=700, xlabel="distance", alt=ALT)
    ax = fig.axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [100.0, 33.0]
    assert [dot.get_ydata()[0] for dot in dots] == [0, 1]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first row is the uppermost"
    spans = [bar.get_segments()[0][:, 0] for bar in ax.collections]
    assert np.allclose(spans, [[80, 125], [33, 33]])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["GAN", "CGAN"]
    legend = fig.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["floor", "ceiling"]
    assert [line.get_xdata()[0] for line in legend.get_lines()] != []
    marks = [line.get_xdata() for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert [10, 10] in [list(mark) for mark in marks]
    assert [700, 700] in [list(mark) for mark in marks]


def test_levels_name_their_limits_and_draw_one_alone():
    fig = figures.levels(
        ROWS, floor=10, xlabel="distance", log=True, alt=ALT, names=("real", "noise")
    )
    assert fig.axes[0].get_xscale() == "log"
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["real"]
    assert not figures.levels(ROWS, xlabel="distance", alt=ALT).legends


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ({}, {}, "finite numbers"),
        ({"GAN": []}, {}, "finite numbers"),
        ({"GAN": [1.0, np.nan]}, {}, "finite numbers"),
        ({"GAN": [1.0, 0.0]}, {"log": True}, "positive numbers"),
        (ROWS, {"log": True, "floor": 0}, "positive numbers"),
        (ROWS, {"names": ("floor",)}, "`names` has 1 entries"),
    ],
)
def test_levels_say_what_is_wrong(rows, options, message):
    with pytest.raises(ValueError, match=message):
        figures.levels(rows, xlabel="distance", alt=ALT, **options)
