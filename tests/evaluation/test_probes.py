"""The linear reader: its equation, features that know everything, and some that know nothing."""

import numpy as np
import pytest
import torch

from gan_lessons.evaluation import probes
from gan_lessons.restoration import context_encoder
from tests.helpers import images, same
from tests.mutants import mutants, survivors
from tests.oracles import oracle


@oracle("CE-PROBE", r"W = (F^\top F + s n I)^{-1} F^\top Y")
def ridge(features, targets, strength):
    """The minimum of |F W - Y|^2 + s n |W|^2, from a system of equations twice as long."""
    n, d = features.shape
    tall = np.vstack([features, np.sqrt(strength * n) * np.eye(d)])
    wide = np.vstack([targets, np.zeros((d, targets.shape[1]))])
    return np.linalg.lstsq(tall, wide, rcond=None)[0]


def noisy(n=200, d=30, classes=4, seed=0):
    """Rows in which each class has a mean of its own, and noise."""
    generator = torch.Generator().manual_seed(seed)
    means = 0.7 * torch.randn(classes, d, generator=torch.Generator().manual_seed(9))
    labels = torch.randint(classes, (n,), generator=generator)
    return means[labels] + torch.randn(n, d, generator=generator), labels


def test_linear_probe():
    rows, labels = noisy()
    test_rows, test_labels = noisy(seed=1)
    for strength in (1e-2, 3.0):
        mean, std = rows.double().mean(0), rows.double().std(0)
        f, g = (
            np.hstack([((v.double() - mean) / std).numpy(), np.ones((200, 1))])
            for v in (rows, test_rows)
        )
        w = ridge(f, np.eye(4)[labels.numpy()], strength)
        wanted = ((g @ w).argmax(1) == test_labels.numpy()).mean()
        found = probes.linear_probe(rows, labels, test_rows, test_labels, strength)
        assert found == pytest.approx(wanted, abs=0.006), "one row in 200 may be at a tie"
        assert 0.6 < found < 1


def test_features_that_are_the_class_are_read_without_error_and_noise_by_chance():
    labels = torch.arange(400) % 4
    exact = torch.nn.functional.one_hot(labels, 4).float()
    assert probes.linear_probe(exact[:200], labels[:200], exact[200:], labels[200:]) == 1
    noise = torch.randn(400, 5)
    chance = probes.linear_probe(noise[:200], labels[:200], noise[200:], labels[200:])
    assert chance == pytest.approx(0.25, abs=0.12)


def test_the_size_and_the_place_of_a_feature_do_not_matter():
    rows, labels = noisy()
    test_rows, test_labels = noisy(seed=1)
    one = probes.linear_probe(rows, labels, test_rows, test_labels, 3.0)
    scale = torch.logspace(-3, 3, 30)
    other = probes.linear_probe(scale * rows + 7, labels, scale * test_rows + 7, test_labels, 3.0)
    assert other == pytest.approx(one, abs=0.006)
    still = torch.cat([rows, torch.ones(200, 1)], dim=1)  # a feature that never changes
    constant = probes.linear_probe(
        still, labels, torch.cat([test_rows, torch.ones(200, 1)], 1), test_labels
    )
    assert 0.6 < constant < 1


@pytest.fixture(scope="module")
def run():
    return context_encoder.train("smoke", images(60), device="cpu", progress=False)


def test_the_features_are_those_of_the_averaged_encoder_on_whole_pictures(run):
    x = torch.rand(7, 1, 32, 32)
    found = probes.encoder_features(run, x, chunk=3)
    with torch.no_grad():
        wanted = run.averaged.eval().generator.encoder(x).flatten(1)
    torch.testing.assert_close(found, wanted)
    assert found.shape == (7, 16 * 4 * 4)


def test_the_three_rows(run):
    train = images(120)
    test = train.subset(slice(50))
    found = probes.measure_features(run, train, test, labelled=100, n=50)
    assert list(found) == ["trained", "untrained", "pixels"]
    assert found["pixels"] == 1, "the test pictures are among the labelled ones here"
    weights = run.averaged.state_dict()
    again = probes.measure_features(run, train, test, labelled=100, n=50)
    assert found == again
    assert all(same(weights[k], v) for k, v in run.averaged.state_dict().items())


MUTANTS = mutants(
    "evaluation.probes",
    (
        "features of large numbers count more",
        "(v.double() - mean) / (std + 1e-8)",
        "v.double() - mean",
        "test_the_size_and_the_place_of_a_feature_do_not_matter",
    ),
    (
        "the reader is fitted to the test rows",
        "guesses = (g @ torch.linalg.solve(gram, f.T @ y)).argmax(1)",
        "guesses = (f @ torch.linalg.solve(gram, f.T @ y)).argmax(1)",
        "test_linear_probe",
    ),
    (
        "the untrained row is the trained encoder",
        "encoder_features(fresh, x), encoder_features(fresh, z)",
        "encoder_features(run, x), encoder_features(run, z)",
        "test_the_untrained_row_is_another_network",
    ),
)


def test_the_untrained_row_is_another_network(run, monkeypatch):
    seen = []
    monkeypatch.setattr(probes, "encoder_features", lambda r, x: seen.append(r) or x.flatten(1))
    probes.measure_features(run, images(50), images(20), labelled=30, n=20)
    assert [r is run for r in seen] == [True, True, False, False]
    fresh = seen[-1]
    assert fresh.steps == 0
    assert fresh.config == run.config


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
