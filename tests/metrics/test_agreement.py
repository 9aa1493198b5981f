"""Agreement of pairs: its equations against oracles, known pairs, and the reader of edges."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from gan_lessons import metrics
from gan_lessons.data import digits, digits_in_two_styles, edges, negative
from gan_lessons.metrics import agreement
from tests.helpers import images, same, two_domains
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle, scores


@oracle(
    "COGAN-PIXEL",
    r"A_{\text{pixel}} = \mathbb E_z\, \frac1d \sum_{j=1}^{d} \mathbf 1\bigl[\, T(G_1(z))_j > "
    r"0 \iff G_2(z)_j > 0 \,\bigr]",
)
def pixels_on_one_side(first, second):
    pairs = zip(first.ravel(), second.ravel(), strict=True)
    return sum(1.0 if (a > 0) == (b > 0) else 0.0 for a, b in pairs) / first.size


@oracle(
    "COGAN-CLASS",
    r"A_{\text{class}} = \mathbb P_z\bigl[\, c(G_1(z)) = c(T^{-1}(G_2(z))) \,\bigr]",
)
def pairs_of_one_class(first, second):
    return sum(1.0 for a, b in zip(first, second, strict=True) if a == b) / len(first)


@oracle("COGAN-CHANCE", r"A_{\text{chance}} = \sum_{k} p_k\, q_k")
def agreement_of_all_with_all(first, second):
    """Every image of the first domain with every one of the second."""
    return np.mean([[float(a == b) for b in second] for a in first])


@oracle("COGAN-MOST", r"A_{\text{class}} \le \sum_k \min(p_k, q_k)")
def most_pairs_of_one_class(p, q):
    return sum(min(a, b) for a, b in zip(p, q, strict=True))


def test_the_most_pairs_that_can_agree():
    """The best of all joint distributions with the given shares, by linear programming."""
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(4), size=2)
    rows, columns = np.kron(np.eye(4), np.ones(4)), np.kron(np.ones(4), np.eye(4))
    best = linprog(-np.eye(4).ravel(), A_eq=np.vstack([rows, columns]), b_eq=[*p, *q])
    assert -best.fun == pytest.approx(most_pairs_of_one_class(p, q), rel=1e-9)
    pairs = rng.choice(4, 500, p=p), rng.choice(4, 500, p=q)
    shares = [np.bincount(c, minlength=4) / 500 for c in pairs]
    found = agreement.class_agreement(*map(torch.from_numpy, pairs)).item()
    assert found <= most_pairs_of_one_class(*shares)


def test_the_measures_of_agreement():
    shape = (6, 1, 2, 2)
    first, second = scores(24, seed=2).reshape(shape), scores(24, seed=3).reshape(shape)
    check("COGAN-PIXEL", agreement.pixel_agreement, gradient=False, first=first, second=second)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 10, 40), rng.integers(0, 4, 40)
    check("COGAN-CLASS", agreement.class_agreement, gradient=False, first=a, second=b)
    check("COGAN-CHANCE", agreement.chance_agreement, gradient=False, first=a, second=b)


def test_extremes_of_the_measures():
    x, classes = images().floats(), torch.arange(10)
    assert agreement.pixel_agreement(x, x) == 1
    assert agreement.pixel_agreement(x.sign(), -x.sign()) == 0
    assert agreement.class_agreement(classes, classes.roll(1)) == 0
    assert agreement.chance_agreement(classes, classes.roll(1)) == pytest.approx(0.1)
    assert agreement.chance_agreement(torch.full((5,), 3), torch.full((5,), 3)) == 1


def test_perfect_pairs_agree():
    x = digits("test").floats()
    result = agreement.compare_pairs(x, negative(x), x)
    assert result["pixel agreement"] == result["class agreement"] == 1
    assert result["distance"] == pytest.approx(0, abs=1e-6)
    assert result["second distance"] == pytest.approx(0, abs=1e-6)
    assert 0.08 < result["classes, by chance"] < 0.13
    assert result["pixels, shuffled"] < 0.95


def test_pairs_that_were_shuffled_agree_by_chance():
    x = digits("test").floats()
    result = agreement.compare_pairs(x, negative(x).roll(7, 0), x)
    assert result["class agreement"] == pytest.approx(result["classes, by chance"], abs=0.06)
    assert result["pixel agreement"] == pytest.approx(result["pixels, shuffled"], abs=0.01)
    assert result["distance"] == pytest.approx(result["second distance"], abs=1e-6)


def test_a_reader_reads_what_the_judge_cannot():
    data, test = digits_in_two_styles("edges"), digits("test")
    read = agreement.train_reader(data.second, steps=60)
    x, seen = test.floats(), edges(test.floats())
    assert (read(seen) == test.labels).double().mean() > 0.8
    assert metrics.conditional_accuracy(seen, test.labels) < 0.7
    result = agreement.compare_pairs(x, seen, x, restyle=edges, undo=None, read=read)
    assert result["pixel agreement"] == 1
    assert result["class agreement"] > 0.7
    assert "second distance" not in result


def test_a_reader_is_the_same_for_the_same_seed_and_leaves_the_callers_numbers_alone():
    data, x = two_domains().first, two_domains().second.floats()
    torch.manual_seed(5)
    a = agreement.train_reader(data, steps=2, width=4)(x)
    after = torch.rand(1)
    b = agreement.train_reader(data, steps=2, width=4)(x)
    torch.manual_seed(5)
    assert same(a, b)
    assert same(after, torch.rand(1))


MUTANTS = mutants(
    "metrics.agreement",
    (
        "CoGAN: pixels are compared without the known map between the domains",
        "pixel_agreement(expected, second).item()",
        "pixel_agreement(first, second).item()",
        "test_perfect_pairs_agree",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
