"""Masks: what they hide, how often, and how pictures are put together by them."""

import numpy as np
import pytest
import torch

from gan_lessons.data import TensorData, ring
from gan_lessons.data.masks import (
    MASKS,
    blocks,
    border,
    centre,
    check_masks,
    colour,
    composite,
    masks,
    mean_colour,
    regions,
)
from tests.helpers import images, same
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle, scores

KINDS = pytest.mark.parametrize("kind", MASKS)


@oracle("CE-COMP", r"c_m(x, y) = m \odot x + (1 - m) \odot y")
def put_together(x, y, m):
    return np.where(m == 1, x, y)


def coverage(kind, n=4000, side=28, share=0.5):
    generator = torch.Generator().manual_seed(0)
    return 1 - masks(kind, n, side, share, generator=generator).mean((0, 1))


def test_composite():
    m = torch.tensor([1.0, 0, 0, 1, 1, 0], dtype=torch.float64)
    inputs = {"x": scores(6), "y": scores(6, seed=1)}
    check("CE-COMP", composite, **inputs, m=m.long().numpy())
    x, y = (torch.tensor(scores(6, seed=s), requires_grad=True) for s in (0, 1))
    found = composite(x, y, m)
    wanted = put_together(x.detach().numpy(), y.detach().numpy(), m.numpy())
    np.testing.assert_array_equal(found.detach().numpy(), wanted)
    found.sum().backward()
    assert same(x.grad, m)
    assert same(y.grad, 1 - m)


@KINDS
@pytest.mark.parametrize("side", [28, 32, 64])
def test_masks_are_zeros_in_the_hole_and_ones_elsewhere(kind, side):
    m = masks(kind, 20, side)
    assert m.shape == (20, 1, side, side)
    assert m.dtype == torch.float32
    assert set(m.unique().tolist()) == {0, 1}
    hidden = (1 - m).mean((1, 2, 3))
    assert hidden.max() <= 0.25
    assert hidden.min() > 0.06
    if kind != "blocks":
        assert same(hidden, torch.full((20,), 0.25)), "as many pixels as the square in the centre"


@pytest.mark.parametrize("kind", ["blocks", "regions"])
def test_every_pixel_is_hidden_at_times_and_the_sides_are_alike(kind):
    """With an upper end that is left out, the last row and column would never be hidden."""
    seen = coverage(kind)
    assert seen.min() > 0
    error = 4 / np.sqrt(4000)  # of a share, in the worst case four standard deviations of .5
    for turned in (seen.flip(0), seen.flip(1), seen.T):
        assert (seen - turned).abs().max() < error
    assert abs(seen.sum(0)[-1] / seen.sum(0)[0] - 1) < 0.2, "first and last column"
    assert abs(seen.sum(1)[-1] / seen.sum(1)[0] - 1) < 0.2, "first and last row"


def test_regions_hide_all_places_equally_often():
    seen = coverage("regions")
    assert (seen - 0.25).abs().max() < 4 * np.sqrt(0.25 * 0.75 / 4000) + 0.01


def test_the_corner_of_a_single_block_is_hidden_as_often_as_theory_says():
    """A square of 5 in 8 pixels has 4 x 4 places; one of them covers the corner."""
    m = blocks(8000, 8, 5, count=1, generator=torch.Generator().manual_seed(0))
    seen = 1 - m.mean((0, 1))
    assert seen[0, 0] == pytest.approx(1 / 16, abs=0.012)
    assert seen[-1, -1] == pytest.approx(1 / 16, abs=0.012)
    assert seen[4, 4] == 1, "every place covers the middle"
    assert same((1 - m).sum((1, 2, 3)), torch.full((8000,), 25.0))


def test_the_centre_is_in_the_centre():
    for side, hole in ((32, 16), (28, 14), (32, 11), (9, 4)):
        (m,) = centre(1, side, hole)[0]
        assert same(m, m.flip(0))
        assert same(m, m.flip(1))
        assert same(m, m.T)
        assert 0 <= (1 - m).sum().sqrt() - hole <= 1
    hidden = (1 - centre(1, 32, 16))[0, 0].nonzero()
    assert hidden.min() == 8
    assert hidden.max() == 23


def test_regions_are_shapes_and_not_noise():
    """Most neighbours of a hidden pixel are hidden; of independent pixels a quarter would be."""
    hidden = 1 - regions(50, 32, 16)
    both = (hidden[..., 1:] * hidden[..., :-1]).sum() / hidden[..., 1:].sum()
    assert both > 0.75
    assert not same(hidden[0], hidden[1]), "each picture has a mask of its own"


@KINDS
def test_a_generator_decides_and_torchs_own_state_is_left_alone(kind):
    state = torch.get_rng_state()
    one, other = (masks(kind, 4, 32, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert same(one, other)
    assert same(torch.get_rng_state(), state)


def test_the_border_is_known_and_near_the_hole():
    m = centre(1, 12, 4)
    around = border(m, 2)
    assert around.sum() == 8**2 - 4**2
    assert (around * (1 - m)).sum() == 0
    assert around[0, 0, 2:10, 2:10].sum() == around.sum()
    assert border(m, 0).sum() == 0
    edge = torch.ones(1, 1, 6, 6)
    edge[..., 0] = 0
    assert same(border(edge, 1), (torch.arange(6) == 1).float().expand(1, 1, 6, 6))


def test_wrong_wishes_are_refused():
    with pytest.raises(ValueError, match="choose 'centre', 'blocks', 'regions'"):
        masks("circle", 1, 32)
    for share in (0, 1, -0.5, 1.5):
        with pytest.raises(ValueError, match="between 0 and 1"):
            masks("centre", 1, 32, share)
    with pytest.raises(ValueError, match="n must"):
        masks("centre", 0, 32)


@KINDS
@pytest.mark.parametrize("share", [0.001, 0.999])
def test_some_context_and_some_hole_are_always_left(kind, share):
    m = masks(kind, 5, 16, share)
    hidden = (1 - m).sum((1, 2, 3))
    assert hidden.min() >= 1
    assert hidden.max() < 16 * 16


def test_masks_are_checked_against_the_pictures():
    x = torch.zeros(3, 3, 32, 32)
    m = masks("centre", 3, 32)
    assert same(check_masks(m, x), m)
    wrongs = (m[:2], m[:, 0], m[..., :-1], m[..., :0], m.expand(-1, 3, -1, -1), 2 * m, m - 1, m / 2)
    for wrong in wrongs:
        with pytest.raises(ValueError, match="one mask for each picture, \\(3, 1, 32, 32\\)"):
            check_masks(wrong, x)
    for wrong in (m.bool(), m.double(), m.int()):
        with pytest.raises(TypeError, match=r"use m\.to\(x\.dtype\)"):
            check_masks(wrong, x)
    with pytest.raises(TypeError, match="masks\\(kind, n, side\\) makes some"):
        check_masks("centre", x)


def test_a_fill_has_a_number_for_each_channel_or_one_for_all():
    assert same(colour((), 3), torch.zeros(3, 1, 1))
    assert same(colour((0.5,), 3), torch.full((3, 1, 1), 0.5))
    assert same(colour((0.1, 0.2, 0.3), 3).flatten(), torch.tensor([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="one for each of 3"):
        colour((0.1, 0.2), 3)


def test_the_mean_colour_is_one_for_all_pictures():
    data = images(10, (3, 28, 28))
    wanted = data.floats().double().mean((0, 2, 3))
    np.testing.assert_allclose(mean_colour(data), wanted, atol=1e-6)
    assert mean_colour(ring()) == ()
    white = TensorData(torch.full((2, 1, 28, 28), 255, dtype=torch.uint8))
    assert mean_colour(white) == (1.0,)


MUTANTS = mutants(
    "data.masks",
    (
        "the context is painted over, and the hole kept",
        "return m * x + (1 - m) * y",
        "return (1 - m) * x + m * y",
        "test_composite",
    ),
    (
        "the last row and column are never hidden (PyTorch-GAN, datasets.py)",
        "places = side - square + 1",
        "places = side - square",
        "test_every_pixel_is_hidden_at_times_and_the_sides_are_alike",
    ),
    (
        "1 in the hole, as in the paper",
        "return 1 - hidden.float()",
        "return hidden.float()",
        "test_masks_are_zeros_in_the_hole_and_ones_elsewhere",
    ),
    (
        "the centre is a pixel off",
        "first = (side - hole) // 2",
        "first = (side - hole) // 2 + 1",
        "test_the_centre_is_in_the_centre",
    ),
    (
        "one mask for the whole batch",
        "noise = torch.randn(n, side, side, device=device, generator=generator)",
        "noise = torch.randn(1, side, side, device=device, generator=generator).expand(n, -1, -1)",
        "test_regions_are_shapes_and_not_noise",
    ),
    (
        "the border lies inside the hole",
        "return m * max_pool2d(1 - m, 2 * width + 1, stride=1, padding=width)",
        "return (1 - m) * max_pool2d(m, 2 * width + 1, stride=1, padding=width)",
        "test_the_border_is_known_and_near_the_hole",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
