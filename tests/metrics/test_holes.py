"""Numbers of a hole: their equations, planted defects, and what they must not see."""

import math

import numpy as np
import pytest
import torch

from gan_lessons.data.masks import masks
from gan_lessons.metrics import holes
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle, scores


@oracle("METRIC-PSNR", r"\text{PSNR} = 10 \log_{10} \frac{2^2}{\text{MSE}}")
def decibels(squared_error):
    return 20 * (np.log(2) - np.log(squared_error) / 2) / np.log(10)


@oracle(
    "METRIC-SEAM",
    r"E_{\text{in}} = \mathbb E_{i \sim j,\, i \notin K,\, j \notin K} \lvert x_i - x_j \rvert, "
    r"\qquad E_{\text{seam}} = \mathbb E_{i \sim j,\, i \notin K,\, j \in K} "
    r"\lvert x_i - x_j \rvert",
)
def steps_between_neighbours(images, m):
    """Both, from one loop over all pairs of neighbours; K are the known pixels."""
    inside, across = [], []
    n, _, height, width = images.shape
    for k in range(n):
        for i in range(height):
            for j in range(width):
                for a, b in ((i + 1, j), (i, j + 1)):
                    if a < height and b < width:
                        gaps = np.abs(images[k, :, i, j] - images[k, :, a, b])
                        known = m[k, 0, i, j] + m[k, 0, a, b]
                        if known < 2:
                            (across if known else inside).extend(gaps)
    return np.array([np.mean(inside), np.mean(across)])


def pictures(seed=0, channels=3, side=6):
    return np.tanh(scores(2 * channels * side**2, seed=seed)).reshape(2, channels, side, side)


def some_masks(side=6):
    m = torch.ones(2, 1, side, side, dtype=torch.int64)
    m[0, :, 1:4, 2:5] = 0
    m[1, :, 3:, :2] = 0  # touches the edge of the picture
    return m


def test_psnr():
    for error in (0.01, 0.3, 4.0):
        assert holes.psnr(error) == pytest.approx(decibels(error), rel=1e-12)
    assert holes.psnr(0.01) == pytest.approx(26.0206, abs=1e-4)
    assert holes.psnr(4) == 0, "black for white"
    assert holes.psnr(0) == math.inf


def test_neighbours_inside_and_across():
    check(
        "METRIC-SEAM",
        lambda images, m: torch.stack(holes.energies(images, m)),
        images=pictures(),
        m=some_masks().numpy(),
    )


def test_errors_are_means_over_hidden_pixels_of_all_channels():
    fake, truth, m = torch.tensor(pictures()), torch.tensor(pictures(1)), some_masks()
    hidden = (m == 0).expand_as(fake)
    gap = (fake - truth)[hidden]
    found = holes.hole_errors(fake, truth, m)
    assert found["L1"] == pytest.approx(gap.abs().mean().item(), rel=1e-12)
    assert found["L2"] == pytest.approx(gap.square().mean().item(), rel=1e-12)
    assert found["PSNR"] == pytest.approx(decibels(found["L2"]), rel=1e-12)


def test_the_context_does_not_count():
    fake, truth, m = torch.tensor(pictures()), torch.tensor(pictures(1)), some_masks()
    elsewhere = torch.where(m == 1, torch.tensor(pictures(2)), fake)
    assert holes.hole_errors(elsewhere, truth, m) == holes.hole_errors(fake, truth, m)
    inside = holes.energies(elsewhere, m)[0]
    assert inside == holes.energies(fake, m)[0]


def test_the_whole_picture_flatters_by_six_decibels():
    """A hole of a quarter: the same error over all pixels is four times smaller."""
    truth = torch.zeros(1, 1, 32, 32)
    m = masks("centre", 1, 32)
    fake = truth + 0.5 * (1 - m)
    whole = holes.psnr((fake - truth).square().mean().item())
    assert whole - holes.hole_errors(fake, truth, m)["PSNR"] == pytest.approx(6.02, abs=0.01)


def test_blur_and_seams_are_seen():
    truth = torch.rand(8, 1, 32, 32) * 2 - 1
    m = masks("centre", 8, 32)
    mean = torch.nn.functional.avg_pool2d(truth, 3, stride=1, padding=1)
    blurred = m * truth + (1 - m) * mean
    found = holes.hole_sharpness(blurred, truth, m)
    assert found["sharpness"] < 0.6
    assert holes.hole_sharpness(truth, truth, m) == {"sharpness": 1, "seam": 1}
    smooth = torch.linspace(-0.5, 0.5, 32).expand(8, 1, 32, 32)
    shifted = smooth + 0.3 * (1 - m)
    found = holes.hole_sharpness(shifted, smooth, m)
    assert found["sharpness"] == pytest.approx(1, abs=1e-5), "inside, nothing has changed"
    assert found["seam"] > 5


def test_a_mask_that_hides_nothing_is_refused():
    x = torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match="No pixel is hidden"):
        holes.hole_errors(x, x, torch.ones(1, 1, 8, 8))


MUTANTS = mutants(
    "metrics.holes",
    (
        "the error is that of the whole picture",
        "hidden = (1 - m).expand_as(values)",
        "hidden = torch.ones_like(values)",
        "test_the_context_does_not_count",
    ),
    (
        "peak 1 for pictures in [-1, 1]",
        "peak: float = 2.0",
        "peak: float = 1.0",
        "test_psnr",
    ),
    (
        "divided by the number of pixels, not of pixels and channels",
        "hidden = (1 - m).expand_as(values)",
        "hidden = 1 - m",
        "test_errors_are_means_over_hidden_pixels_of_all_channels",
    ),
    (
        "the seam counts as part of the hole",
        "(inside, pair[0] * pair[1])",
        "(inside, (pair[0] + pair[1]).clamp(max=1))",
        "test_neighbours_inside_and_across",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
