"""Diagrams of the players."""

import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Annotation

from gan_lessons import figures

GAN = {
    "z": (0, 1, "noise"),
    "G": (1, 1, "network"),
    "G(z)": (2, 1, "fake", "$G(z)$"),
    "x": (2, 0, "real"),
    "D": (3, 0.5, "network"),
}
LINKS = [("z", "G"), ("G", "G(z)"), ("G(z)", "D", "is fake"), ("x", "D", "is real")]
ALT = "The generator turns noise into a fake; the discriminator sees it and a real image."


def drawn(nodes, arrows):
    """The figure, the boxes by their text, the arrows' paths, and the boxes of all other texts."""
    fig = figures.diagram(nodes, arrows, alt=ALT)
    ax, renderer = fig.axes[0], fig.canvas.get_renderer()
    boxes = [p for p in ax.patches if isinstance(p, FancyBboxPatch)]
    paths = [p._path_original.vertices for p in ax.patches if isinstance(p, FancyArrowPatch)]
    texts = {t.get_text(): t.get_window_extent(renderer) for t in ax.texts}
    places = {}
    for text, extent in texts.items():
        middle = ax.transData.inverted().transform(extent.get_points().mean(0))
        for box in boxes:
            rectangle = (box.get_x(), box.get_y(), box.get_width(), box.get_height())
            if inside(middle, rectangle):
                places[text] = rectangle
    return fig, places, paths, texts


def inside(points, box):
    left, bottom, width, height = box
    x, y = np.moveaxis(np.asarray(points), -1, 0)
    return (left < x) & (x < left + width) & (bottom < y) & (y < bottom + height)


def test_diagram_draws_a_box_for_each_player_and_keeps_text_in_it():
    fig, boxes, _, texts = drawn(GAN, LINKS)
    assert set(boxes) == {"$z$", "$G$", "$G(z)$", "$x$", "$D$"}
    for text, (_, _, width, height) in boxes.items():
        assert texts[text].width / fig.dpi < width
        assert texts[text].height / fig.dpi < height
    assert boxes["$z$"][1] > boxes["$D$"][1] > boxes["$x$"][1], "row 0 is the lowest"
    assert boxes["$z$"][0] < boxes["$G$"][0] < boxes["$G(z)$"][0] < boxes["$D$"][0]


def test_arrows_of_a_diagram_run_from_border_to_border_and_through_no_box():
    ahead = {"a": (0, 0, "noise"), "b": (1, 0, "network"), "c": (2, 0, "score")}
    for nodes, arrows in [(GAN, LINKS), (ahead, [("a", "b"), ("b", "c"), ("c", "a", "back")])]:
        _, boxes, paths, _ = drawn(nodes, arrows)
        assert len(paths) == len(arrows)
        for (start, end, *_), path in zip(arrows, paths, strict=True):
            assert not any(inside(path, box).any() for box in boxes.values())
            for name, point in ((start, path[0]), (end, path[-1])):
                left, bottom, width, height = boxes[
                    nodes[name][3] if nodes[name][3:] else f"${name}$"
                ]
                reach = (left - 0.05, bottom - 0.05, width + 0.1, height + 0.1)
                assert inside(point, reach), "it begins and ends at a border"


def test_arrows_there_and_back_do_not_lie_on_each_other():
    nodes = {"critic": (0, 0, "network"), "generator": (1, 0, "network")}
    _, _, (there, back), _ = drawn(nodes, [("critic", "generator"), ("generator", "critic")])
    assert abs(there[:, 1].mean() - back[:, 1].mean()) > 0.05


def test_labels_of_arrows_hide_no_box_and_no_other_label():
    _, boxes, _, texts = drawn(GAN, LINKS)
    extents = list(texts.values())
    assert len(texts) == len(GAN) + 2
    for k, one in enumerate(extents):
        assert not any(one.overlaps(other) for other in extents[k + 1 :])
    assert len(boxes) == len(GAN), "no label lies in a box"


def test_diagram_grows_with_what_is_on_it_and_has_readable_text():
    fig, *_ = drawn(GAN, LINKS)
    assert fig.get_figwidth() <= figures.COLUMN
    flat = {
        name: (column, 0.2 * row, *rest)
        for name, (column, row, *rest) in GAN.items()
        if name != "x"
    }
    assert drawn(flat, LINKS[:2])[0].get_figheight() < fig.get_figheight()
    shown_at_350 = 350 / (100 * fig.get_figwidth()) * 100 / 72
    assert min(text.get_fontsize() for text in fig.axes[0].texts) * shown_at_350 > 9


@pytest.mark.parametrize(
    ("nodes", "arrows", "message"),
    [
        ({"G": (0, 0, "frozen")}, [], "Unknown role 'frozen'"),
        ({"G": (0, 0)}, [], "must be"),
        (GAN, [("z", "E")], "has no ends"),
        (GAN, [("z",)], "has no ends"),
        ({"G": (0, 0, "network"), "D": (0, 0, "network")}, [], "same column and row"),
    ],
)
def test_diagram_says_what_is_wrong(nodes, arrows, message):
    with pytest.raises(ValueError, match=message):
        figures.diagram(nodes, arrows, alt=ALT)


def test_gradient_paths_show_what_moves_and_refuse_unknown_roles():
    alt = "A chain from the noise over G and D to the loss, cut before D."
    chain = [("z", "value"), ("G", "still"), ("detach", "cut"), ("D", "moves"), ("loss", "value")]
    fig = figures.gradient_paths({"a step": chain}, alt=alt)
    notes = {text.get_text() for text in fig.axes[0].texts}
    assert {"stays", "moves", "detach"} <= notes
    arrows = [a for a in fig.axes[0].texts if isinstance(a, Annotation)]
    backwards = [a for a in arrows if a.xy[0] < a.xyann[0]]
    assert len(arrows) - len(backwards) == 3, "values run through the cut"
    assert len(backwards) == 2, "the gradient reaches D and ends at the cut"
    assert min(a.xy[0] for a in backwards) > 2, "it does not reach G"
    with pytest.raises(ValueError, match="Unknown roles"):
        figures.gradient_paths({"a step": [("z", "value"), ("G", "frozen")]}, alt=alt)
