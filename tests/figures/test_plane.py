"""The plane: points, and the field of a discriminator."""

import numpy as np
import pytest
import torch

from gan_lessons import figures
from tests.figures.drawn import ALT, pixels


def test_field_is_coloured_by_the_score(shown):
    real, fake = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.zeros(1, 2)
    figures.field(lambda x: 50 * x[:, :1], real, fake, alt=ALT)
    picture = pixels(shown[0][0]).astype(int)
    height, width, _ = picture.shape
    left, right = picture[height // 4, width // 4], picture[height // 4, width * 5 // 8]
    assert left[0] > left[2] + 50  # orange: fake
    assert right[2] > right[0] + 50  # blue: real


def test_field_asks_for_one_score_a_point():
    with pytest.raises(ValueError, match="one score for each"):
        figures.field(lambda x: x, torch.randn(5, 2), torch.randn(5, 2), alt=ALT)


def test_field_frames_are_drawn_one_by_one_and_have_one_size():
    seen = []

    def states():
        for k in range(2):
            seen.append(k)
            yield (lambda x, k=k: k * x[:, 0]), torch.full((3, 2), float(k))

    frames = figures.field_frames(states(), torch.randn(10, 2))
    assert seen == [0, 1]
    assert frames[0].shape == frames[1].shape
    assert frames[0].dtype == np.uint8
    assert (frames[0] != frames[1]).any()


def test_points_must_lie_in_the_plane():
    with pytest.raises(ValueError, match=r"shape \(N, 2\)"):
        figures.scatter(torch.randn(5, 3), alt=ALT)


def test_scatter_has_a_panel_for_each_name(shown):
    figures.scatter(torch.randn(9, 2), {k: torch.randn(9, 2) for k in "abcd"}, alt=ALT)
    assert len(shown) == 1


def test_points_frame_has_a_panel_for_each_name_and_the_last_places_empty():
    limits = (-2.0, 2.0, -2.0, 2.0)
    real, fake = torch.zeros(50, 2), torch.tensor([[1.0, 1.0]])
    frame = figures.points_frame({"one": fake, "two": fake}, real, limits=limits, columns=3)
    assert frame.dtype == np.uint8
    panels = np.array_split(frame.astype(int), 3, axis=1)
    for panel in panels[:2]:
        assert (panel[..., 2] > panel[..., 0] + 60).any(), "blue: real"
        assert (panel[..., 0] > panel[..., 2] + 60).any(), "orange: fake"
    assert (panels[2] == 255).all()


def test_points_frames_of_other_points_have_one_size():
    limits = (-2.0, 2.0, -2.0, 2.0)
    frames = [
        figures.points_frame({"one": torch.randn(9, 2)}, torch.randn(9, 2), limits=limits)
        for _ in range(2)
    ]
    assert frames[0].shape == frames[1].shape
