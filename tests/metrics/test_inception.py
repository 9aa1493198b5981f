"""The Inception score: against its formula, its ends, and what it does not see."""

import numpy as np
import pytest
import torch

from gan_lessons import data, metrics
from tests.mutants import mutants, survivors
from tests.oracles import oracle


@oracle(
    "METRIC-IS",
    r"\mathrm{IS} = \exp\, \mathbb E_x \operatorname{KL}\bigl(p(y \mid x) \parallel p(y)\bigr)",
)
def score(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return np.exp((p * np.log(p / p.mean(axis=0))).sum(axis=1).mean())


def test_it_agrees_with_the_formula():
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(200, 64, generator=generator, dtype=torch.float64)
    logits = metrics.load_judge().head(rows.float()).double().numpy()
    assert metrics.inception_score(rows) == pytest.approx(score(logits), rel=1e-6)


def test_it_goes_from_one_to_ten():
    digits = data.digits("test")
    x = digits.floats()
    assert metrics.inception_score(x[:1].repeat(50, 1, 1, 1)) == pytest.approx(1)
    assert 7 < metrics.inception_score(x) < 10


def test_one_image_a_class_does_not_score_worse_than_all_of_them():
    digits = data.digits("test")
    x, found = digits.floats(), metrics.classify(digits.floats())
    probabilities = metrics.load_judge()(x).softmax(dim=1).amax(dim=1)
    sure = [torch.where(found == c)[0] for c in range(10)]
    best = torch.stack([index[probabilities[index].argmax()] for index in sure])
    assert metrics.inception_score(x[best].repeat(20, 1, 1, 1)) > metrics.inception_score(x)


def test_images_and_their_features_score_the_same():
    x = data.digits("test").floats()
    assert metrics.inception_score(x) == metrics.inception_score(metrics.features(x))


def test_other_features_are_refused():
    with pytest.raises(ValueError, match="the judge's features 64"):
        metrics.inception_score(torch.zeros(5, 3))


MUTANTS = mutants(
    "metrics.inception",
    (
        "without the exponential",
        ").exp().item()",
        ").item()",
        "test_it_agrees_with_the_formula",
    ),
    (
        "the logits in place of probabilities",
        ".softmax(dim=1)",
        ".sigmoid()",
        "test_it_agrees_with_the_formula",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
