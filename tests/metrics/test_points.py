"""Metrics of points: equations against oracles, modes that are missing, and each error."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_lessons import data, metrics
from gan_lessons.metrics.points import kl_to_uniform
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle


@oracle("METRIC-KL", r"\mathrm{KL}(p \parallel \text{uniform}) = \sum_{c} p_c \log(10\,p_c)")
def class_kl(counts):
    shares = [c / counts.sum() for c in counts if c > 0]
    return sum(p * np.log(p * len(counts)) for p in shares)


@oracle("METRIC-W1", r"W_1 = \inf_{\gamma} \mathbb E_{(x, y) \sim \gamma}\,\lvert x - y \rvert")
def w1(a, b):
    return np.abs(np.sort(a) - np.sort(b)).mean()  # for equally many: the monotone coupling


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def number(value):
    return torch.tensor(value, dtype=torch.float64)


def test_class_kl_agrees_with_its_sum(rng):
    check(
        "METRIC-KL",
        lambda counts: number(kl_to_uniform(counts / counts.sum())),
        gradient=False,
        counts=np.array([5.0, 0, 3, 1, 1, 7, 0, 2, 4, 9]),
    )
    assert kl_to_uniform(torch.full((10,), 0.1)) == pytest.approx(0, abs=1e-7)
    assert kl_to_uniform(F.one_hot(torch.tensor(3), 10).float()) == pytest.approx(np.log(10))


def test_wasserstein_1d_agrees_with_sorted_pairs(rng):
    check(
        "METRIC-W1",
        lambda a, b: number(metrics.wasserstein_1d(a, b)),
        gradient=False,
        a=rng.normal(size=40),
        b=rng.uniform(size=40),
    )
    a = torch.from_numpy(rng.normal(size=(40, 1)))
    assert metrics.wasserstein_1d(a, a[:, 0] + 3) == pytest.approx(3)
    assert metrics.wasserstein_1d(torch.zeros(4), torch.tensor([1.0, 2])) == pytest.approx(1.5)


def test_wasserstein_2d_of_a_shift_and_of_a_permutation(rng):
    points = torch.from_numpy(rng.normal(size=(200, 2)))
    shuffled = points[torch.randperm(200)]
    assert metrics.wasserstein_2d(points, shuffled) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert metrics.wasserstein_2d(points, shuffled + shift) == pytest.approx(5)


def test_modes_of_the_ring_itself():
    ring = data.ring(n=8_000)
    covered, high_quality, kl = metrics.mode_coverage(ring.values, ring.modes, ring.std)
    assert covered == 8
    assert high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.005)  # within 3 std in the plane
    assert kl == pytest.approx(0, abs=1e-6)


def test_modes_that_are_missing_or_missed():
    ring = data.ring(n=8_000)
    half = ring.values[ring.labels < 4]
    assert metrics.mode_coverage(half, ring.modes, ring.std)[0] == 4
    assert metrics.mode_coverage(half, ring.modes, ring.std).kl == pytest.approx(np.log(2))
    blurred = ring.values + torch.randn(8_000, 2)
    assert metrics.mode_coverage(blurred, ring.modes, ring.std).high_quality < 0.05
    nothing = metrics.mode_coverage(torch.zeros(100, 2) + 9, ring.modes, ring.std)
    assert nothing[:2] == (0, 0)
    rare = torch.cat([ring.modes[:1].repeat(995, 1), ring.modes[1:2].repeat(5, 1)])
    assert metrics.mode_coverage(rare, ring.modes, ring.std).covered == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.mode_coverage(torch.zeros(5, 2), torch.zeros(8, 3), 1), "do not fit"),
        (lambda: metrics.mode_coverage(torch.zeros(5, 2), torch.zeros(8, 2), 0), "std is 0"),
        (lambda: metrics.wasserstein_1d(torch.zeros(5, 2), torch.zeros(5)), "a has shape"),
        (lambda: metrics.wasserstein_2d(torch.zeros(5, 2), torch.zeros(4, 2)), "equally many"),
        (lambda: metrics.wasserstein_1d(torch.full((3,), torch.nan), torch.zeros(3)), "NaN"),
    ],
)
def test_bad_calls(call, message):
    with pytest.raises(ValueError, match=message):
        call()


MUTANTS = mutants(
    "metrics.points",
    (
        "a mode counts as covered by points that are nowhere near it",
        "good = distance <= 3 * std",
        "good = distance >= 0",
        "test_modes_that_are_missing_or_missed",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
