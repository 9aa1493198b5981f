"""Two domains of which one has labels: no digit in both, and no label of the target in a batch."""

from dataclasses import replace

import pytest
import torch

from gan_lessons.data import (
    Adaptation,
    TensorData,
    digits,
    mnist_to_mnist_m,
    mnist_to_usps,
    ring,
)
from tests.helpers import images, same
from tests.mutants import mutants, survivors


@pytest.fixture(scope="module")
def data():
    return mnist_to_mnist_m()


def numbered(first: int, n: int = 50) -> TensorData:
    """Images whose brightness tells which they are, and labels that do not."""
    values = torch.arange(first, first + n, dtype=torch.uint8).view(n, 1, 1, 1)
    return TensorData(values.expand(n, 1, 32, 32).contiguous(), torch.arange(n) % 10, "numbered")


def test_a_batch_has_the_source_with_its_labels_and_then_the_target():
    both = Adaptation(numbered(0), numbered(100))
    x, y = both.batch(40, torch.Generator().manual_seed(0))
    which = ((x[:, 0, 0, 0] + 1) * 127.5).round().long()
    assert (which[:40] < 50).all()
    assert (which[40:] >= 100).all()
    assert same(y, both.source.labels[which[:40]])
    assert len(set(which[:40].tolist()) - set((which[40:] - 100).tolist())) > 5, "independent"


def test_what_training_may_know():
    both = Adaptation(images(30), replace(images(50), labels=None))
    assert same(both.labels, images(30).labels)
    assert len(both) == 30
    assert both.shape == (1, 32, 32)
    assert both.name == "random images to random images"
    assert both.batch(6).x.shape == (12, 1, 32, 32)
    assert both.to("cpu").labels is not None


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="source has no labels"):
        Adaptation(replace(images(), labels=None), images())
    with pytest.raises(ValueError, match="make equal"):
        Adaptation(images(), images(shape=(3, 32, 32)))
    with pytest.raises(TypeError, match="target"):
        Adaptation(images(), ring().values)


def test_no_digit_is_in_both_domains(data):
    """Each digit can be told by its grey image: none of the source's is under a blended one."""
    everything = digits()
    names = {v.numpy().tobytes(): i for i, v in enumerate(everything.values)}
    source = {names[v[:1].contiguous().numpy().tobytes()] for v in data.source.values}
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(0))
    target = set(order[len(everything) // 2 :].tolist())
    assert not source & target
    assert len(data.source) + len(data.target) == len(everything)
    assert same(data.target.labels, everything.labels[order[len(everything) // 2 :]])


def test_the_source_is_grey_and_the_target_is_not(data):
    assert data.shape == (3, 32, 32)
    assert same(data.source.values[:, 0], data.source.values[:, 2])
    assert not same(data.target.values[:, 0], data.target.values[:, 2])
    assert data.target.name.endswith("on drawn textures"), "without a disk, and it says so"


def test_the_test_split_has_other_digits_and_backgrounds(data):
    test = mnist_to_mnist_m("test")
    train = {v.numpy().tobytes() for v in data.target.values}
    assert not train & {v.numpy().tobytes() for v in test.target.values}


def test_photographs_can_be_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    monkeypatch.setenv("GAN_LESSONS_DATA", str(tmp_path))
    monkeypatch.setattr("gan_lessons.data.adaptation.digits", lambda split, size: images(20))
    assert "drawn textures" in mnist_to_mnist_m(photographs=False).target.name


def test_usps_and_what_stands_in_for_it():
    data = mnist_to_usps()
    assert data.shape == (1, 32, 32)
    assert data.target.labels is not None
    assert not {v.numpy().tobytes() for v in data.source.values} & {
        v.numpy().tobytes() for v in data.target.values
    }


MUTANTS = mutants(
    "data.adaptation",
    (
        "adaptation: the same digits in both domains",
        "first, second = halves(digits(split, size))",
        "first = second = digits(split, size)",
        "test_no_digit_is_in_both_domains",
    ),
    (
        "adaptation: the batch has the labels of the target",
        "self.target.floats(index)]), source.y)",
        "self.target.floats(index)]), self.target.labels[index])",
        "test_a_batch_has_the_source_with_its_labels_and_then_the_target",
    ),
    (
        "adaptation: source and target are drawn as pairs",
        "index = torch.randint(len(self.target), (n,), device=self.device, generator=generator)",
        "index = torch.tensor([int((self.source.floats() == v).all((1, 2, 3)).nonzero()[0, 0]) "
        "for v in source.x])",
        "test_a_batch_has_the_source_with_its_labels_and_then_the_target",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
