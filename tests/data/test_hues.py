"""Digits in hues: what is drawn, that hue and digit are independent, and that it is read right."""

import pytest
import torch

from gan_lessons.data.hues import digits_in_hues, hues, nearest_hue, tinted
from tests.helpers import same


def test_every_hue_is_found_again():
    grey = torch.rand(12, 1, 28, 28) * 2 - 1
    for n in (3, 4, 6):
        which = torch.arange(12) % n
        assert same(nearest_hue(tinted(grey, which, n), n), which)


def test_black_stays_black_and_white_becomes_the_hue():
    which = torch.arange(4)
    assert (tinted(torch.full((4, 1, 2, 2), -1.0), which) == -1).all()
    assert same((tinted(torch.ones(4, 1, 1, 1), which)[:, :, 0, 0] + 1) / 2, hues(4))


@pytest.fixture(scope="module")
def data():
    return digits_in_hues()


def test_a_target_is_its_input_in_the_hue_of_its_label(data):
    index = torch.arange(64)
    x, y = data.inputs.floats(index), data.targets.floats(index)
    wanted = tinted(x[:, :1], data.targets.labels[index])
    torch.testing.assert_close(y, wanted, atol=0.01, rtol=0)
    assert same(x[:, 0], x[:, 1])


def test_the_hue_has_nothing_to_do_with_the_digit(data):
    digit, hue = data.inputs.labels, data.targets.labels
    table = torch.zeros(10, 4)
    table.index_put_((digit, hue), torch.ones(len(digit)), accumulate=True)
    expected = table.sum(1, keepdim=True) / 4
    chi2 = ((table - expected) ** 2 / expected).sum().item()
    assert chi2 < 60, "30 degrees of freedom"
    assert same(data.targets.labels, digits_in_hues().targets.labels), "drawn once"
    assert not same(data.targets.labels, digits_in_hues(seed=1).targets.labels)
