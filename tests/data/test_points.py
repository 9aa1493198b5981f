"""Points: where their modes are, how wide, and that a seed decides."""

import math

import pytest
import torch

from gan_lessons.data import grid, ring, swiss_roll


def test_ring_has_its_modes_on_the_circle():
    data = ring()
    assert data.values.shape == (50_000, 2)
    assert data.values.dtype == torch.float32
    assert data.name == "ring of 8 Gaussians, 50,000 points, std 0.02"
    expected = [[2 * math.cos(math.pi * k / 4), 2 * math.sin(math.pi * k / 4)] for k in range(8)]
    torch.testing.assert_close(data.modes, torch.tensor(expected))


def test_grid_has_its_modes_row_by_row():
    data = grid()
    assert data.modes.shape == (25, 2)
    assert data.modes[:6].tolist() == [[-2, -2], [-1, -2], [0, -2], [1, -2], [2, -2], [-2, -1]]
    assert grid(side=2, spacing=3.0).modes.abs().unique().tolist() == [1.5]
    assert grid(side=1).modes.tolist() == [[0, 0]]


@pytest.mark.parametrize("data", [ring(std=0.1), grid(std=0.1)], ids=["ring", "grid"])
def test_points_are_gaussian_around_their_modes(data):
    offsets = data.values - data.modes[data.labels]
    assert abs(offsets.std().item() - 0.1) < 0.001
    assert offsets.mean(0).abs().max() < 0.002
    inside = (offsets.norm(dim=1) < 3 * data.std).double().mean().item()
    assert abs(inside - (1 - math.exp(-4.5))) < 0.002  # Rayleigh: 1 - exp(-3² / 2)
    counts = data.labels.bincount()
    assert counts.max() - counts.min() <= 1


def test_std_zero_puts_every_point_on_a_mode():
    data = ring(n=16, std=0.0)
    assert torch.equal(data.values, data.modes.repeat(2, 1))


def test_swiss_roll_is_a_spiral_without_modes():
    data = swiss_roll(n=5_000, std=0.0)
    radius = data.values.norm(dim=1)
    assert (data.labels, data.modes, data.std) == (None, None, None)
    assert radius.min() >= 2 / 3 - 1e-5
    assert 1.99 < radius.max() <= 2 + 1e-5
    # On this spiral the radius determines the angle.
    angle = radius * 4.5 * math.pi / 2
    expected = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    torch.testing.assert_close(data.values, expected, atol=1e-4, rtol=0)
    noise = swiss_roll(n=5_000, std=0.1).values - swiss_roll(n=5_000, std=0.0).values
    assert abs(noise.std().item() - 0.1) < 0.003


@pytest.mark.parametrize("points", [ring, grid, swiss_roll])
def test_a_seed_decides_and_the_global_state_is_spared(points):
    state = torch.get_rng_state()
    assert torch.equal(points(n=100, seed=1).values, points(n=100, seed=1).values)
    assert not torch.equal(points(n=100, seed=1).values, points(n=100, seed=2).values)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ring(n_modes=0), "n_modes is 0"),
        (lambda: ring(n=2.5), r"n is 2\.5"),
        (lambda: ring(std=-1.0), r"std is -1\.0"),
        (lambda: grid(side=-2), "side is -2"),
        (lambda: swiss_roll(n=0), "n is 0"),
        (lambda: swiss_roll(std=float("nan")), "std is nan"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
