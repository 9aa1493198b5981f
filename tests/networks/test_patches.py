"""Patches: what the discriminator sees, how far, and how its layers are normalised."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.networks.patches import (
    PatchDiscriminator,
    measured_receptive_field,
    patch_discriminator,
    receptive_field,
)
from gan_lessons.networks.translators import ResidualSettings
from tests.helpers import same
from tests.mutants import mutants, survivors
from tests.oracles import oracle

FIELDS = {1: 16, 2: 34, 3: 70}  # by the number of halvings, from the paper and its code
SMALL = ResidualSettings(discriminator_width=4, hidden=(16,))


# --- receptive fields --------------------------------------------------------------------------


@oracle("PIX2PIX-RF", r"r = 1 + \sum_i (k_i - 1) \prod_{j < i} s_j")
def patch_walked_back(kernels, strides):
    """From one output back to the image: n outputs of a layer depend on (n - 1) s + k inputs."""
    n = 1
    for k, s in zip(kernels[::-1], strides[::-1], strict=True):
        n = (n - 1) * s + k
    return n


def chain(kernels, strides):
    """Convolutions with leaky ReLUs between them."""
    layers = []
    for k, s in zip(kernels, strides, strict=True):
        layers += [nn.Conv2d(1, 1, k, s, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.InstanceNorm2d, None])
@pytest.mark.parametrize("halvings", FIELDS)
def test_patches_of_16_34_and_70_pixels_by_formula_and_by_gradient(halvings, norm):
    network = PatchDiscriminator(3, 2, halvings, norm)
    kernels, strides = [4] * (halvings + 2), [2] * halvings + [1, 1]
    assert patch_walked_back(kernels, strides) == FIELDS[halvings]
    assert receptive_field(network) == FIELDS[halvings]
    assert measured_receptive_field(network) == FIELDS[halvings]


def test_receptive_fields_of_other_chains():
    rng = np.random.default_rng(0)
    for _ in range(5):
        kernels = rng.integers(1, 6, 3).tolist()
        strides = rng.integers(1, 3, 3).tolist()
        expected = patch_walked_back(kernels, strides)
        network = chain(kernels, strides)
        assert receptive_field(network) == expected, f"kernels {kernels}, strides {strides}"
        # A kernel smaller than the stride leaves pixels out, but not at the ends of the box.
        assert measured_receptive_field(network, size=80) == expected


def test_four_strided_convolutions_are_no_patch_of_70():
    """A much-copied "PatchGAN" has four of stride 2 and one more: 94 pixels, not 70."""
    copied = nn.Sequential(
        *[nn.Conv2d(1, 1, 4, 2, 1) for _ in range(4)],
        nn.ZeroPad2d((1, 0, 1, 0)),
        nn.Conv2d(1, 1, 4, padding=1, bias=False),
    )
    assert receptive_field(copied) == measured_receptive_field(copied, 256) == 94


def test_measuring_leaves_the_network_alone():
    network = PatchDiscriminator(3, 2)
    before = [p.detach().clone() for p in network.parameters()]
    measured_receptive_field(network)
    assert all(same(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def test_a_patch_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="cut off in 64 pixels: pass a larger size"):
        measured_receptive_field(PatchDiscriminator(3, 2, 3), size=64)


# --- the discriminator -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("halvings", "side", "patches"), [(1, 32, 14), (2, 32, 6), (2, 64, 14), (3, 64, 6)]
)
def test_one_logit_for_each_patch(halvings, side, patches):
    scores = PatchDiscriminator(3, 2, halvings)(torch.randn(5, 3, side, side))
    assert scores.shape == (5, patches, patches)


def test_the_paper_s_map_for_256_pixels():
    assert PatchDiscriminator(6, 1, 3)(torch.randn(1, 6, 256, 256)).shape == (1, 30, 30)


def test_several_images_are_stacked_along_their_channels():
    network = PatchDiscriminator(4, 2).eval()
    x, y = torch.randn(3, 1, 32, 32), torch.randn(3, 3, 32, 32)
    assert same(network(x, y), network(torch.cat([x, y], dim=1)))


def test_no_normalisation_next_to_the_image_and_at_the_score():
    """It would take the colour away from the one and the mean score from the other."""
    layers = [*PatchDiscriminator(3, 4, 2).layers]
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == [
        *("Conv2d", "LeakyReLU"),
        *("Conv2d", "BatchNorm2d", "LeakyReLU"),
        *("Conv2d", "BatchNorm2d", "LeakyReLU"),
        "Conv2d",
    ]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [c.bias is not None for c in convolutions] == [True, False, False, True]
    assert [c.out_channels for c in convolutions] == [4, 8, 16, 1]


def test_a_discriminator_needs_a_halving():
    with pytest.raises(ValueError, match="halvings is 0; choose 1, 2 or 3"):
        PatchDiscriminator(3, 4, 0)


# --- for images or points ----------------------------------------------------------------------


@pytest.mark.parametrize(("halvings", "field"), FIELDS.items())
def test_images_get_the_patches_of_the_settings(halvings, field):
    network = patch_discriminator(replace(SMALL, discriminator_halvings=halvings))
    assert receptive_field(network) == field
    assert network.layers[0].out_channels == 4


def test_points_get_a_perceptron():
    assert patch_discriminator(replace(SMALL, shape=(2,)))(torch.randn(5, 2)).shape == (5, 1)


def test_each_image_is_judged_by_itself():
    network, x = patch_discriminator(SMALL), torch.randn(6, 3, 32, 32)
    torch.testing.assert_close(network(x)[:1], network(x[:1]), rtol=1e-4, atol=1e-5)


def test_patches_see_colours():
    """Normalised in the first layer, an image and its brighter copy would be one and the same."""
    network, x = patch_discriminator(SMALL), torch.rand(4, 3, 32, 32) - 0.5
    assert (network(x) - network(0.5 * x + 0.3)).abs().max() > 1e-3


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "networks.patches",
    (
        "four convolutions of stride 2 for three",
        "stride = 2 if i < halvings else 1",
        "stride = 2",
        "test_patches_of_16_34_and_70_pixels_by_formula_and_by_gradient",
    ),
    (
        "the receptive field counts a layer's own stride",
        "side += (layer.kernel_size[0] - 1) * stride",
        "side += (layer.kernel_size[0] - 1) * stride * layer.stride[0]",
        "test_receptive_fields_of_other_chains",
    ),
    (
        "normalisation stays in while the field is measured",
        "nn.Identity() if isinstance(child, NORMS)",
        "child if isinstance(child, NORMS)",
        "test_patches_of_16_34_and_70_pixels_by_formula_and_by_gradient",
    ),
    (
        "batch normalisation where images are to be seen by themselves",
        "config.discriminator_halvings, nn.InstanceNorm2d",
        "config.discriminator_halvings, nn.BatchNorm2d",
        "test_each_image_is_judged_by_itself",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
