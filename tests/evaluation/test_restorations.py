"""Fillings whose worth is known: the truth, one colour, the right neighbour, a changed context."""

import numpy as np
import pytest
import torch

from gan_lessons.data import TensorData, digits
from gan_lessons.data.masks import composite, masks
from gan_lessons.evaluation import restorations
from gan_lessons.evaluation.restorations import compare_restored, holes
from gan_lessons.metrics.holes import hole_errors
from tests.helpers import images, same
from tests.mutants import mutants, survivors
from tests.oracles import oracle, scores


class Filling:
    """A run that fills holes with what `paint` makes of the pictures."""

    def __init__(self, paint):
        self.paint = paint

    def sample(self, n, *, seed, x, m):
        assert n == len(x) == len(m)
        return composite(x, self.paint(x), m)


@oracle("CE-MEAN", r"\mathbb E\, (x - v)^2 = \operatorname{Var} x + (v - \mathbb E\, x)^2")
def error_of_a_constant(values, v):
    return values.var() + (v - values.mean()) ** 2


@oracle("CE-TWICE", r"\mathbb E\, (x - x')^2 = 2 \operatorname{Var} x")
def error_of_a_draw(values):
    return np.mean((values[:, None] - values[None, :]) ** 2)


def l2_of(guesses, values):
    """The package's error of guesses for holes of one pixel, whose true values are given."""
    n = len(values)
    m = masks("centre", 1, 3, 0.3).double().expand(n, -1, -1, -1)
    truth = torch.as_tensor(values).view(-1, 1, 1, 1).expand(n, 1, 3, 3)
    fake = torch.as_tensor(np.broadcast_to(guesses, n).copy()).view(-1, 1, 1, 1).expand_as(truth)
    return hole_errors(fake, truth, m)["L2"]


def test_the_mean_is_the_best_single_guess():
    values = np.tanh(scores(9))
    for v in (values.mean(), 0.0, 0.4, values.max()):
        assert l2_of(v, values) == pytest.approx(error_of_a_constant(values, v), rel=1e-9)
    assert l2_of(values.mean(), values) == min(
        l2_of(values.mean() + d, values) for d in (-0.1, 0, 0.1)
    )


def test_a_draw_from_the_truth_has_twice_the_error_of_the_mean():
    """So a perfect sampler loses 3.01 dB against the mean, and looks better."""
    values = np.tanh(scores(9))
    pairs = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 2)
    drawn = l2_of(pairs[:, 0], pairs[:, 1])
    assert drawn == pytest.approx(error_of_a_draw(values), rel=1e-9)
    assert drawn == pytest.approx(2 * l2_of(values.mean(), values), rel=1e-9)
    assert 10 * np.log10(2) == pytest.approx(3.01, abs=0.001)


def test_the_truth_is_perfect_and_flat_fillings_are_not_sharp():
    test = images(40)
    x, m = holes(test, 20)
    found = compare_restored(x, x, m)
    assert found["L1"] == found["L2"] == 0
    assert found["PSNR"] == float("inf")
    assert found["sharpness"] == found["seam"] == 1
    flat = restorations.measure_restored(Filling(torch.zeros_like), test, n=20)
    assert flat["sharpness"] == 0
    assert flat["L2"] == pytest.approx(((1 - m) * x.square()).sum().item() / (1 - m).sum().item())


def test_a_changed_context_is_refused():
    x, m = holes(images(), 4)
    with pytest.raises(ValueError, match="context was changed"):
        compare_restored(x + 0.01, x, m)


def test_the_judge_reads_digits_and_nothing_else():
    test = digits("test")
    x, m = holes(test, 50)
    read = compare_restored(x, x, m, test.labels[:50])["read"]
    black = compare_restored(composite(x, -torch.ones_like(x), m), x, m, test.labels[:50])["read"]
    assert read > black
    found = restorations.measure_restored(Filling(lambda x: x), test, n=50)
    assert found["read"] == read
    colour = TensorData(test.values[:50].expand(-1, 3, -1, -1), test.labels[:50])
    assert "read" not in restorations.measure_restored(Filling(lambda x: -x), colour, n=50)


def test_all_runs_get_the_same_pictures_and_masks():
    test = images(40)
    for kind in ("blocks", "regions"):
        (x, m), (z, w) = holes(test, 10, kind), holes(test, 10, kind)
        assert same(x, test.floats(slice(10)))
        assert same(x, z)
        assert same(m, w)
        assert not same(m, holes(test, 10, kind, seed=1)[1])


def test_the_nearest_neighbour_looks_at_the_context_alone():
    """Its hole may hold anything: the neighbour is the same, and it is the one by hand."""
    train, test = images(60, (3, 28, 28)), images(10, (3, 28, 28))
    x = torch.rand(10, 3, 28, 28) * 2 - 1
    m = masks("blocks", 10, 28)
    found = restorations.nearest_context(x, m, train, chunk=3)
    gaps = (m[:, None] * (x[:, None] - train.floats()[None])).square().sum((2, 3, 4))
    assert same(found, gaps.argmin(1))
    other = composite(x, torch.rand_like(x), m)
    assert same(restorations.nearest_context(other, m, train), found)
    copied = restorations.nearest_context(test.floats(), m, train)
    assert same(copied, torch.arange(10)), "the same pictures are the first ones there"


def test_baselines_are_made_of_training_pictures_and_never_of_the_test():
    train, test = images(60), images(20, classes=10)
    other = TensorData(255 - test.values, test.labels, "others", test.classes)
    found = restorations.baselines_restored(train, other, n=10)
    assert list(found) == ["mean colour", "mean picture", "nearest neighbour", "truth"]
    x, m = holes(other, 10)
    mean = composite(x, train.floats().mean(0).expand_as(x), m)
    assert found["mean picture"]["L2"] == pytest.approx(compare_restored(mean, x, m)["L2"])
    grey = composite(x, train.floats().mean().expand_as(x), m)
    assert found["mean colour"]["L2"] == pytest.approx(compare_restored(grey, x, m)["L2"])
    assert found["truth"]["L2"] == 0
    index = restorations.nearest_context(x, m, train)
    near = composite(x, train.floats(index), m)
    assert found["nearest neighbour"]["L1"] == pytest.approx(compare_restored(near, x, m)["L1"])


MUTANTS = mutants(
    "evaluation.restorations",
    (
        "the composite is left out, and nobody notices",
        "if not torch.equal(m * filled, m * x):",
        "if False:",
        "test_a_changed_context_is_refused",
    ),
    (
        "the neighbour is chosen by the hole, too, which is to be guessed",
        "zip(m.split(chunk), (m * x).split(chunk), strict=True)",
        "zip(torch.ones_like(m).split(chunk), x.split(chunk), strict=True)",
        "test_the_nearest_neighbour_looks_at_the_context_alone",
    ),
    (
        "the mean picture of the test set",
        "_mean_picture(train)",
        "_mean_picture(test)",
        "test_baselines_are_made_of_training_pictures_and_never_of_the_test",
    ),
    (
        "trained with random masks, tested with the centre only (PyTorch-GAN, datasets.py)",
        "masks(kind, len(x), x.shape[-1], share, generator=generator)",
        'masks("centre", len(x), x.shape[-1], share, generator=generator)',
        "test_all_runs_get_the_same_pictures_and_masks",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
