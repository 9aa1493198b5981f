"""The copy test: its count against pairs, planted copies, and what hides them."""

import pytest
import torch

from gan_lessons import metrics
from tests.mutants import mutants, survivors
from tests.oracles import oracle


@oracle(
    "METRIC-NEARER",
    r"\text{nearer} = \frac{1}{NM} \sum_i \sum_j \mathbf 1\bigl[d(x_i) < d(y_j)\bigr]",
)
def nearer(own, usual):
    return (own[:, None] < usual[None, :]).mean()


@pytest.fixture
def sets():
    """Train, test and unseen points of one distribution."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1600, 6, generator=generator).split([1000, 300, 300])


def nearest(points, train):
    return torch.cdist(points.double(), train.double()).amin(dim=1)


def test_it_counts_pairs(sets):
    train, test, unseen = sets
    found = metrics.copy_test(unseen, test, train)
    own, usual = nearest(unseen, train), nearest(test, train)
    assert found.nearer == pytest.approx(nearer(own.numpy(), usual.numpy()), abs=1e-4)
    assert found == metrics.compare_distances(
        *(metrics.nearest_neighbours(x, train)[1].double() for x in (unseen, test))
    )
    ties = metrics.compare_distances(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 2.0]))
    assert ties.nearer == 0.75, "one pair of two less, the other equal"


def test_unseen_points_are_as_near_as_test_points(sets):
    train, test, unseen = sets
    found = metrics.copy_test(unseen, test, train)
    assert abs(found.nearer - 0.5) < 0.06
    assert found.p_value > 0.05
    assert found.share < 0.04


@pytest.mark.parametrize("planted", [0.1, 0.2, 0.5])
def test_planted_copies_are_found_and_counted(sets, planted):
    train, test, unseen = sets
    k = round(planted * len(unseen))
    found = metrics.copy_test(torch.cat([train[:k], unseen[k:]]), test, train)
    assert found.p_value < 0.05
    assert planted <= found.share < planted + 0.04
    assert found.nearer == pytest.approx(0.5 + planted / 2, abs=0.06)


def test_poor_samples_hide_their_copies_from_the_mean_but_not_from_the_tail(sets):
    train, test, unseen = sets
    found = metrics.copy_test(torch.cat([train[:60], 2 * unseen[60:]]), test, train)
    assert found.nearer < 0.5
    assert found.p_value > 0.95
    assert found.share >= 0.2


def test_equal_distances_everywhere_are_no_evidence():
    found = metrics.compare_distances(torch.ones(5), torch.ones(5))
    assert (found.nearer, found.share) == (0.5, 0)
    assert found.p_value >= 0.5


@pytest.mark.parametrize("quantile", [0.0, 1.0, 5])
def test_bad_quantile(sets, quantile):
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        metrics.copy_test(*sets[::-1], quantile=quantile)


def test_shapes_must_fit(sets):
    with pytest.raises(ValueError, match="one size"):
        metrics.copy_test(sets[2][:, :3], sets[1], sets[0])


MUTANTS = mutants(
    "metrics.copies",
    (
        "farther counts as nearer",
        "nearer = 1 - float(",
        "nearer = float(",
        "test_poor_samples_hide_their_copies_from_the_mean_but_not_from_the_tail",
    ),
    (
        "the test looks for samples that are farther",
        'alternative="less"',
        'alternative="greater"',
        "test_planted_copies_are_found_and_counted",
    ),
    (
        "the threshold comes from the samples themselves",
        "torch.quantile(usual, quantile)",
        "torch.quantile(own, quantile)",
        "test_planted_copies_are_found_and_counted",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
