"""Encoders, and the judge of pairs: what a code may be, and what a score depends on."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from gan_lessons.networks.convolutions import Discriminator, Settings
from gan_lessons.networks.encoders import Encoder, PairDiscriminator
from tests.mutants import mutants, survivors


@dataclass(frozen=True)
class Small(Settings):
    """Narrow, with a code of five numbers."""

    width: int = 8
    latent_dim: int = 5
    hidden: tuple[int, ...] = (16, 20)
    pair_width: int = 12


IMAGES, POINTS = Small(), Small(shape=(2,))
kinds = pytest.mark.parametrize("config", [IMAGES, POINTS], ids=["images", "points"])


def of(network, *kinds):
    """The layers of these kinds, in order."""
    return [m for m in network.modules() if isinstance(m, kinds)]


# --- the encoder -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64), (2,)])
def test_a_code_for_each_sample_and_a_score_for_each_pair(shape):
    config, x = Small(shape=shape), torch.rand(4, *shape)
    z = Encoder(config)(x)
    assert z.shape == (4, 5)
    assert PairDiscriminator(config)(x, z).shape == (4,)


def test_the_encoder_is_built_as_the_discriminator_of_dcgan():
    encoder, D = Encoder(IMAGES), Discriminator(IMAGES, batch_norm=True)
    own, other = ([type(layer) for layer in f.layers] for f in (encoder, D))
    assert own == [*other, nn.Flatten]
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    own, other = ([m.weight.shape for m in of(f, *kinds)] for f in (encoder, D))
    assert own[:-1] == other[:-1]
    assert own[-1] == (5, *other[-1][1:]), "a code in place of a score"


def test_the_encoder_of_points_is_a_perceptron():
    layers = Encoder(POINTS).layers
    assert [type(m) for m in layers] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert [m.out_features for m in of(layers, nn.Linear)] == [16, 20, 5]


@kinds
def test_codes_reach_as_far_as_the_prior(config):
    """A bounded code cannot follow a normal prior, and a judge tells it at a glance."""
    encoder = Encoder(config)
    last = of(encoder, nn.Conv2d, nn.Linear)[-1]
    for level in (5.0, -5.0):
        nn.init.constant_(last.bias, level)
        codes = encoder(torch.rand(8, *config.shape))
        assert (codes.sign() == torch.tensor(level).sign()).all()
        assert codes.abs().max() > 3


# --- the judge of pairs ------------------------------------------------------------------------


@kinds
def test_the_discriminator_judges_pairs(config):
    """No sum of a score for the sample and a score for the code could do this."""
    D = PairDiscriminator(config)
    x, z = torch.randn(6, *config.shape), torch.randn(6, config.latent_dim)
    as_they_are, crossed = D(x, z), D(x, z.roll(1, 0))
    sums = as_they_are + as_they_are.roll(1, 0), crossed + D(x.roll(1, 0), z)
    assert not torch.allclose(*sums, atol=1e-5)


@kinds
def test_features_of_the_code_multiply_those_of_the_sample(config):
    """What goes into the common layers: the sample's features, the code's, and their products."""
    D, seen = PairDiscriminator(config), []
    D.common.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x, z = torch.randn(6, *config.shape), torch.randn(6, config.latent_dim)
    D(x, z)
    sample, code, product = seen[0].split(config.pair_width, dim=1)
    assert torch.equal(sample, D.from_sample(x))
    assert torch.equal(code, D.from_code(z))
    assert torch.equal(product, sample * code)


@kinds
def test_the_score_of_a_pair_does_not_depend_on_its_company(config):
    D, x, z = PairDiscriminator(config), torch.rand(8, *config.shape), torch.randn(8, 5)
    assert not of(D, nn.modules.batchnorm._BatchNorm, nn.GroupNorm)
    torch.testing.assert_close(D(x, z)[:2], D(x[:2], z[:2]), atol=1e-6, rtol=1e-5)


def test_the_score_is_no_probability():
    D = PairDiscriminator(POINTS)
    D.common[-1].bias.data += 5
    assert D(torch.randn(6, 2), torch.randn(6, 5)).min() > 1
    assert {m.negative_slope for m in of(D, nn.LeakyReLU)} == {0.2}
    assert not of(D, nn.ReLU)


MUTANTS = [
    *mutants(
        "networks.encoders",
        (
            "a bounded code for an unbounded prior",
            "return self.layers(x)\n\n\nclass PairDiscriminator",
            "return self.layers(x).tanh()\n\n\nclass PairDiscriminator",
            "test_codes_reach_as_far_as_the_prior",
        ),
        (
            "the code ends in a ReLU: half of its space is empty",
            "return self.layers(x)\n\n\nclass PairDiscriminator",
            "return self.layers(x).relu()\n\n\nclass PairDiscriminator",
            "test_codes_reach_as_far_as_the_prior",
        ),
        (
            "an encoder without normalisation, and the weights that need one: codes fade",
            "config.latent_dim, nn.BatchNorm2d, nn.ReLU()",
            "config.latent_dim, None, nn.ReLU()",
            "test_the_encoder_is_built_as_the_discriminator_of_dcgan",
        ),
        (
            "points: leaky ReLU in the encoder, too",
            "config.latent_dim, nn.BatchNorm2d, nn.ReLU()",
            "config.latent_dim, nn.BatchNorm2d, nn.LeakyReLU(0.2)",
            "test_the_encoder_of_points_is_a_perceptron",
        ),
        (
            "one score for the sample plus one for the code: pairs are never judged",
            "return self.common(pair).squeeze(1)",
            "return (sample + code).sum(dim=1)",
            "test_the_discriminator_judges_pairs",
        ),
        (
            "the products of the features are left out",
            "torch.cat([sample, code, sample * code], dim=1)",
            "torch.cat([sample, code, sample + code], dim=1)",
            "test_features_of_the_code_multiply_those_of_the_sample",
        ),
        (
            "batch normalisation in the judge of pairs",
            "reading_layers(config, width, None, nn.LeakyReLU(0.2))",
            "reading_layers(config, width, nn.BatchNorm2d, nn.LeakyReLU(0.2))",
            "test_the_score_of_a_pair_does_not_depend_on_its_company",
        ),
        (
            "the judge of pairs ends in a sigmoid, and its loss has another one",
            "return self.common(pair).squeeze(1)",
            "return self.common(pair).squeeze(1).sigmoid()",
            "test_the_score_is_no_probability",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
