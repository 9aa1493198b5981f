"""Data sets of torchvision, and whatever else yields images: as one tensor, or a clear error."""

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lessons.data import from_torchvision


def paint(mode="RGB", size=(40, 40), colour=None) -> Image.Image:
    return Image.new(mode, size, colour if colour is not None else 0)


def colour_of(values: torch.Tensor) -> list[int]:
    """The colour of a picture that has only one."""
    assert (values.amin((1, 2)) == values.amax((1, 2))).all()
    return values[:, 0, 0].tolist()


def test_fake_data():
    from torchvision.datasets import FakeData

    data = from_torchvision(FakeData(20, (3, 40, 50), num_classes=4))
    assert data.values.shape == (20, 3, 32, 32)
    assert data.labels.dtype == torch.int64
    assert set(data.labels.tolist()) <= {0, 1, 2, 3}
    assert data.name == "FakeData, 20 images"


class Pairs(list):
    """A list of (image, label) that may have class names."""


@pytest.mark.parametrize(
    ("image", "channels", "expected"),
    [
        (paint("L", colour=9), None, [9]),
        (paint("L", colour=9), 3, [9, 9, 9]),
        (paint("RGB", colour=(9, 9, 9)), 1, [9]),
        (paint("P", colour=0), None, [0, 0, 0]),
        (torch.full((16, 16), 9, dtype=torch.uint8), None, [9]),
        (torch.full((1, 16, 16), 9, dtype=torch.uint8), None, [9]),
        (torch.full((3, 16, 16), 0.2), None, [51, 51, 51]),
        (torch.full((1, 28, 28), 1.0), None, [255]),
        (np.full((16, 16, 3), 9, np.uint8), None, [9, 9, 9]),
        (np.full((16, 16), 9, np.uint8), None, [9]),
    ],
)
def test_any_image_that_data_sets_yield(image, channels, expected):
    data = from_torchvision([(image, 1), (image, 0)], channels=channels)
    assert colour_of(data.values[1]) == expected
    assert data.labels.tolist() == [1, 0]


@pytest.mark.parametrize("label", [1, np.int64(1), torch.tensor(1), np.array(1)])
def test_whole_numbers_are_labels(label):
    assert from_torchvision([(paint(), label)]).labels.tolist() == [1]


@pytest.mark.parametrize("label", ["cat", 0.5, None, -1, torch.zeros(4), (1, 2), {"id": 1}])
def test_other_annotations_give_no_labels(label):
    assert from_torchvision([(paint(), label), (paint(), 3)]).labels is None


def test_images_without_labels():
    assert from_torchvision([paint(), paint()]).labels is None


def test_class_names_are_kept_if_they_fit():
    pairs = Pairs([(paint(), 0), (paint(), 1)])
    pairs.classes = ["cat", "dog"]
    assert from_torchvision(pairs).classes == ("cat", "dog")
    pairs.classes = ["cat"]
    assert from_torchvision(pairs).classes == ()


def test_a_limit_takes_evenly_from_the_data_set():
    pairs = [(paint(), i) for i in range(10)]
    assert from_torchvision(pairs, limit=5).labels.tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        ([], ValueError, "The data set is empty"),
        (iter([(paint(), 0)]), TypeError, "has no length or no index"),
        ([("cat.png", 0)], TypeError, "An image of the data set is a str"),
        ([(torch.zeros(3, 8, 8) - 1, 0)], ValueError, r"run from -1 to -1: leave Normalize out"),
        ([(torch.zeros(3, 8, 8, dtype=torch.int32), 0)], TypeError, "Images are int32"),
        ([(torch.zeros(8, 8, 3), 0)], ValueError, r"shape \(8, 8, 3\): give tensors \(C, H, W\)"),
        ([(torch.full((1, 8, 8), float("nan")), 0)], ValueError, r"must lie in \[0, 1\]"),
    ],
)
def test_bad_data_sets_are_refused(dataset, error, message):
    with pytest.raises(error, match=message):
        from_torchvision(dataset)


def test_usps(real_data):
    from torchvision.datasets import USPS

    data = from_torchvision(USPS(str(real_data / "USPS"), train=False, download=False))
    assert data.values.shape == (2_007, 1, 32, 32)
    # Published counts of the test set, digit by digit.
    assert data.labels.bincount().tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
    assert data.values[:, :, 0].double().mean() < 128 < data.values.max()
