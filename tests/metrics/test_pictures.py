"""Sharpness and the fresh discriminator: their equations, and defects that they must see."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_lessons.data import toy_facades
from gan_lessons.metrics.pictures import gradient_energy, sharpness, told_apart
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle, scores


@oracle(
    "METRIC-ENERGY",
    r"E(y) = \tfrac12 \mathbb E \lvert y_{i+1, j} - y_{i, j} \rvert + \tfrac12 \mathbb E "
    r"\lvert y_{i, j+1} - y_{i, j} \rvert",
)
def mean_step_between_neighbours(images):
    n, c, height, width = images.shape
    down = sum(np.abs(images[:, :, i + 1] - images[:, :, i]).sum() for i in range(height - 1))
    right = sum(np.abs(images[..., j + 1] - images[..., j]).sum() for j in range(width - 1))
    return (down / (n * c * (height - 1) * width) + right / (n * c * height * (width - 1))) / 2


@oracle("METRIC-SHARP", r"S = E(\hat y) / E(y)")
def ratio_of_energies(samples, reference):
    return mean_step_between_neighbours(samples) / mean_step_between_neighbours(reference)


def pictures(n=60, side=4, seed=0):
    return np.tanh(scores(n, seed=seed)).reshape(-1, 3, side, n // 3 // side)


def test_gradient_energy():
    check("METRIC-ENERGY", gradient_energy, images=pictures())


def test_sharpness():
    samples, reference = pictures(), pictures(seed=1)
    found = sharpness(torch.tensor(samples), torch.tensor(reference))
    assert found == pytest.approx(ratio_of_energies(samples, reference), rel=1e-12)


def test_energies_that_can_be_told_by_hand():
    stripes = torch.ones(1, 1, 4, 4)
    stripes[..., ::2] = -1
    assert gradient_energy(stripes) == 1, "2 across, 0 along"
    assert gradient_energy(torch.full((1, 3, 4, 4), 0.7)) == 0
    checks = stripes * stripes.mT
    assert gradient_energy(checks) == 2


@pytest.fixture(scope="module")
def houses():
    """Inputs, pictures, and other pictures of the same inputs' kind."""
    data = toy_facades(400, 32)
    return data.inputs.floats(), data.targets.floats()


def test_planted_defects_in_sharpness(houses):
    _, y = houses
    torch.manual_seed(0)
    assert sharpness(y, y) == 1
    assert sharpness(y.roll(1, 0), y) == pytest.approx(1, abs=1e-6), "a ratio of means"
    assert sharpness(y * 0.5 + 0.2, y) == pytest.approx(0.5, abs=1e-4), "flat colours"
    blurred = [sharpness(F.avg_pool2d(y, k, 1, k // 2), y) for k in (3, 5, 7)]
    assert 0.7 > blurred[0] > blurred[1] > blurred[2]
    noisy = (y + 0.3 * torch.randn_like(y)).clamp(-1, 1)
    assert sharpness(noisy, y) > 1.2, "noise is no sharpness, but it counts"
    assert sharpness(y.mean(0).expand_as(y), y) < 0.3, "the mean image"


def test_the_fresh_discriminator_sees_blur_and_noise_and_not_more(houses):
    _, y = houses
    torch.manual_seed(0)
    same_kind = told_apart(y[:200], y[200:], steps=60)
    assert 0.35 < same_kind < 0.65, "real against real is chance"
    assert told_apart(F.avg_pool2d(y, 3, 1, 1), y, steps=60) > 0.95
    noisy = (y + 0.3 * torch.randn_like(y)).clamp(-1, 1)
    assert told_apart(noisy, y, steps=60) > 0.95


def test_the_fresh_discriminator_sees_a_picture_that_does_not_fit_only_with_the_input():
    torch.manual_seed(0)
    x = torch.rand(400, 1, 1, 1).mul(2).sub(1).expand(-1, 1, 28, 28)
    y, other = x * 0.9, x.roll(1, 0) * 0.9  # real pictures of the wrong inputs
    assert 0.35 < told_apart(other, y, steps=60) < 0.65
    assert told_apart(other, y, x, steps=60) > 0.75


def test_it_is_asked_about_images_that_it_has_not_seen():
    """Noise can be learnt by heart, but what is known by heart does not help with more of it."""
    torch.manual_seed(0)
    fake, real = torch.rand(2, 24, 1, 28, 28) * 2 - 1
    assert 0.25 < told_apart(fake, real, steps=60) < 0.75


def test_same_seed_same_number_and_the_callers_randomness_stays(houses):
    _, y = houses
    state = torch.get_rng_state()
    first = told_apart(y[:20], y[20:40], steps=3, seed=1)
    assert first == told_apart(y[:20], y[20:40], steps=3, seed=1)
    assert torch.equal(state, torch.get_rng_state())


def test_bad_pictures_are_refused():
    y = torch.rand(8, 1, 28, 28) - 0.5
    with pytest.raises(ValueError, match="reference is flat"):
        sharpness(y, torch.zeros_like(y) - 0.5)
    with pytest.raises(ValueError, match=r"images lie in \[-1, 1\]"):
        sharpness(3 * y, y)
    with pytest.raises(ValueError, match="four or more of each"):
        told_apart(y, y[:4])
    with pytest.raises(ValueError, match="four or more of each"):
        told_apart(y[:2], y[:2])


MUTANTS = mutants(
    "metrics.pictures",
    (
        "sharpness: the wrong way up",
        "(gradient_energy(samples) / energy)",
        "(energy / gradient_energy(samples))",
        "test_sharpness",
    ),
    (
        "told apart: asked about what it was trained on",
        "network(p) for p in half[test].split(500)",
        "network(p) for p in half[train].split(500)",
        "test_it_is_asked_about_images_that_it_has_not_seen",
    ),
    (
        "told apart: the inputs are not shown",
        "if given is not None:",
        "if False:",
        "test_the_fresh_discriminator_sees_a_picture_that_does_not_fit_only_with_the_input",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
