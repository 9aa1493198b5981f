"""Pairs of a run: drawn from one noise, and compared with real digits."""

from dataclasses import replace

import pytest
import torch

from gan_lessons.data import digits, edges, negative
from gan_lessons.evaluation.pairs import measure_pairs, pairs
from gan_lessons.latent import cogan
from gan_lessons.metrics import agreement
from tests.helpers import same, two_domains
from tests.mutants import mutants, survivors

TEST = digits("test").subset(slice(150))


@pytest.fixture(scope="module")
def run():
    config = replace(cogan.PRESETS["smoke"], steps=3, batch_size=8)
    return cogan.train(config, two_domains(), device="cpu", progress=False, snapshots=0)


def test_a_pair_comes_from_one_noise(run):
    first, second = pairs(run, 700, seed=3)  # more than one chunk
    assert first.shape == second.shape == (700, 1, 32, 32)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        z = [run.averaged.noise(500), run.averaged.noise(200)]
    with torch.no_grad():
        expected = torch.cat([run.averaged.eval().generator(part) for part in z], dim=1)
    torch.testing.assert_close(first, expected[0])
    torch.testing.assert_close(second, expected[1])


def test_another_seed_gives_other_pairs(run):
    assert same(pairs(run, 5, seed=1)[1], pairs(run, 5, seed=1)[1])
    assert not same(pairs(run, 5, seed=1)[1], pairs(run, 5, seed=2)[1])


def test_the_pairs_of_a_run_are_compared(run):
    expected = agreement.compare_pairs(*pairs(run, 80, seed=2), TEST.floats())
    assert measure_pairs(run, TEST, n=80, seed=2) == expected


class Perfect:
    """In the place of a run: real digits, and in the second domain what a map makes of them."""

    def __init__(self, restyle):
        self.restyle = restyle

    def sample(self, n, *, seed, domains=None):
        x = TEST.floats()[:n]
        assert domains is None or domains.tolist() == [1] * n
        return x if domains is None else self.restyle(x)


def test_who_knows_the_map_agrees_with_it():
    found = measure_pairs(Perfect(negative), TEST, n=len(TEST))
    assert found["pixel agreement"] == found["class agreement"] == 1
    assert found["distance"] == pytest.approx(0, abs=1e-6)
    assert found["second distance"] == pytest.approx(0, abs=1e-6)


def test_another_map_can_be_asked_for():
    how = {"restyle": edges, "undo": None, "read": lambda x: torch.full((len(x),), 3)}
    found = measure_pairs(Perfect(edges), TEST, n=80, **how)
    assert found["pixel agreement"] == 1
    assert found["class agreement"] == found["classes, by chance"]
    assert "second distance" not in found


MUTANTS = mutants(
    "evaluation.pairs",
    (
        "a pair for measuring is drawn from two noises",
        "run.sample(n, seed=seed, domains=second)",
        "run.sample(n, seed=seed + 1, domains=second)",
        "test_a_pair_comes_from_one_noise",
    ),
    (
        "both images are of the first domain",
        "torch.ones(n, dtype=torch.int64)",
        "torch.zeros(n, dtype=torch.int64)",
        "test_a_pair_comes_from_one_noise",
    ),
    (
        "the second domain comes first",
        "return run.sample(n, seed=seed), run.sample(n, seed=seed, domains=second)",
        "return run.sample(n, seed=seed, domains=second), run.sample(n, seed=seed)",
        "test_who_knows_the_map_agrees_with_it",
    ),
    (
        "the same pairs whatever the seed",
        "*pairs(run, n, seed)",
        "*pairs(run, n)",
        "test_the_pairs_of_a_run_are_compared",
    ),
    (
        "the map between the domains is forgotten: it is the negative everywhere",
        "metrics.features(test.floats()), **how)",
        "metrics.features(test.floats()))",
        "test_another_map_can_be_asked_for",
    ),
    (
        "distances to the run's own images",
        "metrics.features(test.floats()), **how)",
        "metrics.features(run.sample(n, seed=seed)), **how)",
        "test_the_pairs_of_a_run_are_compared",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
