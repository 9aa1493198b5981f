"""Grids of images keep every pixel."""

import pytest
import torch

from gan_lessons import figures
from gan_lessons.figures import tile
from tests.figures.drawn import ALT, fading, pixels


def test_tile_keeps_every_pixel():
    images = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8)
    sheet = tile(images, columns=3)
    assert sheet.shape == (2 * 6 + 2, 3 * 8 + 2, 3)
    assert (sheet[8:12, 10:16] == images[4].permute(1, 2, 0).numpy()).all()
    assert (sheet[8:12, 18:24] == 255).all()  # there is no sixth image


def test_floats_map_minus_one_to_black_and_one_to_white_and_are_clipped():
    images = torch.tensor([-1.0, 0.0, 1.0, 1.5]).reshape(4, 1, 1, 1)
    assert figures.to_uint8(images)[:, 0, 0, 0].tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 8, 8), "must have the shape"),
        (torch.zeros(1, 2, 8, 8), "must have the shape"),
        (torch.full((1, 1, 8, 8), float("nan")), "diverged"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.int64), "uint8, not torch.int64"),
    ],
)
def test_images_that_are_none_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        tile(images)


def test_sample_grid_enlarges_every_pixel_alike(shown):
    images = torch.randint(0, 2, (64, 1, 32, 32), dtype=torch.uint8) * 255
    figures.sample_grid(images, alt=ALT)
    picture = pixels(shown[0][0])
    sheet = tile(images)
    scale = picture.shape[1] // sheet.shape[1]
    assert (picture == sheet.repeat(scale, 0).repeat(scale, 1)).all()


def test_sample_grid_checks_its_labels(shown):
    with pytest.raises(ValueError, match="`labels` has 3 entries, but 4 are needed"):
        figures.sample_grid(fading()[0], alt=ALT, labels=[1, 2, 3])
    with pytest.raises(ValueError, match="`row_labels` has 1 entries, but 2 are needed"):
        figures.sample_grid(fading()[0], columns=2, alt=ALT, row_labels=["real"])
    figures.sample_grid(
        fading()[0], columns=2, alt=ALT, labels="abcd", row_labels="ab", column_labels="xy"
    )
    assert len(shown) == 1


def test_compare_grids_shows_all_of_them_also_of_different_sizes(shown):
    grids = {name: fading()[0] for name in "abcd"} | {"few": fading()[0][:1]}
    figures.compare_grids(grids, alt=ALT)
    assert len(shown) == 1
    with pytest.raises(ValueError, match="nothing to compare"):
        figures.compare_grids({}, alt=ALT)
