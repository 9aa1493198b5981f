"""U-Net and residual generator: how they are wired, where the noise is, what keeps its size."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from gan_lessons.networks.translators import (
    ResidualBlock,
    ResidualGenerator,
    ResidualSettings,
    UNet,
    noise_on,
    residual_translator,
)
from gan_lessons.steps import evaluating
from tests.helpers import same
from tests.mutants import mutants, survivors

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


# --- the residual generator --------------------------------------------------------------------

SMALL = ResidualSettings(width=4, blocks=1, hidden=(16,))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
@pytest.mark.parametrize("halvings", [1, 2])
def test_the_residual_generator_keeps_the_size(shape, halvings):
    picture = ResidualGenerator(shape[0], 4, halvings, blocks=1)(torch.rand(2, *shape) * 2 - 1)
    assert picture.shape == (2, *shape)
    assert picture.abs().max() <= 1


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"30 x 30 pixels cannot be halved.*multiples of 4"):
        ResidualGenerator(3, 4, halvings=2, blocks=1)(torch.zeros(1, 3, 30, 30))


def test_a_residual_block_adds_to_its_input():
    block, x = ResidualBlock(8), torch.randn(2, 8, 8, 8)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    assert same(block(x), x), "not even a ReLU stands after the sum"


def test_each_image_is_translated_by_itself():
    network, x = residual_translator(SMALL), torch.randn(6, 3, 32, 32)
    torch.testing.assert_close(network(x)[:1], network(x[:1]), rtol=1e-4, atol=1e-5)


def test_images_get_the_network_of_the_settings():
    network = residual_translator(replace(SMALL, blocks=2, halvings=2))
    assert sum(isinstance(m, ResidualBlock) for m in network.modules()) == 2
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in network.modules()) == 2
    assert network.layers[0].out_channels == 4


def test_points_get_a_perceptron():
    network = residual_translator(replace(SMALL, shape=(2,)))
    assert network(torch.randn(5, 2)).shape == (5, 2)
    assert network[0].out_features == 16


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "networks.translators",
    (
        "the doublings get their own features for the skip",
        "torch.cat([x, skip], dim=1)",
        "torch.cat([x, x], dim=1)",
        "test_each_skip_joins_the_doubling_of_its_size",
    ),
    (
        "the bottleneck is normalised",
        "norm = [nn.BatchNorm2d(n_out)] if i < halvings else []",
        "norm = [nn.BatchNorm2d(n_out)]",
        "test_no_normalisation_at_both_ends_and_in_the_bottleneck",
    ),
    (
        "the noise is at the picture and not in the depth",
        "if i < noisy else []",
        "if i >= noisy else []",
        "test_the_noise_is_in_the_innermost_doublings",
    ),
    (
        "where the noise stays on, the whole network goes back to training",
        "if isinstance(layer, nn.Dropout):\n            layer.train()",
        "if True:\n            layer.train()",
        "test_noise_can_stay_on_in_evaluation",
    ),
    (
        "padding of 7 x 7 kernels by the number of channels: sides shrink",
        'nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect")',
        'nn.Conv2d(width, channels, 7, padding=channels - 1, padding_mode="reflect")',
        "test_the_residual_generator_keeps_the_size",
    ),
    (
        "a ReLU after the sum of a residual block",
        "return x + self.change(x)",
        "return (x + self.change(x)).relu()",
        "test_a_residual_block_adds_to_its_input",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
