"""Curves, lines, histograms and bars: what is drawn, how it looks and what is refused."""

import numpy as np
import pytest
import torch

from gan_lessons import figures
from gan_lessons.figures.curves import _series
from tests.figures.drawn import ALT


def test_moving_average_is_centred_and_leaves_out_what_is_not_finite():
    values = [1.0, 2.0, np.nan, 4.0, 5.0]
    expected = [np.nanmean(values[max(k - 1, 0) : k + 2]) for k in range(5)]
    np.testing.assert_allclose(figures.moving_average(values, 3), expected)
    np.testing.assert_allclose(figures.moving_average([3.0, 1.0], 1), [3.0, 1.0])


def test_curves_choose_the_losses_and_name_the_runs():
    run = {"generator_loss": [1, 2], "real_score": [5, 6]}
    assert [name for name, _, _ in _series(run, None)] == ["generator loss"]
    both = {"GAN": run, "DCGAN": run}
    names = [name for name, _, _ in _series(both, ["real_score"])]
    assert names == ["GAN", "DCGAN"]
    _, x, y = next(_series({"step": [10, 20], "distance": [9.0, 8.0]}, None))
    assert (x.tolist(), y.tolist()) == ([10, 20], [9.0, 8.0])
    with pytest.raises(ValueError, match="no 'loss' in the history; there are:"):
        list(_series(run, ["loss"]))


def drawn(entries, *positions, **options):
    """The axes on which `figures.lines` has drawn."""
    labels = {"alt": ALT, "xlabel": "x", "ylabel": "f(x)"}
    return figures.lines(entries, *positions, **labels | options).axes[0]


def legend(ax):
    """The names in the legend; empty without one."""
    return [text.get_text() for text in ax.get_legend().get_texts()] if ax.get_legend() else []


def test_lines_share_their_positions_or_bring_their_own():
    x = torch.linspace(0, 1, 50, requires_grad=True)
    own = ([0, 2], np.array([0.0, 3.0]))
    ax = drawn({"tensor": (x**2)[:, None], "own": own, "list": [1.0] * 50}, x)
    first, second, third = ax.get_lines()
    np.testing.assert_allclose(first.get_xydata()[:, 1], x.detach() ** 2)
    assert second.get_xydata().tolist() == [[0, 0], [2, 3]]
    assert set(third.get_ydata()) == {1.0}
    assert legend(ax) == ["tensor", "own", "list"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "f(x)")


def test_lines_differ_in_colour_and_dashes_and_data_keeps_its_colours():
    ax = drawn({name: [0, 1] for name in ("law", "bound", "real", "fake")}, [0, 1])
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.get_lines()]
    assert len(set(looks)) == 4
    assert len({dashes for _, dashes in looks}) == 4
    assert [colour for colour, _ in looks[2:]] == [figures.REAL, figures.FAKE]
    assert not {figures.REAL, figures.FAKE} & {colour for colour, _ in looks[:2]}


def test_few_values_get_markers_and_points_have_no_line():
    entries = {
        "straight": ([0, 9], [0, 9]),
        "few": (range(5), range(5)),
        "many": (range(50), range(50)),
        "measured": (range(5), range(5)),
        "one": (3.0, 4.0),
    }
    ax = drawn(entries, points=["measured"])
    marked = {line.get_label() for line in ax.get_lines() if line.get_marker() != "None"}
    assert marked == {"few", "measured", "one"}
    alone = {line.get_label() for line in ax.get_lines() if line.get_linestyle() == "None"}
    assert alone == {"measured", "one"}


def test_levels_are_dotted_and_only_named_ones_are_in_the_legend():
    ax = drawn({"f": [1, 2]}, [0, 1], levels={"": 0.0})
    assert legend(ax) == []
    assert ax.get_lines()[1].get_ydata() == [0.0, 0.0]
    ax = drawn({"f": [1, 2]}, [0, 1], levels={"": 0.0, "log 2": 0.7})
    assert legend(ax) == ["f", "log 2"]
    assert ax.get_lines()[2].get_linestyle() == ":"


@pytest.mark.parametrize(("log", "scales"), [("x", "log linear"), ("xy", "log log")])
def test_logarithmic_axes_have_plain_numbers(log, scales):
    ax = drawn({"law": ([0.4, 5], [0.2, 5])}, log=log, xlim=(0.4, 5), ylim=(0.1, None))
    assert f"{ax.get_xscale()} {ax.get_yscale()}" == scales
    ax.figure.canvas.draw()
    inside = [t.get_text() for t in ax.get_xticklabels() if 0.4 <= t.get_position()[0] <= 5]
    assert inside == ["0.5", "1", "2", "5"]
    assert ax.get_ylim()[0] == pytest.approx(0.1)


def test_a_long_logarithmic_axis_keeps_its_powers_of_ten():
    ax = drawn({"law": ([1, 1e6], [1, 1e6])}, log="y")
    ax.figure.canvas.draw()
    assert any("10^{" in label.get_text() for label in ax.get_yticklabels())


@pytest.mark.parametrize(
    ("entries", "options", "message"),
    [
        ({"f": [1, 2]}, {}, "'f' has no positions: give `x`, or a tuple"),
        ({"f": ([1, 2], [1, 2, 3])}, {}, "'f' has 2 positions, but 3 values"),
        ({"f": ([1], [1])}, {"points": ["g"]}, r"`points` names \['g'\]; there are: \['f'\]"),
        ({"f": ([1], [1])}, {"log": "z"}, "`log` must be"),
        ({"f": ([1], [1])}, {"alt": "short"}, "alternative text"),
    ],
)
def test_lines_refuse_what_does_not_fit(entries, options, message):
    with pytest.raises(ValueError, match=message):
        drawn(entries, **options)


def test_histogram_and_bars(shown):
    values = torch.randn(100)
    figures.histogram({"real": values, "fake": values + 1}, alt=ALT, xlabel="score")
    figures.bars({"real": [0.5, 0.5]}, ["zero", "one"], alt=ALT, ylabel="share")
    assert len(shown) == 2
    with pytest.raises(ValueError, match="`fake` has 1 entries, but 2 are needed"):
        figures.bars({"fake": [1.0]}, ["zero", "one"], alt=ALT, ylabel="share")
