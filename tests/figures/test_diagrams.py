"""Diagrams of the players."""

import pytest

from gan_lessons import figures


def test_gradient_paths_show_what_moves_and_refuse_unknown_roles():
    alt = "A chain from the noise over G and D to the loss, cut before D."
    chain = [("z", "value"), ("G", "still"), ("detach", "cut"), ("D", "moves"), ("loss", "value")]
    fig = figures.gradient_paths({"a step": chain}, alt=alt)
    notes = {text.get_text() for text in fig.axes[0].texts}
    assert {"stays", "moves", "detach"} <= notes
    arrows = [a for a in fig.axes[0].texts if getattr(a, "arrow_patch", None)]
    backwards = [a for a in arrows if a.xy[0] < a.xyann[0]]
    assert len(arrows) - len(backwards) == 3, "values run through the cut"
    assert len(backwards) == 2, "the gradient reaches D and ends at the cut"
    assert min(a.xy[0] for a in backwards) > 2, "it does not reach G"
    with pytest.raises(ValueError, match="Unknown roles"):
        figures.gradient_paths({"a step": [("z", "value"), ("G", "frozen")]}, alt=alt)
