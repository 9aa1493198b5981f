"""Intervals: the basic bootstrap against its formula, and how often the truth is inside."""

import numpy as np
import pytest
import torch

from gan_lessons import metrics
from tests.mutants import mutants, survivors
from tests.oracles import oracle


@oracle("METRIC-BOOTSTRAP", r"\bigl[\, 2t - q_{97.5\,\%},\; 2t - q_{2.5\,\%} \,\bigr]")
def interval(value, resampled):
    ordered = np.sort(resampled)
    places = np.array([0.975, 0.025]) * (len(ordered) - 1)
    high, low = np.interp(places, np.arange(len(ordered)), ordered)
    return 2 * value - high, 2 * value - low


def mean_square(samples):
    return samples.square().mean().item()


def test_the_ends_are_those_of_the_formula():
    samples, seen = torch.randn(50, generator=torch.Generator().manual_seed(0)), []

    def measure(x):
        seen.append(mean_square(x))
        return seen[-1]

    found = metrics.bootstrap_interval(measure, samples, resamples=40)
    assert found.value == seen[-1] == mean_square(samples)
    assert (found.low, found.high) == pytest.approx(interval(found.value, np.array(seen[:-1])))


def test_the_truth_lies_inside_as_often_as_it_should():
    """The mean of 100 Gaussian numbers, 200 times: 95 % would be 190."""
    generator, inside = torch.Generator().manual_seed(0), 0
    for k in range(200):
        samples = torch.randn(100, generator=generator)
        found = metrics.bootstrap_interval(lambda x: x.mean().item(), samples, seed=k)
        inside += found.low < 0 < found.high
    assert 180 <= inside <= 198


def test_it_takes_off_the_bias_of_a_small_sample():
    """Points of one distribution: the Fréchet distance is above 0, the interval is around it."""
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(20_000, 8, generator=generator)
    few = torch.randn(200, 8, generator=generator)

    def distance(rows):
        return metrics.frechet_distance(rows, reference)

    found = metrics.bootstrap_interval(distance, few, resamples=40)
    assert found.low < 0.01
    assert found.high < found.value


def test_the_callers_random_numbers_stay_as_they_are():
    before = torch.get_rng_state()
    first, second = (
        metrics.bootstrap_interval(mean_square, torch.ones(5).cumsum(0), seed=s) for s in (3, 3)
    )
    assert first == second
    assert first.low < first.value < first.high
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_input():
    with pytest.raises(ValueError, match="two or more"):
        metrics.bootstrap_interval(mean_square, torch.ones(1))
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ValueError, match="a share between 0 and 1"):
            metrics.bootstrap_interval(mean_square, torch.ones(5), level=level)
    with pytest.raises(ValueError, match="resamples"):
        metrics.bootstrap_interval(mean_square, torch.ones(5), resamples=0)


MUTANTS = mutants(
    "metrics.intervals",
    (
        "the quantiles themselves, with the bias twice in them",
        "float(2 * value - high), float(2 * value - low)",
        "float(low), float(high)",
        "test_the_ends_are_those_of_the_formula",
    ),
    (
        "the quantiles change places",
        "float(2 * value - high), float(2 * value - low)",
        "float(2 * value - low), float(2 * value - high)",
        "test_the_ends_are_those_of_the_formula",
    ),
    (
        "drawn without replacement: every resample is the whole",
        "torch.randint(size, (size,), generator=generator)",
        "torch.randperm(size, generator=generator)",
        "test_the_callers_random_numbers_stay_as_they_are",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
