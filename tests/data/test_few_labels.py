"""Few labels: equally many of each class, the first quarter of a batch, clear errors."""

from dataclasses import replace

import pytest
import torch

from gan_lessons.data import FewLabels, few_labels
from tests.helpers import images, same

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


def test_the_first_quarter_of_a_batch_is_labelled():
    data = few_labels(DATA, 10).to("cpu")
    x, y = data.batch(32)
    assert x.shape == (32, 1, 32, 32)
    assert y.shape == (8,)
    known = data.labelled.floats()
    for image, label in zip(x[:8], y, strict=True):
        place = (known == image).flatten(1).all(1).nonzero()[0, 0]
        assert data.labels[place] == label
    rest = {bytes(v.numpy()) for v in DATA.floats()}
    assert all(bytes(v.numpy()) in rest for v in x[8:])
    assert len({bytes(v.numpy()) for v in x[8:]}) > 15, "from all images, not from the few"


def test_what_does_not_fit_is_refused():
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
