"""What is made from digits: styles, halves without a common image, MNIST and USPS, few labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gan_lessons.data import (
    FewLabels,
    TensorData,
    USPSUnavailable,
    digits,
    digits_and_usps,
    digits_in_two_styles,
    edges,
    few_labels,
    halves,
    negative,
    restyled,
    ring,
    usps,
)
from tests.helpers import images, same
from tests.mutants import mutants, survivors

# --- styles and halves -------------------------------------------------------------------------


def test_negative_exchanges_black_and_white():
    x = images(6).floats()
    assert same(negative(negative(x)), x)
    data = restyled(images(6), "negative")
    assert same(data.values, 255 - images(6).values)
    assert same(data.labels, images(6).labels)


def test_edges_are_bright_beside_what_is_bright():
    x = torch.full((1, 1, 7, 7), -1.0)
    x[0, 0, 3, 3] = 1.0
    drawn = edges(x)
    expected = torch.full((7, 7), -1.0)
    expected[2:5, 2:5] = 1.0
    expected[3, 3] = -1.0
    assert same(drawn[0, 0], expected)
    assert (edges(torch.rand(2, 1, 5, 5).sub(0.5)) >= -1).all()


def test_edges_in_bytes_are_dilated_minus_original():
    from scipy.ndimage import grey_dilation

    data = images(3, (1, 28, 28))
    original = data.values.numpy().astype(int)
    dilated = np.stack([grey_dilation(x[0], size=(3, 3), mode="nearest")[None] for x in original])
    assert np.array_equal(restyled(data, "edges").values.numpy(), dilated - original)


def test_unknown_styles_and_points_are_refused():
    with pytest.raises(ValueError, match='style is \'sepia\': choose "negative" or "edges"'):
        restyled(images(), "sepia")
    with pytest.raises(ValueError, match="are points, and a style is for images"):
        restyled(ring(n=10), "edges")


def numbered(n):
    """Images that say which they are: all pixels of image i have the value i."""
    values = torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return TensorData(values.clone(), name=f"{n} images")


@pytest.mark.parametrize("n", [10, 11])
def test_halves_share_nothing_and_lose_nothing(n):
    data = numbered(n)
    first, second = halves(data)
    values = torch.cat([first.values, second.values])[:, 0, 0, 0]
    assert sorted(values.tolist()) == list(range(n))
    assert abs(len(first) - len(second)) <= 1
    assert first.values[:, 0, 0, 0].tolist() != list(range(len(first))), "drawn at random"
    assert same(halves(data)[0].values, first.values)


def test_no_digit_is_in_both_domains():
    data, whole = digits_in_two_styles("negative"), digits()
    first, second = data.first.values.flatten(1), (255 - data.second.values).flatten(1)
    together = torch.cat([first, second])
    assert len(together) == len(whole)
    unique = len(whole.values.flatten(1).unique(dim=0))
    assert len(first.unique(dim=0)) + len(second.unique(dim=0)) == unique
    assert len(together.unique(dim=0)) == unique


def test_digits_in_two_styles_keep_labels_and_split(capsys):
    data = digits_in_two_styles("edges", "test", 28)
    assert data.shape == (1, 28, 28)
    assert data.second.name.endswith("360 test images, enlarged from 8 x 8, edges")
    for domain in (data.first, data.second):
        assert domain.labels.bincount(minlength=10).min() > 5
    assert capsys.readouterr().out.count("\n") == 1, "one line says what was loaded"


# --- two collections ---------------------------------------------------------------------------


def test_smoke_has_a_stand_in_and_says_so(monkeypatch, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    with pytest.raises(USPSUnavailable, match="smoke budget"):
        usps()
    data = digits_and_usps()
    assert "USPS is not used under the smoke budget" in capsys.readouterr().out
    assert "scikit-learn" in data.second.name
    assert (len(data.first), len(data.second)) == (718, 719), "no image twice"
    together = torch.cat([data.first.values, data.second.values]).flatten(1)
    assert len(together.unique(dim=0)) == len(digits().values.flatten(1).unique(dim=0))
    assert data.second.shape == data.first.shape


def test_without_usps_mnist_stands_beside_the_built_in_digits(monkeypatch, capsys):
    module = digits_and_usps.__globals__

    def missing(split, size):
        raise USPSUnavailable("USPS/usps.bz2 is not here.")

    mnist = TensorData(images().values, images().labels, "MNIST, 40 of its images")
    monkeypatch.setitem(module, "digits", lambda split, size: mnist)
    monkeypatch.setitem(module, "usps", missing)
    data = digits_and_usps()
    assert data.first is mnist
    assert data.second.name.startswith("scikit-learn digits, 1,437 training images")
    assert capsys.readouterr().out.startswith("USPS/usps.bz2 is not here.\n")


def test_usps_beside_mnist(monkeypatch):
    module = digits_and_usps.__globals__
    monkeypatch.setitem(module, "digits", lambda split, size: images())
    made_up = TensorData(images().values, images().labels, "USPS, 40 of its images")
    monkeypatch.setitem(module, "usps", lambda split, size: made_up)
    data = digits_and_usps("test")
    assert data.name.startswith("random images / USPS, ")


# --- few labels --------------------------------------------------------------------------------

DATA = images(400)


def test_each_class_has_its_share_and_the_labels_are_right():
    data = few_labels(DATA, 30)
    assert torch.bincount(data.labels).tolist() == [3] * 10
    for value, label in zip(data.labelled.values, data.labels, strict=True):
        (index,) = (DATA.values == value).flatten(1).all(1).nonzero()[0].tolist()
        assert DATA.labels[index] == label
    assert data.others.labels is None
    assert len(data) == 400
    assert data.shape == DATA.shape
    assert data.name == "random images, 30 of them labelled"


def test_the_seed_chooses():
    assert same(few_labels(DATA, 20).labelled.values, few_labels(DATA, 20).labelled.values)
    other = few_labels(DATA, 20, seed=1).labelled.values
    assert not same(few_labels(DATA, 20).labelled.values, other)


def test_too_few_samples_or_no_labels_are_refused():
    for n in (0, 15, 4000):
        with pytest.raises(ValueError, match="multiple of 10"):
            few_labels(DATA, n)
    hidden = replace(DATA, labels=None, classes=())
    with pytest.raises(ValueError, match="has no labels"):
        few_labels(hidden)
    with pytest.raises(ValueError, match="few_labels"):
        FewLabels(hidden, hidden)
    with pytest.raises(ValueError, match="shape and device"):
        FewLabels(DATA, images(3, (3, 28, 28)))


MUTANTS = mutants(
    "data.made",
    (
        "two domains: the second is made of the same images, and leaks the pairs",
        "first, second = halves(digits(split, size, **options))\n    return TwoDomains(first,",
        "first = second = digits(split, size, **options)\n    return TwoDomains(first,",
        "test_no_digit_is_in_both_domains",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
