"""Clusters against classes: a stand-in whose answers are known, and a real run."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn.functional import one_hot

from gan_lessons import metrics
from gan_lessons.evaluation.clusters import measure_clusters, noise_and_clusters
from gan_lessons.latent import clustergan
from tests.helpers import images, same
from tests.mutants import mutants, survivors

DATA = images(60)


@dataclass
class Settings:
    classes: int = 10
    latent_dim: int = 3


class Run:
    """In the place of a run: its encoder gives the codes that it was made with."""

    device = "cpu"

    def __init__(self, codes, classes=10):
        self.codes, self.averaged, self.config = codes, self, Settings(classes)

    def encode(self, x):
        return self.codes[: len(x)]


def codes_of(clusters, noise=None, classes=10, sure=0.9):
    """Three numbers of noise, or zeros, beside probabilities: `sure` for the cluster."""
    rest = (1 - sure) / (classes - 1)
    probabilities = rest + (sure - rest) * one_hot(clusters, classes)
    noise = torch.zeros(len(clusters), 3) if noise is None else noise
    return torch.cat([noise, probabilities], dim=1)


def test_noise_and_clusters_are_told_apart_by_the_lengths_in_the_config():
    run = clustergan.train(
        replace(clustergan.PRESETS["smoke"], steps=2, latent_dim=7, classes=3),
        DATA,
        device="cpu",
        progress=False,
        snapshots=0,
    )
    noise, probabilities = noise_and_clusters(run, DATA.floats())
    assert noise.shape == (60, 7)
    assert probabilities.shape == (60, 3)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(60))
    assert same(torch.cat([noise, probabilities], dim=1), run.averaged.encode(DATA.floats()))


def test_clusters_that_are_the_classes_under_other_names():
    found = measure_clusters(Run(codes_of(9 - DATA.labels)), DATA)
    assert set(found) == {
        f"{way}{n}" for way in ("", "k_means_") for n in ("accuracy", "nmi", "ari")
    }
    assert all(score == pytest.approx(1) for score in found.values())


def test_clusters_that_have_nothing_to_do_with_the_classes():
    found = measure_clusters(Run(codes_of(DATA.labels[torch.randperm(60)])), DATA)
    for way in ("", "k_means_"):
        assert found[f"{way}accuracy"] < 0.4
        assert abs(found[f"{way}ari"]) < 0.1


def test_k_means_sees_the_noise_and_the_largest_probability_does_not():
    """Loud noise with ten heaps of its own: k-means finds these, and no class."""
    heaps = torch.arange(60) % 10
    noise = 50 * torch.stack([heaps.cos(), heaps.sin(), heaps / 10], dim=1)
    found = measure_clusters(Run(codes_of(DATA.labels, noise)), DATA)
    assert found["accuracy"] == 1
    expected = metrics.cluster_agreement(heaps, DATA.labels)
    assert [found[f"k_means_{n}"] for n in expected._fields] == pytest.approx(expected)


def test_k_means_sees_how_sure_the_encoder_is():
    """Two classes share a cluster, and the encoder doubts only one of them: k-means parts them."""
    labels = torch.arange(60) % 2
    noise = 0.01 * torch.randn(60, 3)
    doubtful, clear = (codes_of(0 * labels, noise, classes=2, sure=p) for p in (0.6, 0.9))
    run = Run(torch.where(labels[:, None] == 0, doubtful, clear), classes=2)
    found = measure_clusters(run, replace(DATA, labels=labels))
    assert found["accuracy"] == 0.5
    assert found["k_means_accuracy"] == 1


def test_k_means_looks_for_as_many_clusters_as_the_model_has():
    """However many classes there are: they are what nobody knows."""
    clusters = torch.arange(60) % 4
    labels = clusters % 2
    noise = torch.stack([labels / 2] * 3, dim=1)  # brings the clusters of a class together
    run = Run(codes_of(clusters, noise, classes=4), classes=4)
    found = measure_clusters(run, replace(DATA, labels=labels))
    assert found["accuracy"] == found["k_means_accuracy"] == 0.5


MUTANTS = mutants(
    "evaluation.clusters",
    (
        "the noise and the clusters are cut at the wrong place",
        "[run.config.latent_dim, run.config.classes]",
        "[run.config.classes, run.config.latent_dim]",
        "test_noise_and_clusters_are_told_apart_by_the_lengths_in_the_config",
    ),
    (
        "the cluster is the smallest probability",
        "probabilities.argmax(dim=1), data.labels",
        "probabilities.argmin(dim=1), data.labels",
        "test_clusters_that_are_the_classes_under_other_names",
    ),
    (
        "the cluster is read from the noise",
        "probabilities.argmax(dim=1), data.labels",
        "noise.argmax(dim=1), data.labels",
        "test_clusters_that_are_the_classes_under_other_names",
    ),
    (
        "k-means on the probabilities alone",
        "metrics.k_means(codes, ",
        "metrics.k_means(probabilities, ",
        "test_k_means_sees_the_noise_and_the_largest_probability_does_not",
    ),
    (
        "k-means on one-hot answers for probabilities",
        "codes = torch.cat([noise, probabilities], dim=1)",
        "codes = torch.cat([noise, probabilities.round()], dim=1)",
        "test_k_means_sees_how_sure_the_encoder_is",
    ),
    (
        "k-means is told how many classes the labels have",
        "metrics.k_means(codes, run.config.classes)",
        "metrics.k_means(codes, len(data.labels.unique()))",
        "test_k_means_looks_for_as_many_clusters_as_the_model_has",
    ),
    (
        "both ways report the same scores",
        'return own._asdict() | {f"k_means_{name}": v for name, v in means._asdict().items()}',
        'return own._asdict() | {f"k_means_{name}": v for name, v in own._asdict().items()}',
        "test_k_means_sees_the_noise_and_the_largest_probability_does_not",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
