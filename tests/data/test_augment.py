"""Flips and crops: one coin an image, every place reached, the rest untouched."""

import pytest
import torch

from gan_lessons.data.augment import check_augmentation, cropped_shape, flip_and_crop
from tests.helpers import same
from tests.mutants import mutants, survivors


def numbered_pixels(n, side=6):
    """Images of which every pixel says where it is."""
    return torch.arange(side * side).float().view(1, 1, side, side).expand(n, 2, side, side)


def test_without_flip_and_crop_nothing_changes_and_no_number_is_drawn():
    images, state = torch.randn(3, 1, 5, 5), torch.get_rng_state()
    assert same(flip_and_crop(images), images)
    assert torch.equal(torch.get_rng_state(), state)


def test_each_image_has_a_fair_coin_of_its_own():
    images = numbered_pixels(4000)
    out = flip_and_crop(images, flip=True)
    flipped = (out == images.flip(-1)).flatten(1).all(1)
    assert ((out == images).flatten(1).all(1) | flipped).all(), "flipped or not, nothing else"
    assert abs(flipped.double().mean() - 0.5) < 0.03
    assert 0.4 < (flipped[1:] == flipped[:-1]).double().mean() < 0.6


def test_a_crop_is_a_piece_of_the_image_and_every_piece_occurs_evenly():
    out = flip_and_crop(numbered_pixels(4500, 6), crop=4)
    assert out.shape == (4500, 2, 4, 4)
    corner = out[:, 0, 0, 0].long()
    piece = torch.arange(4)[:, None] * 6 + torch.arange(4)
    assert (out[:, 0].long() == corner[:, None, None] + piece).all()
    assert same(out[:, 0], out[:, 1])
    top, left = corner // 6, corner % 6
    counts = torch.bincount(3 * top + left, minlength=9)
    assert len(counts) == 9, "the last row and the last column are reached, and not passed"
    assert (counts - 500).abs().max() < 120


def test_a_crop_of_the_full_size_keeps_everything():
    images = torch.randn(5, 3, 8, 8)
    assert same(flip_and_crop(images, crop=8), images)


def test_images_need_not_be_square():
    assert flip_and_crop(torch.randn(5, 3, 4, 9), crop=4).shape == (5, 3, 4, 4)


def test_a_generator_decides_and_spares_the_global_state():
    images, state = torch.randn(50, 1, 9, 9), torch.get_rng_state()
    a, b, c = (flip_and_crop(images, True, 7, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert same(a, b)
    assert not same(a, c)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("crop", [0, -1, 9, 7.0, "8"])
def test_impossible_crops_are_refused(crop):
    with pytest.raises(ValueError, match=r"and the images are 8 x 10: choose a whole number of"):
        check_augmentation(False, crop, (3, 8, 10))


def test_points_are_not_flipped():
    check_augmentation(False, None, (2,))
    for flip, crop in ((True, None), (False, 1)):
        with pytest.raises(ValueError, match=r"for images, not for samples of shape \(2,\)"):
            check_augmentation(flip, crop, (2,))


def test_the_shape_of_a_sample():
    assert cropped_shape((3, 40, 48), None) == (3, 40, 48)
    assert cropped_shape((3, 40, 48), 32) == (3, 32, 32)


MUTANTS = mutants(
    "data.augment",
    (
        "data, crop: the last row and column are never seen",
        "torch.randint(side - crop + 1,",
        "torch.randint(max(1, side - crop),",
        "test_a_crop_is_a_piece_of_the_image_and_every_piece_occurs_evenly",
    ),
    (
        "data, flip: one coin for the whole batch",
        "torch.rand(n, 1, 1, 1,",
        "torch.rand(1, 1, 1, 1,",
        "test_each_image_has_a_fair_coin_of_its_own",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
