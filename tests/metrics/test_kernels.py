"""The Gaussian kernel distance on planted differences."""

import pytest
import torch

from gan_lessons.metrics import gaussian_kernel_distance, kernel_distance
from tests.mutants import mutants, survivors


def test_equal_distributions_are_around_zero_on_both_sides():
    values = [gaussian_kernel_distance(*torch.randn(2, 200, 2)).item() for _ in range(20)]
    assert min(values) < 0 < max(values)
    assert max(map(abs, values)) < 0.02


def test_it_sees_a_hole_where_three_moments_see_none():
    z = torch.randn(4000, 2)
    torch.manual_seed(1)
    with_hole = torch.randn(12_000, 2)
    with_hole = with_hole[with_hole.norm(dim=1) > 0.8][:2000]
    with_hole = with_hole / with_hole.std()
    floor = abs(gaussian_kernel_distance(z[:2000], z[2000:]).item())
    assert gaussian_kernel_distance(with_hole, z[:2000]).item() > 5 * floor
    assert abs(kernel_distance(with_hole, z[:2000])) < 0.05


def test_the_parts_of_a_large_set_make_the_whole():
    a, b = torch.randn(2, 1100, 3).double()
    squares = torch.cdist(torch.cat([a, b]), torch.cat([a, b])).square()
    k = sum((-squares / (2 * 3 * w * w)).exp() for w in (0.25, 0.5, 1.0)) / 3
    k.fill_diagonal_(0)
    own = (k[:1100, :1100].sum() + k[1100:, 1100:].sum()) / (1100 * 1099)
    expected = own - 2 * (torch.cat([k[:1100, 1100:]]).mean())
    assert gaussian_kernel_distance(a, b).item() == pytest.approx(expected.item(), abs=1e-12)


def test_what_does_not_fit_is_refused():
    for a, b in (((1, 2), (5, 2)), ((5, 2), (5, 3)), ((5,), (5, 2))):
        with pytest.raises(ValueError, match="one d"):
            gaussian_kernel_distance(torch.zeros(a), torch.zeros(b))


MUTANTS = mutants(
    "metrics.kernels",
    (
        "each point is paired with itself: too large for equal distributions",
        "own = (_kernels(a, a) - n) / (n * (n - 1)) + (_kernels(b, b) - m) / (m * (m - 1))",
        "own = _kernels(a, a) / (n * n) + _kernels(b, b) / (m * m)",
        "test_equal_distributions_are_around_zero_on_both_sides",
    ),
    (
        "pairs across count once",
        "return own - 2 * _kernels(a, b) / (n * m)",
        "return own - _kernels(a, b) / (n * m)",
        "test_the_parts_of_a_large_set_make_the_whole",
    ),
    (
        "the widths do not grow with the number of dimensions",
        "widths = [width * math.sqrt(a.shape[1]) for width in WIDTHS]",
        "widths = list(WIDTHS)",
        "test_the_parts_of_a_large_set_make_the_whole",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
