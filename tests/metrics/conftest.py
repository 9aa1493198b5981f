"""Real digits for the metrics: the built-in ones, and MNIST where it is."""

import shutil
from typing import NamedTuple

import pytest
import torch

from gan_lessons import data, metrics


class Sets(NamedTuple):
    """Two sets of real digits that do not overlap: one plays the samples."""

    fake: torch.Tensor
    labels: torch.Tensor
    real: torch.Tensor
    real_labels: torch.Tensor


@pytest.fixture(scope="module")
def mnist(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(real_data / "MNIST", folder / "MNIST")
    return tuple(data.digits(split, data_dir=folder, download=False) for split in ("train", "test"))


@pytest.fixture(scope="module", params=["built-in", "real"])
def sets(request):
    if request.param == "real":
        train, test = request.getfixturevalue("mnist")
        train, test = train.subset(slice(1000)), test.subset(slice(1000))
    else:
        digits = data.digits("train")
        train, test = digits.subset(slice(0, None, 2)), digits.subset(slice(1, None, 2))
    return Sets(train.floats(), train.labels, test.floats(), test.labels)


@pytest.fixture(scope="module")
def floor(sets):
    return metrics.report(*sets[:1], sets.real, sets.labels, reference_labels=sets.real_labels)
