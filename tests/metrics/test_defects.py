"""Planted defects: each number of a report sees what it is there for, and misses what it must."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from gan_lessons import metrics


def measured(sets, fake, labels=None):
    labels = sets.labels if labels is None else labels
    return metrics.report(fake, sets.real, labels, reference_labels=sets.real_labels)


def test_floor(sets, floor):
    assert floor["frechet_distance"] < 12
    assert floor["precision"] > 0.85
    assert floor["recall"] > 0.85
    assert floor["density"] == pytest.approx(1, abs=0.2)
    assert floor["coverage"] > 0.85
    assert floor["classes"] == 10
    assert floor["class_kl"] < 0.02
    assert floor["conditional_accuracy"] > 0.8
    assert floor["diversity"] == pytest.approx(1, abs=0.06)


def test_the_set_itself_is_at_distance_zero(sets):
    same = metrics.report(sets.real, sets.real.flip(0))
    assert same["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert same["kernel_distance"] < 1
    assert (same["precision"], same["recall"], same["coverage"]) == (1, 1, 1)


def test_order_does_not_matter(sets, floor):
    order = torch.randperm(len(sets.fake))
    shuffled = metrics.precision_recall(sets.fake[order], sets.real)
    assert shuffled._asdict() == pytest.approx({name: floor[name] for name in shuffled._fields})
    distance = metrics.frechet_distance(sets.fake[order], sets.real)
    assert distance == pytest.approx(floor["frechet_distance"], rel=1e-4)
    classes = metrics.class_coverage(sets.fake[order])
    assert (classes.covered, classes.kl) == (floor["classes"], floor["class_kl"])


def test_dropped_classes(sets, floor):
    rows = [floor]
    for dropped in (1, 3, 5, 8):
        keep = sets.labels >= dropped
        rows.append(measured(sets, sets.fake[keep], sets.labels[keep]))
    for better, worse in pairwise(rows):
        assert worse["frechet_distance"] > 1.3 * better["frechet_distance"]
        assert worse["kernel_distance"] > better["kernel_distance"]
        assert worse["recall"] < better["recall"] + 0.02  # does not see the first dropped class
        assert worse["coverage"] < better["coverage"]
        assert worse["class_kl"] > better["class_kl"]
    assert rows[-1]["recall"] < 0.5 * rows[2]["recall"]
    assert rows[-1]["precision"] > 0.8  # what is left is still real


def test_blur(sets, floor):
    one, two = (F.avg_pool2d(F.pad(sets.fake, (p,) * 4, value=-1), 2 * p + 1, 1) for p in (1, 2))
    mild, strong = measured(sets, one), measured(sets, two)
    assert strong["frechet_distance"] > mild["frechet_distance"] > 2 * floor["frechet_distance"]
    assert strong["precision"] < mild["precision"] < floor["precision"]


def test_noise(sets, floor):
    rows = [floor]
    for level in (0.1, 0.3, 1.0):
        noisy = (sets.fake + level * torch.randn(sets.fake.shape)).clamp(-1, 1)
        rows.append(measured(sets, noisy))
    for better, worse in pairwise(rows):
        assert worse["frechet_distance"] > 2 * better["frechet_distance"]
        assert worse["precision"] <= better["precision"]
    assert rows[-1]["precision"] < 0.1


def test_pure_noise_is_far_and_not_diverse(sets):
    noise = torch.rand(sets.fake.shape) * 2 - 1
    row = measured(sets, noise)
    assert row["frechet_distance"] > 500
    assert row["precision"] == row["recall"] == row["coverage"] == 0
    assert row["diversity"] < 0.6
    assert row["conditional_accuracy"] < 0.3


def test_few_images_copied_many_times(sets, floor):
    some = torch.cat([torch.where(sets.labels == c)[0][:3] for c in range(10)]).repeat(20)
    row = measured(sets, sets.fake[some], sets.labels[some])
    assert row["precision"] > 0.8
    assert row["recall"] < 0.1
    assert row["coverage"] < 0.5 * floor["coverage"]
    assert row["diversity"] < 0.9
    assert row["frechet_distance"] > 2 * floor["frechet_distance"]


def test_one_image_a_class_with_and_without_noise(sets):
    one = torch.stack([sets.fake[sets.labels == c][0] for c in range(10)])[sets.labels]
    row = measured(sets, one)
    assert row["diversity"] == pytest.approx(0, abs=1e-5)
    assert row["recall"] < 0.1
    noisy = (one + 0.3 * torch.randn(one.shape)).clamp(-1, 1)
    assert measured(sets, noisy)["diversity"] < 0.3


def test_shuffled_labels(sets, floor):
    shuffled = sets.labels[torch.randperm(len(sets.labels))]
    row = measured(sets, sets.fake, shuffled)
    assert row["conditional_accuracy"] == pytest.approx(0.1, abs=0.05)
    assert row["diversity"] > 1.05  # classes mixed are more diverse than real ones
    for name in ("frechet_distance", "precision", "recall"):
        assert row[name] == floor[name]  # these do not see labels


def test_memorised_images(sets):
    train = sets.fake[:600]
    copies = metrics.report(train[100:400].flip(0), sets.real, train=train)
    honest = metrics.report(sets.real[-300:], sets.real, train=train)
    assert copies["copies"] == 1
    assert honest["copies"] < 0.1
    index, distance = metrics.nearest_neighbours(train[100:400].flip(0), train)
    assert torch.equal(index, torch.arange(399, 99, -1))
    assert (distance == 0).all()


def test_nearest_neighbours_in_pixels_features_and_colour(sets):
    samples, reference = sets.fake[:40], sets.real[:300]
    index, distance = metrics.nearest_neighbours(samples, reference)
    table = torch.cdist(samples.flatten(1).double(), reference.flatten(1).double())
    assert torch.equal(index, table.argmin(1))
    torch.testing.assert_close(distance.double(), table.amin(1), rtol=1e-5, atol=0)
    rows, others = metrics.features(samples), metrics.features(reference)
    assert torch.equal(
        metrics.nearest_neighbours(rows, others)[0], torch.cdist(rows, others).argmin(1)
    )
    colour = torch.rand(5, 3, 16, 16)
    assert torch.equal(metrics.nearest_neighbours(colour + 0.01, colour)[0], torch.arange(5))


def test_frechet_by_size_falls_like_one_over_n():
    samples, reference = torch.randn(2, 4000, 10, dtype=torch.float64)
    bias = metrics.frechet_by_size(samples, reference, [50, 100, 200, 4000], repeats=10)
    assert bias.distances == sorted(bias.distances, reverse=True)
    assert bias.distances[0] / bias.distances[1] == pytest.approx(2, rel=0.2)
    assert abs(bias.at_infinity) < 0.3 * bias.distances[2]
    assert bias.distances[3] == pytest.approx(metrics.frechet_distance(samples, reference))
    again = metrics.frechet_by_size(samples, reference, [50, 100, 200, 4000], repeats=10)
    assert again == bias
