"""Squares of two values: what is in the hole has nothing to do with what is around it."""

import pytest
import torch

from gan_lessons.data.masks import centre
from gan_lessons.data.two_valued import two_valued
from tests.helpers import same


def test_the_square_fills_the_hole_and_has_one_of_two_values():
    data = two_valued(300, 0.5)
    x, hidden = data.floats(), (1 - centre(1, 32, 16)).bool()[0]
    inside = x[:, hidden]
    assert inside.shape == (300, 256)
    wanted = 0.5 * (2 * data.labels.float() - 1)
    torch.testing.assert_close(inside, wanted[:, None].expand_as(inside), atol=0.005, rtol=0)
    assert 0.4 < data.labels.float().mean() < 0.6
    assert x[:, ~hidden].abs().max() < 0.6
    assert x[:, ~hidden].std() > 0.1


def test_the_background_does_not_know_the_coin():
    """A linear reader that sees the whole background guesses as well as a coin on new pictures."""
    train, test = two_valued(3000), two_valued(2000, split="test")
    m = centre(1, 32, 16)

    def rows(data):
        small = torch.nn.functional.avg_pool2d(data.floats() * m, 4).flatten(1)
        return torch.cat([small, torch.ones(len(small), 1)], dim=1)

    target = 2.0 * train.labels - 1
    w = torch.linalg.lstsq(rows(train), target[:, None]).solution
    right = ((rows(test) @ w > 0)[:, 0] == (test.labels == 1)).float().mean()
    assert right == pytest.approx(0.5, abs=0.045)


def test_same_seed_same_pictures_and_no_picture_in_both_splits():
    assert same(two_valued(5, seed=1).values, two_valued(5, seed=1).values)
    assert not same(two_valued(5, seed=1).values, two_valued(5, seed=2).values)
    for seed in range(3):
        for other in range(3):
            assert not same(
                two_valued(5, seed=seed).values, two_valued(5, seed=other, split="test").values
            )


def test_wrong_wishes_are_refused():
    with pytest.raises(ValueError, match='"train" or "test"'):
        two_valued(5, split="val")
    for value in (0, -0.5, 1.5):
        with pytest.raises(ValueError, match="above 0"):
            two_valued(5, value)
    with pytest.raises(ValueError, match="size"):
        two_valued(5, size=8)
