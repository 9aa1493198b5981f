"""Patch discriminator and U-Net: what they see, how they are wired, where the noise is."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.steps import evaluating
from gan_lessons.translation.networks import (
    PatchDiscriminator,
    UNet,
    measured_receptive_field,
    noise_on,
    receptive_field,
)
from tests.helpers import same
from tests.oracles import oracle

FIELDS = {1: 16, 2: 34, 3: 70}  # by the number of halvings, from the paper and its code


# --- receptive fields --------------------------------------------------------------------------


@oracle("PIX2PIX-RF")
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


# --- the U-Net ---------------------------------------------------------------------------------


def unet(side=32, width=4, **options):
    torch.manual_seed(0)
    return UNet((3, side, side), width, **options).eval()


@pytest.mark.parametrize("side", [28, 32, 64])
@pytest.mark.parametrize("skips", [True, False])
def test_pictures_of_the_size_of_the_input(side, skips):
    network, x = unet(side, skips=skips), torch.randn(2, 3, side, side)
    picture = network(x)
    assert picture.shape == x.shape
    assert picture.abs().max() <= 1
    sides = [f.shape[-1] for f in network.encode(x)]
    assert all(a == 2 * b for a, b in pairwise([side, *sides]))


def slope(network, x, cut):
    """The gradient of one pixel with respect to the input, some features set to zero."""
    x = x.clone().requires_grad_()
    features = [f * keep for f, keep in zip(network.encode(x), cut, strict=True)]
    return torch.autograd.grad(network.decode(features)[0, 0, 16, 16], x)[0]


def test_without_the_bottleneck_the_picture_depends_on_the_input():
    network, x = unet(), torch.randn(1, 3, 32, 32)
    assert slope(network, x, [1, 1, 0]).any()
    assert slope(network, x, [0, 0, 1]).any()
    assert not slope(network, x, [0, 0, 0]).any()
    assert not slope(unet(skips=False), x, [1, 1, 0]).any()


def directions(network, x, cut):
    """In how many directions the picture can move when the input does: the Jacobian's rank."""

    def picture(x):
        features = [f * keep for f, keep in zip(network.encode(x), cut, strict=True)]
        return network.decode(features).flatten()

    jacobian = torch.autograd.functional.jacobian(picture, x, vectorize=True)
    values = torch.linalg.svdvals(jacobian.reshape(-1, x.numel()))
    return int((values > 1e-12 * values[0]).sum())


def test_without_skips_no_more_gets_through_than_the_bottleneck_holds():
    network = UNet((1, 28, 28), width=2).eval().double()
    torch.manual_seed(0)
    for parameter in network.parameters():  # far from 0, so that few ReLUs are all off
        parameter.data.normal_(0.1, 0.3)
    x = torch.randn(1, 1, 28, 28, dtype=torch.float64)
    held = network.encode(x)[-1].numel()
    assert held == 4 * 7 * 7
    assert directions(network, x, [0, 1]) <= held
    assert directions(network, x, [1, 1]) > 1.5 * held


def test_each_skip_joins_the_doubling_of_its_size():
    network = unet()
    *across, _ = network.encode(torch.randn(1, 3, 32, 32))
    came = []
    for layer in network.up:
        layer.register_forward_pre_hook(lambda _, inputs: came.append(inputs[0]))
    network(torch.randn(1, 3, 32, 32))
    came.clear()
    features = [*across, torch.randn(1, 16, 4, 4)]
    network.decode(features)
    assert [tuple(c.shape[1:]) for c in came] == [(16, 4, 4), (16, 8, 8), (8, 16, 16)]
    assert same(came[1][:, 8:], across[1])
    assert same(came[2][:, 4:], across[0])


def norms(layers):
    return [any(isinstance(m, nn.BatchNorm2d) for m in layer.modules()) for layer in layers]


def test_no_normalisation_at_both_ends_and_in_the_bottleneck():
    network = unet(64)
    assert norms(network.down) == [False, True, True, False]
    assert norms(network.up) == [True, True, True, False]


@pytest.mark.parametrize(("side", "noisy"), [(28, 1), (32, 1), (64, 2)])
def test_the_noise_is_in_the_innermost_doublings(side, noisy):
    network = unet(side, dropout=0.3)
    found = [[m.p for m in layer if isinstance(m, nn.Dropout)] for layer in network.up]
    assert found == [[0.3]] * noisy + [[]] * (len(network.up) - noisy)
    assert not any(isinstance(m, nn.Dropout) for m in network.down.modules())


def test_noise_can_stay_on_in_evaluation():
    network, x = unet().train(), torch.randn(4, 3, 32, 32)
    with evaluating(network):
        assert same(network(x), network(x))
        noise_on(network)
        assert not same(network(x), network(x))
        modes = {type(m).__name__: m.training for m in network.modules()}
        assert modes["Dropout"]
        assert not modes["BatchNorm2d"]
    assert all(m.training for m in network.modules())


def test_sizes_that_do_not_halve_are_refused():
    with pytest.raises(ValueError, match="multiple of 4 from 28 to 64"):
        UNet((3, 30, 30), 4)
