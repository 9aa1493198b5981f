"""Samples of the class that was asked for: planted answers, from perfect to deaf."""

import pytest
import torch

from gan_lessons import metrics
from gan_lessons.data import digits
from gan_lessons.evaluation.labels import compare_with_labels, measure_with_labels
from tests.mutants import mutants, survivors

TEST = digits("test").subset(slice(200))
IMAGES, LABELS = TEST.floats(), TEST.labels


def test_real_digits_are_as_good_as_they_are_legible():
    found = compare_with_labels(IMAGES, LABELS, TEST)
    legible = (metrics.classify(IMAGES) == LABELS).double().mean().item()
    assert found["conditional_accuracy"] == pytest.approx(legible)
    assert found["diversity"] == pytest.approx(1, abs=1e-9)
    assert found["frechet_distance"] == pytest.approx(0, abs=1e-6)


def test_the_order_of_the_samples_is_not_that_of_the_test_images():
    order = torch.randperm(len(TEST))
    found = compare_with_labels(IMAGES[order], LABELS[order], TEST)
    assert found == pytest.approx(compare_with_labels(IMAGES, LABELS, TEST), abs=1e-6)


def test_who_does_not_listen_draws_real_digits_of_the_wrong_class():
    deaf = compare_with_labels(IMAGES, LABELS.roll(1), TEST)
    assert deaf["conditional_accuracy"] < 0.25
    assert deaf["diversity"] > 1.1, "a class asked for is a mixture of all"
    assert deaf["frechet_distance"] == pytest.approx(0, abs=1e-6), "which no distance notices"


def test_who_has_one_image_a_class_obeys_without_variety():
    read = metrics.classify(IMAGES) == LABELS
    first = torch.stack([IMAGES[read & LABELS.eq(k)][0] for k in range(10)])
    stubborn = compare_with_labels(first[LABELS], LABELS, TEST)
    assert stubborn["conditional_accuracy"] == 1
    assert stubborn["diversity"] == pytest.approx(0, abs=1e-6)
    assert stubborn["frechet_distance"] > 5


class Run:
    """In the place of a run: gives the test images, and remembers what it was asked for."""

    def sample(self, n, *, labels, seed):
        self.asked = n, labels, seed
        return IMAGES


def test_a_run_is_asked_for_the_labels_of_the_test_images():
    run = Run()
    assert measure_with_labels(run, TEST, seed=3) == compare_with_labels(IMAGES, LABELS, TEST)
    n, labels, seed = run.asked
    assert (n, seed) == (200, 3)
    assert torch.equal(labels, LABELS)


MUTANTS = mutants(
    "evaluation.labels",
    (
        "measured on classes in another order, not on those of the test images",
        "run.sample(len(test), labels=test.labels, seed=seed)",
        "run.sample(len(test), labels=test.labels.flip(0), seed=seed)",
        "test_a_run_is_asked_for_the_labels_of_the_test_images",
    ),
    (
        "the same samples whatever the seed",
        "run.sample(len(test), labels=test.labels, seed=seed)",
        "run.sample(len(test), labels=test.labels, seed=1)",
        "test_a_run_is_asked_for_the_labels_of_the_test_images",
    ),
    (
        "accuracy with the labels of the test images, whatever was asked for",
        "metrics.conditional_accuracy(features, labels)",
        "metrics.conditional_accuracy(features, test.labels)",
        "test_who_does_not_listen_draws_real_digits_of_the_wrong_class",
    ),
    (
        "diversity within the classes of the test images, whatever was asked for",
        "metrics.within_class_diversity(samples, labels, real, test.labels)",
        "metrics.within_class_diversity(samples, test.labels, real, test.labels)",
        "test_the_order_of_the_samples_is_not_that_of_the_test_images",
    ),
    (
        "diversity of all samples for that within a class",
        "metrics.within_class_diversity(samples, labels, real, test.labels)",
        "metrics.within_class_diversity(samples, 0 * labels, real, 0 * test.labels)",
        "test_who_has_one_image_a_class_obeys_without_variety",
    ),
    (
        "the distance of the samples to themselves",
        "metrics.frechet_distance(features, metrics.features(real))",
        "metrics.frechet_distance(features, features)",
        "test_who_has_one_image_a_class_obeys_without_variety",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
