"""The Gaussian kernel distance on planted differences."""

import pytest
import torch

from gan_lessons.metrics import gaussian_kernel_distance, kernel_distance


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
    a, b = torch.randn(2, 1500, 3).double()
    squares = torch.cdist(torch.cat([a, b]), torch.cat([a, b])).square()
    k = sum((-squares / (2 * 3 * w * w)).exp() for w in (0.25, 0.5, 1.0)) / 3
    k.fill_diagonal_(0)
    own = (k[:1500, :1500].sum() + k[1500:, 1500:].sum()) / (1500 * 1499)
    expected = own - 2 * (torch.cat([k[:1500, 1500:]]).mean())
    assert gaussian_kernel_distance(a, b).item() == pytest.approx(expected.item(), abs=1e-12)


def test_what_does_not_fit_is_refused():
    for a, b in (((1, 2), (5, 2)), ((5, 2), (5, 3)), ((5,), (5, 2))):
        with pytest.raises(ValueError, match="one d"):
            gaussian_kernel_distance(torch.zeros(a), torch.zeros(b))
