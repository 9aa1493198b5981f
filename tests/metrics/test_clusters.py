"""Agreement of clusters with labels: oracles, invariances, planted defects, errors."""

import itertools
import math

import numpy as np
import pytest
import torch

from gan_lessons import metrics
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle


@oracle(
    "CLUSTERGAN-ACC",
    r"\operatorname{ACC} = \max_{m\ \text{one-to-one}} \mathbb P\bigl(m(c) = y\bigr)",
)
def accuracy(clusters, labels):
    """Every one-to-one assignment is tried; surplus clusters stand for classes that nobody has."""
    size = max(clusters.max(), labels.max()) + 1
    return max(
        np.mean(np.array(classes)[clusters] == labels)
        for classes in itertools.permutations(range(size))
    )


@oracle("CLUSTERGAN-NMI", r"\operatorname{NMI} = \frac{2\, I(c; y)}{H(c) + H(y)}")
def normalised_information(clusters, labels):
    """From the shares of pairs, in nats."""

    def entropy(values):
        shares = np.unique(values, return_counts=True)[1] / len(labels)
        return -(shares * np.log(shares)).sum()

    joint = entropy(clusters * 100 + labels)
    both = entropy(clusters) + entropy(labels)
    return 2 * (both - joint) / both


@oracle(
    "CLUSTERGAN-ARI",
    r"\operatorname{ARI} = \frac{n_{cy} - n_c\, n_y / n}{(n_c + n_y) / 2 - n_c\, n_y / n}",
)
def adjusted_rand(clusters, labels):
    """Counted over all pairs of samples."""
    pairs = list(itertools.combinations(range(len(labels)), 2))
    one = np.array([clusters[i] == clusters[j] for i, j in pairs], dtype=float)
    other = np.array([labels[i] == labels[j] for i, j in pairs], dtype=float)
    expected = one.sum() * other.sum() / len(pairs)
    largest = (one.sum() + other.sum()) / 2
    return ((one * other).sum() - expected) / (largest - expected)


def divisions(seed, clusters=4, classes=4, n=60, noise=0.4):
    """Labels, and clusters that follow them but for some noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    random = rng.integers(clusters, size=n)
    return np.where(rng.random(n) < noise, random, labels % clusters), labels


@pytest.mark.parametrize("sizes", [(4, 4), (6, 3), (3, 6), (1, 4)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("known", "function"),
    [
        (accuracy, metrics.cluster_accuracy),
        (normalised_information, metrics.mutual_information),
        (adjusted_rand, metrics.adjusted_rand_index),
    ],
    ids=lambda value: value.__name__,
)
def test_scores(known, function, seed, sizes):
    clusters, labels = divisions(seed, *sizes)

    def score(clusters, labels):
        return torch.tensor(function(clusters, labels), dtype=torch.float64)

    check(known.tag, score, gradient=False, clusters=clusters, labels=labels)


def test_no_score_knows_the_names_of_the_clusters():
    clusters, labels = map(torch.from_numpy, divisions(0))
    scores = metrics.cluster_agreement(clusters, labels)
    for order in itertools.permutations(range(4)):
        renamed = metrics.cluster_agreement(torch.tensor(order)[clusters], labels)
        assert renamed == pytest.approx(scores)
    renamed = metrics.cluster_agreement(clusters, torch.tensor([3, 0, 1, 2])[labels])
    assert renamed == pytest.approx(scores)
    assert metrics.cluster_agreement(3 - labels, labels) == pytest.approx((1, 1, 1))


def test_planted_defects():
    """Equal halves of two classes in one cluster; one class in two; chance; one cluster."""
    labels = torch.arange(10).repeat(300)
    perfect = metrics.cluster_agreement(labels, labels)
    merged = metrics.cluster_agreement(labels.clamp(max=8), labels)
    split = metrics.cluster_agreement(torch.where(torch.arange(3000) < 1500, labels, 19), labels)
    chance = torch.randint(10, (3000,), generator=torch.Generator().manual_seed(0))
    random = metrics.cluster_agreement(chance, labels)
    assert perfect == pytest.approx((1, 1, 1))
    assert merged.accuracy == pytest.approx(0.9), "one of the two classes is lost"
    assert split.accuracy == pytest.approx(0.5), "half of every class is elsewhere"
    assert merged.nmi > 0.9 > split.nmi
    assert random.accuracy == pytest.approx(0.1, abs=0.03)
    assert random.nmi == pytest.approx(0, abs=0.01)
    assert random.ari == pytest.approx(0, abs=0.01)
    alone = metrics.cluster_agreement(torch.zeros(3000, dtype=torch.int64), labels)
    assert alone == pytest.approx((0.1, 0, 0))


def test_matched_classes_are_one_to_one():
    """The greedy choice, each cluster its most frequent class, would give class 0 to both."""
    clusters = torch.tensor([0] * 10 + [1] * 10)
    labels = torch.tensor([0] * 6 + [1] * 4 + [0] * 9 + [1] * 1)
    assert metrics.matched_classes(clusters, labels).tolist() == [1, 0]
    assert metrics.cluster_accuracy(clusters, labels) == pytest.approx(13 / 20)
    assert (
        metrics.matched_classes(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 0, 1, 1])).tolist()[2]
        == 1
    ), "the larger cluster gets the class"
    assert -1 in metrics.matched_classes(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1]))


def test_k_means_finds_heaps_and_leaves_random_numbers_alone():
    heaps = torch.arange(5).repeat(40)
    rows = torch.eye(5)[heaps] + 0.05 * torch.randn(200, 5, generator=torch.Generator())
    state = torch.get_rng_state()
    found = metrics.k_means(rows, 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert found.dtype == torch.int64
    assert metrics.cluster_agreement(found, heaps) == pytest.approx((1, 1, 1))
    assert torch.equal(found, metrics.k_means(rows, 5)), "the same seed, the same clusters"


def test_more_restarts_are_never_worse():
    rows = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))

    def spread(found):
        parts = [rows[found == k] for k in range(6)]
        return sum(float((part - part.mean(0)).square().sum()) for part in parts)

    one, many = (spread(metrics.k_means(rows, 6, restarts=n)) for n in (1, 20))
    assert many <= one
    assert math.isfinite(many)


def test_errors_say_what_to_do():
    good = torch.tensor([0, 1, 1])
    with pytest.raises(ValueError, match=r"pass integers, torch\.int64"):
        metrics.cluster_agreement(torch.rand(3), good)
    with pytest.raises(ValueError, match=r"shape \(3, 1\)"):
        metrics.mutual_information(good, good[:, None])
    with pytest.raises(ValueError, match="number them from 0"):
        metrics.cluster_accuracy(good - 1, good)
    with pytest.raises(ValueError, match="3 clusters and 2 labels"):
        metrics.adjusted_rand_index(good, good[:2])
    with pytest.raises(ValueError, match="N at least k"):
        metrics.k_means(torch.rand(3, 2), 4)
    with pytest.raises(ValueError, match="NaN"):
        metrics.k_means(torch.full((3, 2), torch.nan), 2)


MUTANTS = mutants(
    "metrics.clusters",
    (
        "accuracy of clusters: every cluster takes its most frequent class, which is purity",
        "linear_sum_assignment(-counts.reshape(n_clusters, n_classes).numpy())",
        "torch.arange(n_clusters).numpy(), counts.reshape(n_clusters, -1).argmax(1).numpy()",
        "test_matched_classes_are_one_to_one",
    ),
    (
        "accuracy of clusters: the assignment with the highest cost",
        "linear_sum_assignment(-counts",
        "linear_sum_assignment(counts",
        "test_planted_defects",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
