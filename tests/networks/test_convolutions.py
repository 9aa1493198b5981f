"""DCGAN's networks: the sides of the maps, the five rules, the start, and the same for points."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from gan_lessons.networks.convolutions import (
    Discriminator,
    Generator,
    Settings,
    convolutions,
    layer_sizes,
    transposed_convolutions,
)
from tests.mutants import mutants, survivors

SMALL = Settings(latent_dim=8, width=4, hidden=(16, 20))
POINTS = replace(SMALL, shape=(2,))
SIZES = pytest.mark.parametrize(
    "shape", [(1, 28, 28), (1, 32, 32), (3, 32, 32), (1, 40, 40), (3, 48, 48), (3, 64, 64)]
)


def players(shape=(1, 32, 32)):
    """Generator and discriminator as DCGAN has them."""
    config = replace(SMALL, shape=shape)
    return Generator(config), Discriminator(config, batch_norm=True)


def of(network, *kinds):
    """The layers of these kinds, in order."""
    return [m for m in network.modules() if isinstance(m, kinds)]


# --- the sides ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "expected"),
    [(28, [7, 14, 28]), (32, [4, 8, 16, 32]), (40, [5, 10, 20, 40]), (64, [4, 8, 16, 32, 64])],
)
def test_layer_sizes(side, expected):
    assert layer_sizes((1, side, side)) == expected


@pytest.mark.parametrize("shape", [(1, 32, 28), (1, 30, 30), (1, 24, 24), (3, 68, 68), (2,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"multiple of 4 from 28 to 64, not .* another size="):
        layer_sizes(shape)


@SIZES
def test_the_maps_have_the_sides_that_are_announced(shape):
    generator, discriminator = players(shape)
    sides, x = [], torch.randn(2, 8, 1, 1)
    for layer in [*generator.layers, *discriminator.layers]:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            sides.append(x.shape[-1])
    assert sides == [*layer_sizes(shape), *layer_sizes(shape)[-2::-1], 1]


# --- the five rules ----------------------------------------------------------------------------


@SIZES
def test_shapes_and_ranges(shape):
    generator, discriminator = players(shape)
    samples = generator(50 * torch.randn(3, 8))
    assert samples.shape == (3, *shape)
    assert samples.abs().max() <= 1
    assert discriminator(samples).shape == (3,)


@SIZES
def test_rule_1_strides_and_no_pooling(shape):
    generator, discriminator = players(shape)
    kinds = {type(m).__name__ for network in (generator, discriminator) for m in network.modules()}
    assert not {k for k in kinds if "Pool" in k or "Upsample" in k}
    up, down = of(generator, nn.ConvTranspose2d)[1:], of(discriminator, nn.Conv2d)[:-1]
    assert len(up) == len(down) == len(layer_sizes(shape)) - 1
    for layer in [*up, *down]:
        assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))


@SIZES
def test_channels_double_with_every_halving(shape):
    generator, discriminator = players(shape)
    halvings = len(layer_sizes(shape)) - 1
    channels = [4 * 2**i for i in range(halvings)]
    assert [m.out_channels for m in of(discriminator, nn.Conv2d)] == [*channels, 1]
    assert convolutions(4, shape)[1] == channels[-1]
    up = of(generator, nn.ConvTranspose2d)
    assert [m.out_channels for m in up] == [*reversed(channels), shape[0]]


@SIZES
def test_rule_2_batch_norm_but_at_the_image(shape):
    generator, discriminator = players(shape)
    kinds = [type(m) for m in generator.layers]
    after = [b for a, b in pairwise(kinds) if a is nn.ConvTranspose2d]
    assert after == [nn.BatchNorm2d] * (len(after) - 1) + [nn.Tanh]
    kinds = [type(m) for m in discriminator.layers]
    after = [b for a, b in pairwise(kinds) if a is nn.Conv2d]
    assert after == [nn.LeakyReLU] + [nn.BatchNorm2d] * (len(after) - 1)
    for network in (generator, discriminator):
        for layer, norm in pairwise(network.layers):
            if isinstance(norm, nn.BatchNorm2d):
                assert layer.bias is None, "batch normalisation would take it away again"


def test_rule_3_no_fully_connected_layer():
    for network in players():
        assert not of(network, nn.Linear)


def test_rules_4_and_5_activations():
    generator, discriminator = players()
    kinds = [type(m) for m in generator.layers]
    assert kinds[-1] is nn.Tanh
    assert kinds.count(nn.ReLU) == kinds.count(nn.BatchNorm2d)
    leaky = of(discriminator, nn.LeakyReLU)
    assert len(leaky) == len(of(discriminator, nn.Conv2d)) - 1
    assert {m.negative_slope for m in leaky} == {0.2}
    assert not of(discriminator, nn.ReLU, nn.Sigmoid, nn.Tanh)


def test_batch_norm_has_the_usual_numbers():
    """BatchNorm2d(n, 0.8) would set eps, the second positional argument, and shrink the signal."""
    for network in players():
        for layer in of(network, nn.BatchNorm2d):
            assert (layer.eps, layer.momentum) == (1e-5, 0.1)


def test_start():
    """Weights from N(0, 0.02), scales from N(1, 0.02), the score's layer as well."""
    wide = replace(SMALL, width=64, shape=(1, 64, 64))
    networks = Generator(wide), Discriminator(wide, batch_norm=True)
    for layer in of(nn.ModuleList(networks), nn.Conv2d, nn.ConvTranspose2d):
        error = 3 / math.sqrt(layer.weight.numel())  # the sample's own
        assert layer.weight.std().item() == pytest.approx(0.02, rel=error)
        assert layer.weight.mean().abs() < 0.02 * error
    for layer in of(nn.ModuleList(networks), nn.BatchNorm2d):
        assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
        assert 0.01 < layer.weight.std().item() < 0.03
        assert not layer.bias.any()


# --- without normalisation, and for points -----------------------------------------------------


def test_a_discriminator_without_normalisation_starts_as_torch_does():
    """Behind weights of 0.02 and no normalisation, a signal would fade."""
    network = Discriminator(SMALL)
    assert not of(network, nn.BatchNorm2d)
    assert all(layer.bias is not None for layer in of(network, nn.Conv2d))
    for layer in of(network, nn.Conv2d):
        bound = 1 / math.sqrt(layer.weight[0].numel())  # uniform up to here
        assert 0.9 * bound < layer.weight.abs().max() <= bound


@pytest.mark.parametrize("settings", [SMALL, POINTS], ids=["images", "points"])
def test_each_score_depends_on_its_own_sample_alone(settings):
    network, x = Discriminator(settings), torch.randn(5, *settings.shape)
    alone = torch.cat([network(row[None]) for row in x])
    torch.testing.assert_close(network(x), alone, rtol=1e-4, atol=1e-5)
    assert not list(network.buffers()), "no statistics of batches"


def test_with_batch_norm_every_sample_of_a_batch_moves_every_score():
    network, x = Discriminator(SMALL, batch_norm=True), torch.rand(4, 1, 32, 32)
    jacobian = torch.autograd.functional.jacobian(network, x).flatten(2).norm(dim=2)
    assert (jacobian > 0).all()


def test_another_normalisation_can_be_put_in_its_place():
    for network in (
        transposed_convolutions(8, 4, SMALL.shape, nn.InstanceNorm2d),
        convolutions(4, SMALL.shape, nn.InstanceNorm2d)[0],
    ):
        assert of(network, nn.InstanceNorm2d)
        assert not of(network, nn.BatchNorm2d)


def test_without_tanh_images_are_unbounded():
    torch.manual_seed(0)
    bounded = Generator(SMALL).eval()
    torch.manual_seed(0)
    unbounded = Generator(SMALL, tanh=False).eval()
    z = torch.randn(3, 8)
    torch.testing.assert_close(unbounded(z).tanh(), bounded(z))


def test_points_pass_through_perceptrons():
    generator, discriminator = Generator(POINTS), Discriminator(POINTS, batch_norm=True)
    assert [m.out_features for m in of(generator, nn.Linear)] == [16, 20, 2]
    assert [m.out_features for m in of(discriminator, nn.Linear)] == [16, 20, 1]
    generator.layers[-1].bias.data.fill_(7.0)
    points = generator(torch.randn(5, 8))
    assert points.shape == (5, 2)
    assert points.max() > 1, "points have no tanh"
    discriminator.layers[-1].bias.data.fill_(-9.0)
    assert discriminator(points / 7).shape == (5,)
    assert (discriminator(points / 7) < -5).all(), "a score, no probability"
    assert {m.negative_slope for m in of(discriminator, nn.LeakyReLU)} == {0.2}
    assert not of(discriminator, nn.ReLU)


MUTANTS = mutants(
    "networks.convolutions",
    (
        "BatchNorm2d(n, 0.8): the second argument is eps, not momentum",
        "[norm(n_in)] if norm else []",
        "[nn.BatchNorm2d(n_in, 0.8)] if norm else []",
        "test_batch_norm_has_the_usual_numbers",
    ),
    (
        "batch normalisation at the discriminator's input layer",
        "stride=2, padding=1), nn.LeakyReLU(0.2)]",
        "stride=2, padding=1), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]",
        "test_rule_2_batch_norm_but_at_the_image",
    ),
    (
        "the weights start ten times too large",
        "nn.init.normal_(module.weight, 0.0, 0.02)",
        "nn.init.normal_(module.weight, 0.0, 0.2)",
        "test_start",
    ),
    (
        "the scales of batch normalisation start at 0, as the weights do: a network that is off",
        "nn.init.normal_(module.weight, 1.0, 0.02)",
        "nn.init.normal_(module.weight, 0.0, 0.02)",
        "test_start",
    ),
    (
        "the start looks for Conv2d only: the generator keeps torch's own",
        "isinstance(module, nn.Conv2d | nn.ConvTranspose2d)",
        "isinstance(module, nn.Conv2d)",
        "test_start",
    ),
    (
        "the layer of the score is left out of the start",
        "score.apply(initialise)",
        "pass",
        "test_start",
    ),
    (
        "a discriminator without normalisation gets the weights that need one",
        "return network.apply(initialise) if norm else network, channels[-1]",
        "return network.apply(initialise), channels[-1]",
        "test_a_discriminator_without_normalisation_starts_as_torch_does",
    ),
    (
        "kernel 3 with stride 2 in the generator, as in much of today's code",
        "nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=bias)]",
        "nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, 1, bias=bias)]",
        "test_rule_1_strides_and_no_pooling",
    ),
    (
        "ReLU in the discriminator: no gradient from units that are off",
        "        layers += [nn.LeakyReLU(0.2)]",
        "        layers += [nn.ReLU()]",
        "test_rules_4_and_5_activations",
    ),
    (
        "the generator's channels grow towards the image",
        "for i in reversed(range(len(sizes) - 1))]",
        "for i in range(len(sizes) - 1)]",
        "test_channels_double_with_every_halving",
    ),
    (
        "the maps are halved as long as it goes: 28 pixels end in 7, 32 in 1",
        "while sizes[0] % 2 == 0 and sizes[0] >= 8:",
        "while sizes[0] % 2 == 0:",
        "test_layer_sizes",
    ),
    (
        "batch normalisation in every discriminator, asked for or not",
        "norm = nn.BatchNorm2d if batch_norm else None",
        "norm = nn.BatchNorm2d",
        "test_each_score_depends_on_its_own_sample_alone",
    ),
    (
        "points are held in [-1, 1] by a tanh that only images need",
        "return self.layers(z[:, :, None, None] if self.images else z)",
        "return self.layers(z[:, :, None, None] if self.images else z).tanh()",
        "test_points_pass_through_perceptrons",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
