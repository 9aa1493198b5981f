"""The autoencoder that is BEGAN's discriminator: its two halves, its code, its normalisation."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from gan_lessons.networks.autoencoders import Autoencoder, layer_norm
from gan_lessons.networks.convolutions import Discriminator, Generator, Settings
from tests.mutants import mutants, survivors


@dataclass(frozen=True)
class Small(Settings):
    """Narrow, with a code of five numbers."""

    width: int = 4
    latent_dim: int = 5
    hidden: tuple[int, ...] = (16, 20)
    code_dim: int = 5


POINTS = Small(shape=(7,))


def of(network, *kinds):
    """The layers of these kinds, in order."""
    return [m for m in network.modules() if isinstance(m, kinds)]


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64), (2,), (7,)])
def test_everything_passes_through_the_code(shape):
    network, x = Autoencoder(Small(shape=shape)), torch.rand(4, *shape)
    code = network.encoder(x)
    assert code.shape[:2] == (4, 5)
    assert code.numel() == 4 * 5
    assert network.decoder(code).shape == x.shape
    torch.testing.assert_close(network(x), network.decoder(code))


def test_reconstructions_move_in_as_many_directions_as_the_code_has_numbers():
    network = Autoencoder(POINTS).double()
    jacobian = torch.autograd.functional.jacobian(network, torch.randn(1, 7, dtype=torch.float64))
    values = torch.linalg.svdvals(jacobian.reshape(7, 7))
    assert int((values > 1e-12 * values[0]).sum()) == 5


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
def test_the_halves_are_shaped_as_the_players_of_the_sibling_chapters(shape):
    config = Small(shape=shape)
    network = Autoencoder(config)
    for half, player in (
        (network.encoder, Discriminator(config)),
        (network.decoder, Generator(config)),
    ):
        own, others = (
            [m.weight.shape for m in of(f, nn.Conv2d, nn.ConvTranspose2d)] for f in (half, player)
        )
        if half is network.encoder:
            own[-1] = (1, *own[-1][1:])  # five numbers in place of one score
        assert own == others
    assert {m.negative_slope for m in of(network.encoder, nn.LeakyReLU)} == {0.2}
    assert not of(network.decoder, nn.LeakyReLU)


def test_points_pass_through_mirrored_perceptrons():
    network = Autoencoder(POINTS)
    assert [m.out_features for m in of(network.encoder, nn.Linear)] == [16, 20, 5]
    assert [m.out_features for m in of(network.decoder, nn.Linear)] == [20, 16, 7]
    for half in (network.encoder, network.decoder):
        assert isinstance(half[-1], nn.Linear), "codes and reconstructions are unbounded"


@pytest.mark.parametrize("config", [Small(), POINTS], ids=["images", "points"])
def test_a_reconstruction_depends_on_its_own_sample_alone(config):
    network, x = Autoencoder(config), torch.rand(5, *config.shape)
    alone = torch.cat([network(row[None]) for row in x])
    torch.testing.assert_close(network(x), alone, rtol=1e-4, atol=1e-5)
    assert not list(network.buffers()), "no statistics of batches"


def test_the_normalisation_is_over_all_channels_and_pixels_of_a_sample():
    x = 3 + torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1, 1) * torch.randn(3, 6, 4, 4)
    x[:, :3] += 50  # channels may keep their differences
    normal = layer_norm(6)(x)
    torch.testing.assert_close(normal.flatten(1).mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.flatten(1).var(1, correction=0), torch.ones(3))
    assert normal[0, :3].mean() > 0.5
    network = Autoencoder(replace(Small(), shape=(3, 64, 64)))
    assert [m.num_groups for m in of(network, nn.GroupNorm)] == [1] * (3 + 4)


def test_the_reconstruction_ends_without_a_tanh():
    """Where a tanh saturates, as on a black background, the error has no gradient."""
    network = Autoencoder(Small())
    network.decoder[-1].weight.data *= 1000
    assert network(torch.rand(2, 1, 32, 32)).abs().max() > 2
    assert not of(network, nn.Tanh)


MUTANTS = mutants(
    "networks.autoencoders",
    (
        "batch normalisation in the autoencoder: an error depends on its batch",
        "return nn.GroupNorm(1, channels)",
        "return nn.BatchNorm2d(channels)",
        "test_a_reconstruction_depends_on_its_own_sample_alone",
    ),
    (
        "each channel is normalised by itself: what differs between channels is lost",
        "return nn.GroupNorm(1, channels)",
        "return nn.GroupNorm(channels, channels)",
        "test_the_normalisation_is_over_all_channels_and_pixels_of_a_sample",
    ),
    (
        "no normalisation, and the weights that need one: the code fades",
        "convolutions(config.width, config.shape, layer_norm)",
        "convolutions(config.width, config.shape, lambda n: nn.Identity())",
        "test_the_normalisation_is_over_all_channels_and_pixels_of_a_sample",
    ),
    (
        "the code has code_dim maps, not code_dim numbers: hardly a bottleneck",
        "nn.Conv2d(maps, config.code_dim, layer_sizes(config.shape)[0])",
        "nn.Conv2d(maps, config.code_dim, 1)",
        "test_everything_passes_through_the_code",
    ),
    (
        "a tanh at the end, whose gradient is zero on a black background",
        "self.decoder = decoder[:-1]",
        "self.decoder = decoder",
        "test_the_reconstruction_ends_without_a_tanh",
    ),
    (
        "the decoder of points repeats the encoder's widths in place of mirroring them",
        "[config.code_dim, *reversed(outside)]",
        "[config.code_dim, *config.hidden, *config.shape]",
        "test_points_pass_through_mirrored_perceptrons",
    ),
    (
        "the code of points ends in a ReLU: half of its space is empty",
        "self.encoder = perceptron([*outside, config.code_dim], nn.ReLU())",
        "self.encoder = perceptron([*outside, config.code_dim], nn.ReLU()).append(nn.ReLU())",
        "test_points_pass_through_mirrored_perceptrons",
    ),
    (
        "a skip around the bottleneck: everything can be redrawn, fakes too",
        "return self.decoder(self.encoder(x))",
        "return self.decoder(self.encoder(x)) + x",
        "test_reconstructions_move_in_as_many_directions_as_the_code_has_numbers",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
