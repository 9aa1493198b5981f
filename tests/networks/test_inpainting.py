"""The channel-wise layer: its count, and what it connects; and the network around it."""

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.networks.inpainting import ChannelwiseLinear, Inpainter, Settings
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle, scores


@oracle("CE-FC", r"y_{cj} = \sum_{i=1}^{n^2} w_{cij}\, x_{ci}")
def each_map_by_itself(x, weight):
    maps = [rows.reshape(len(x), -1) @ w for rows, w in zip(x.swapaxes(0, 1), weight, strict=True)]
    return np.stack(maps, axis=1).reshape(x.shape)


@oracle("CE-COUNT", r"m n^4 \quad \text{weights in place of} \quad m^2 n^4")
def counts(m, n):
    return m * n**4, m**2 * n**4


def test_channelwise_linear():
    def layer(x, weight):
        built = ChannelwiseLinear(3, 2).double()
        del built.weight
        built.weight = weight
        return built(x)

    weight = scores(3 * 4 * 4, seed=1).reshape(3, 4, 4)
    check("CE-FC", layer, x=scores(2 * 3 * 4).reshape(2, 3, 2, 2), weight=weight)


@pytest.mark.parametrize(("m", "n"), [(8, 4), (256, 6), (96, 7)])
def test_it_has_m_n4_weights_and_a_full_layer_would_have_m2_n4(m, n):
    ours, full = counts(m, n)
    assert sum(p.numel() for p in ChannelwiseLinear(m, n).parameters()) == ours
    with torch.device("meta"):
        assert nn.Linear(m * n**2, m * n**2, bias=False).weight.numel() == full
    if (m, n) == (256, 6):  # the paper's
        assert (ours, full) == (331_776, 84_934_656)


def test_no_gradient_goes_from_one_map_to_another_and_all_places_are_connected():
    layer = ChannelwiseLinear(4, 3)
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x)[0, 2, 0, 0], x)
    assert (slope[0, 2] != 0).all(), "the corner depends on every place of its map"
    assert not slope[0, [0, 1, 3]].any()
    assert not slope[1].any()


def test_the_start_keeps_the_size_of_a_signal():
    torch.manual_seed(0)
    x = torch.randn(50, 32, 4, 4)
    assert ChannelwiseLinear(32, 4)(x).std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64)])
def test_shapes(shape):
    network = Inpainter(Settings(shape=shape, width=4))
    y = network(torch.rand(2, *shape))
    assert y.shape == (2, *shape)
    assert y.abs().max() <= 1
    assert network.encoder(torch.rand(2, *shape)).shape[1] == network.across[0].weight.shape[0]


def test_the_middle_of_the_picture_depends_on_its_corners_only_through_the_layer():
    """Without it, 4 x 4 convolutions leave the opposite corner out of sight."""

    def reach(network):
        x = torch.rand(1, 1, 64, 64, requires_grad=True)
        (slope,) = torch.autograd.grad(network.eval()(x)[0, 0, 4, 4], x)
        return slope[0, 0].abs()

    torch.manual_seed(0)
    network = Inpainter(Settings(shape=(1, 64, 64), width=4))
    assert reach(network)[-8:, -8:].max() > 0
    network.across[0] = nn.Identity()
    assert reach(network)[-8:, -8:].max() == 0


MUTANTS = mutants(
    "networks.inpainting",
    (
        "one matrix for all maps",
        "self.weight = nn.Parameter(torch.randn(channels, places, places) / side)",
        "self.weight = nn.Parameter(torch.randn(1, places, places) / side)",
        "test_it_has_m_n4_weights_and_a_full_layer_would_have_m2_n4",
    ),
    (
        "the matrix is transposed",
        '"bci,cij->bcj"',
        '"bci,cji->bcj"',
        "test_channelwise_linear",
    ),
    (
        "the layer is defined and never used (jazzsaxmafia/Inpainting#7)",
        "return self.decoder(self.across(self.encoder(x)))",
        "return self.decoder(self.across[1](self.encoder(x)))",
        "test_the_middle_of_the_picture_depends_on_its_corners_only_through_the_layer",
    ),
    (
        "no place is connected with another: a 1 x 1 convolution of all maps (PyTorch-GAN)",
        "ChannelwiseLinear(maps, layer_sizes(config.shape)[0]),",
        "nn.Conv2d(maps, maps, 1),",
        "test_the_middle_of_the_picture_depends_on_its_corners_only_through_the_layer",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
