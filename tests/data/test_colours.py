"""Digits in two colours: the true map and its inverse, and no digit in both domains."""

import numpy as np
import pytest
import torch

from gan_lessons import metrics
from gan_lessons.data import (
    coloured,
    digits,
    digits_in_two_colours,
    to_first,
    to_grey,
    to_second,
)
from gan_lessons.data.made import COLOURS
from tests.helpers import same
from tests.mutants import mutants, survivors

DOMAINS = ("first", "second")


def test_black_is_the_background_and_white_is_ink():
    for domain, (background, ink) in COLOURS.items():
        for grey, colour in ((-1, background), (1, ink), (0, np.mean([background, ink], axis=0))):
            made = coloured(torch.full((2, 1, 3, 3), float(grey)), domain)
            assert made.shape == (2, 3, 3, 3)
            expected = torch.tensor(np.array(colour) / 127.5 - 1, dtype=torch.float32)
            torch.testing.assert_close(made[1, :, 2, 0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("domain", DOMAINS)
def test_grey_comes_back(domain):
    grey = torch.rand(4, 1, 8, 8, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(to_grey(coloured(grey, domain), domain), grey)


def test_the_maps_are_exact_inverses_on_the_colours():
    grey = torch.rand(4, 1, 8, 8, dtype=torch.float64) * 2 - 1
    x, y = coloured(grey, "first"), coloured(grey, "second")
    torch.testing.assert_close(to_second(x), y)
    torch.testing.assert_close(to_first(y), x)
    torch.testing.assert_close(to_first(to_second(x)), x)
    torch.testing.assert_close(to_second(to_first(y)), y)


def test_colours_beside_the_line_count_as_the_nearest_on_it():
    """Checked against least squares."""
    images = torch.rand(2, 3, 4, 4, dtype=torch.float64) * 2 - 1
    background, ink = (np.array(c) / 127.5 - 1 for c in COLOURS["first"])
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    amount = np.linalg.lstsq((ink - background)[:, None], (pixels - background).T, rcond=None)[0]
    expected = torch.from_numpy(np.clip(2 * amount[0] - 1, -1, 1)).view(2, 1, 4, 4)
    torch.testing.assert_close(to_grey(images, "first"), expected)


def test_gradients_pass():
    images = torch.zeros(1, 3, 2, 2, requires_grad=True)
    to_second(images).sum().backward()
    assert images.grad.any()


def test_the_two_colourings_are_far_apart_and_both_have_contrast():
    grey = digits().floats()
    x, y = coloured(grey, "first"), coloured(grey, "second")
    assert (x - y).abs().mean() > 1, "copying the input is a bad answer"
    for background, ink in COLOURS.values():
        assert np.abs(np.subtract(background, ink)).mean() > 90


def test_data_are_the_coloured_digits_up_to_rounding():
    data, whole = digits_in_two_colours(), digits()
    assert data.shape == (3, 32, 32)
    assert len(data.first) + len(data.second) == len(whole)
    for domain, half in zip(DOMAINS, (data.first, data.second), strict=True):
        assert half.labels.bincount(minlength=10).min() > 20
        x = half.floats()
        again = coloured(to_grey(x, domain), domain)
        assert (again - x).abs().max() <= 1.01 / 127.5, "on the line, but for the rounding"
    assert data.first.name.endswith("light on blue")
    assert data.second.name.endswith("dark on green")


def test_the_truth_is_known_for_every_image():
    data = digits_in_two_colours("test", 28)
    x, y = data.first.floats(), data.second.floats()
    assert (to_first(to_second(x)) - x).abs().max() < 0.01
    assert (to_second(to_first(y)) - y).abs().max() < 0.01
    # Pixels at random and images at random have another colouring, not another drawing.
    assert same(to_grey(to_second(x), "second") > 0, to_grey(x, "first") > 0)


def test_no_digit_is_in_both_domains():
    data, whole = digits_in_two_colours(), digits()
    grey = [
        ((to_grey(half.floats(), domain) + 1) * 127.5).round()
        for domain, half in zip(DOMAINS, (data.first, data.second), strict=True)
    ]
    # Rounding to the colours' bytes may move a grey value by 1, never by more.
    original = whole.values.float().flatten(1)
    nearest = [torch.cdist(g.flatten(1), original).min(1) for g in grey]
    assert max(n.values.max().item() for n in nearest) <= 1024**0.5
    first, second = (original[n.indices] for n in nearest)
    unique = [len(part.unique(dim=0)) for part in (first, second, torch.cat([first, second]))]
    assert unique[0] + unique[1] == unique[2] == len(original.unique(dim=0))


def test_row_i_of_one_domain_says_nothing_about_row_i_of_the_other():
    """Measured: rows drawn together agree in class and picture no more than shuffled rows."""
    data = digits_in_two_colours()
    x, y = data.batch(3000, torch.Generator().manual_seed(0))
    a, b = to_grey(x, "first").flatten(1), to_grey(y, "second").flatten(1)
    together = (a - b).abs().mean(1)
    apart = (a - b.roll(1, 0)).abs().mean(1)
    assert abs(together.mean() - apart.mean()) < 4 * apart.std() / 3000**0.5
    # Were the same index used for both, repeated rows of x would bring the same rows of y.
    _, which = torch.unique(a, dim=0, return_inverse=True)
    order = which.argsort()
    same_x = which[order][1:] == which[order][:-1]
    assert same_x.sum() > 1000
    assert (b[order][1:] == b[order][:-1]).all(1)[same_x].double().mean() < 0.02


def test_the_judge_reads_what_comes_back_to_grey(real_data):
    data = digits_in_two_colours("test", data_dir=real_data, download=False)
    for domain, half in zip(DOMAINS, (data.first, data.second), strict=True):
        part = half.subset(slice(500))
        grey = to_grey(part.floats(), domain)
        assert metrics.conditional_accuracy(grey, part.labels) > 0.97


def test_unknown_domains_are_refused():
    with pytest.raises(ValueError, match='domain is \'third\': choose "first" or "second"'):
        to_grey(torch.zeros(1, 3, 2, 2), "third")
    with pytest.raises(ValueError, match="choose"):
        digits_in_two_colours("valid")


def test_images_of_another_kind_are_refused():
    grey, colour = torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 4, 4)
    for wrong in (
        lambda: coloured(colour, "first"),
        lambda: to_grey(grey, "first"),
        lambda: to_second(colour.to(torch.uint8)),
        lambda: to_first(colour[0]),
    ):
        with pytest.raises(
            ValueError, match=r"images have shape .*: give floats \(N, [13], H, W\)"
        ):
            wrong()


MUTANTS = mutants(
    "data.made",
    (
        "data, two colours: the same digits in both",
        '_coloured_data(second, "second")',
        '_coloured_data(first, "second")',
        "test_no_digit_is_in_both_domains",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
