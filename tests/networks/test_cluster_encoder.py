"""ClusterGAN's encoder, and the distorted copies that it reads clusters from."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from gan_lessons.networks.convolutions import Discriminator, Settings
from gan_lessons.networks.encoders import ClusterEncoder, distorted
from tests.helpers import images, same
from tests.mutants import mutants, survivors


@dataclass(frozen=True)
class Small(Settings):
    """Narrow, with seven numbers of noise and three clusters."""

    width: int = 8
    latent_dim: int = 7
    classes: int = 3
    hidden: tuple[int, ...] = (16, 20)


IMAGES, POINTS = Small(), Small(shape=(2,))
kinds = pytest.mark.parametrize("config", [IMAGES, POINTS], ids=["images", "points"])


# --- the encoder -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (2,)])
def test_a_noise_and_the_logits_of_the_clusters(shape):
    encoder = ClusterEncoder(Small(shape=shape))
    last = [p for p in encoder.parameters() if p.shape == (10,)][-1]
    last.data = torch.tensor([100.0 * k for k in range(-7, 3)])
    noise, logits = encoder(torch.rand(4, *shape))
    assert noise.shape == (4, 7)
    assert logits.shape == (4, 3)
    assert (noise < -50).all(), "unbounded"
    assert (logits[:, 0].abs() < 50).all(), "logits, not probabilities"
    assert ((logits[:, 2] - logits[:, 0]) > 150).all()


def test_it_is_built_as_the_discriminator_without_normalisation():
    encoder, D = ClusterEncoder(IMAGES), Discriminator(IMAGES, batch_norm=False)
    kinds = (nn.Conv2d, nn.LeakyReLU, nn.BatchNorm2d)
    own, other = ([m for m in f.modules() if isinstance(m, kinds)] for f in (encoder, D))
    assert [type(m) for m in own] == [type(m) for m in other]
    assert [str(m) for m in own[:-1]] == [str(m) for m in other[:-1]]
    assert own[-1].weight.shape == (10, *other[-1].weight.shape[1:]), "a code for the score"


@kinds
def test_a_code_does_not_depend_on_the_company(config):
    encoder, x = ClusterEncoder(config), torch.rand(8, *config.shape)
    for many, few in zip(encoder(x), encoder(x[:2]), strict=True):
        torch.testing.assert_close(many[:2], few, atol=1e-5, rtol=1e-4)
    assert not list(encoder.buffers()), "no statistics of batches"


# --- distorted copies --------------------------------------------------------------------------


def test_without_a_bend_and_a_stroke_images_stay_what_they_are():
    x = images(8).floats()
    torch.testing.assert_close(distorted(x, 0.0, 0.0), x, atol=1e-5, rtol=0)
    assert not torch.allclose(distorted(x, 0.3, 0.0), x, atol=0.1)
    assert not torch.allclose(distorted(x, 0.0, 1.0), x, atol=0.1)


def test_points_stay_where_they_are():
    points = torch.randn(8, 2)
    assert same(distorted(points, 0.3, 1.0), points)


def test_the_maps_are_affine_within_their_limits():
    """Of a ramp along each axis an affine map leaves a plane, whose slopes are the map's."""
    side, n, bend = 33, 400, 0.2
    ticks = torch.linspace(-1, 1, side)  # pixel centres end half a pixel inside the image
    ramp = ticks.expand(side, side) * (side - 1) / side
    inner = slice(side // 2 - 5, side // 2 + 6)
    for axis, image in enumerate((ramp, ramp.T)):
        out = distorted(image.expand(n, 1, side, side), bend, 0.0)[:, 0, inner, inner]
        rows = torch.stack([ramp, ramp.T, torch.ones_like(ramp)], -1)[inner, inner].reshape(-1, 3)
        fit = torch.linalg.lstsq(rows, out.reshape(n, -1).T).solution.T
        torch.testing.assert_close(fit @ rows.T, out.reshape(n, -1), atol=1e-4, rtol=0)
        change = fit - torch.eye(3)[axis]
        largest = change.abs().amax(dim=0) / bend
        assert (largest <= torch.tensor([1.0, 1.0, 1 / 3]) + 1e-3).all()
        assert (largest >= torch.tensor([0.9, 0.9, 0.3])).all(), "different maps, up to the limit"
        assert change.mean(dim=0).abs().max() < 0.02, "no direction is preferred"


def test_lines_get_thicker_or_thinner_by_a_pixel_at_most():
    line = torch.full((1, 1, 16, 16), -1.0)
    line[..., 4:7] = 1.0
    out = distorted(line.expand(200, 1, 16, 16), 0.0, 1.0)
    width = (out[:, 0, 8] + 1).sum(dim=1) / 2
    assert width.min() == pytest.approx(2, abs=0.05)
    assert width.max() == pytest.approx(4, abs=0.05)
    assert (width > 3).float().mean().item() == pytest.approx(0.5, abs=0.1)
    assert (out[..., [0, 1, 8, 9, 10]] < -0.99).all(), "nothing far from the line"


def test_half_a_stroke_changes_lines_by_half_a_pixel():
    line = torch.full((1, 1, 16, 16), -1.0)
    line[..., 4:7] = 1.0
    out = distorted(line.expand(200, 1, 16, 16), 0.0, 0.5)
    width = (out[:, 0, 8] + 1).sum(dim=1) / 2
    assert (width.min().item(), width.max().item()) == pytest.approx((2.5, 3.5), abs=0.05)


def test_what_lies_outside_looks_like_the_border():
    """A shifted or smaller copy brings nothing into the image that was not in it."""
    out = distorted(torch.full((50, 1, 16, 16), -1.0), 0.3, 1.0)
    torch.testing.assert_close(out, torch.full_like(out, -1.0))


def test_a_distorted_copy_passes_the_gradient_on():
    x = images(4).floats().requires_grad_()
    distorted(x, 0.3, 1.0).sum().backward()
    assert (x.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_half_precision_is_for_networks_only():
    """Places need more digits than bfloat16 has."""
    copy = distorted(images(4).floats().bfloat16(), 0.0, 0.0)
    assert copy.dtype == torch.float32
    torch.testing.assert_close(copy, images(4).floats(), atol=0.01, rtol=0)


MUTANTS = mutants(
    "networks.encoders",
    (
        "the first numbers are taken for the logits",
        "noise, logits = self.layers(x).split(self.sizes, dim=1)",
        "logits, noise = self.layers(x).split(self.sizes[::-1], dim=1)",
        "test_a_noise_and_the_logits_of_the_clusters",
    ),
    (
        "the encoder ends in a softmax, and its loss has another one",
        "return noise, logits",
        "return noise, logits.softmax(dim=1)",
        "test_a_noise_and_the_logits_of_the_clusters",
    ),
    (
        "batch normalisation in the encoder: a code depends on the whole batch",
        "reading_layers(config, sum(self.sizes), None, nn.LeakyReLU(0.2))",
        "reading_layers(config, sum(self.sizes), nn.BatchNorm2d, nn.LeakyReLU(0.2))",
        "test_a_code_does_not_depend_on_the_company",
    ),
    (
        "one map for the whole batch",
        "(2 * torch.rand(n, 2, 3, device=device) - 1)",
        "(2 * torch.rand(1, 2, 3, device=device).expand(n, 2, 3) - 1)",
        "test_the_maps_are_affine_within_their_limits",
    ),
    (
        "maps that only enlarge, and shift one way",
        "(2 * torch.rand(n, 2, 3, device=device) - 1)",
        "-torch.rand(n, 2, 3, device=device)",
        "test_the_maps_are_affine_within_their_limits",
    ),
    (
        "shifts as large as the other changes: digits leave the image",
        "torch.tensor([1.0, 1.0, 1 / 3], device=device)",
        "torch.tensor([1.0, 1.0, 1.0], device=device)",
        "test_the_maps_are_affine_within_their_limits",
    ),
    (
        "grey comes in at the borders, where the ground is black",
        'padding_mode="border"',
        'padding_mode="zeros"',
        "test_what_lies_outside_looks_like_the_border",
    ),
    (
        "corners for pixel centres: every copy is a little larger",
        "affine_grid(maps, x.shape, align_corners=False)",
        "affine_grid(maps, x.shape, align_corners=True)",
        "test_without_a_bend_and_a_stroke_images_stay_what_they_are",
    ),
    (
        "half precision all the way",
        "x = x.to(torch.promote_types(x.dtype, torch.float32))",
        "x = x.to(x.dtype)",
        "test_half_precision_is_for_networks_only",
    ),
    (
        "lines only get thicker",
        "torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, thicker, thinner)",
        "thicker",
        "test_lines_get_thicker_or_thinner_by_a_pixel_at_most",
    ),
    (
        "lines change by a whole pixel, whatever the stroke",
        "stroke * torch.rand(n, 1, 1, 1, device=device)",
        "torch.rand(n, 1, 1, 1, device=device)",
        "test_half_a_stroke_changes_lines_by_half_a_pixel",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
