"""The parts of an AAE: encoders, which give codes of three kinds, the decoder, judges of codes."""

import math
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.networks import autoencoders
from gan_lessons.networks.autoencoders import (
    ClassEncoder,
    ClassStyleDiscriminator,
    CodeDiscriminator,
    CodeEncoder,
    Decoder,
    GaussianEncoder,
    Settings,
    reparametrise,
)
from tests.helpers import same
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle, scores


@dataclass(frozen=True)
class Small(Settings):
    """Narrow; four classes."""

    latent_dim: int = 5
    hidden: tuple[int, ...] = (16, 12)
    discriminator_hidden: tuple[int, ...] = (14, 13)
    classes: int = 4


CONFIG = Small()
X = torch.rand(6, *CONFIG.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def sizes(network):
    """The widths of a perceptron from its input to its output."""
    layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
    return [layers[0].in_features, *(m.out_features for m in layers)]


# --- codes and samples -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (2,)])
def test_encoder_and_decoder_mirror_each_other(shape):
    config = Small(shape=shape)
    encoder, decoder = CodeEncoder(config), Decoder(config, 5)
    assert sizes(encoder) == [math.prod(shape), 16, 12, 5] == sizes(decoder)[::-1]
    x = torch.rand(3, *shape)
    assert encoder(x).shape == (3, 5)
    assert decoder(encoder(x)).shape == x.shape
    names = {type(m) for f in (encoder, decoder) for m in f.modules() if not list(m.children())}
    assert names == {nn.Linear, nn.ReLU}, "each code depends on its own sample"


def test_codes_are_unbounded_and_decoded_images_are_not():
    """A normal prior has no ends; pixels lie in [-1, 1]."""
    encoder, decoder = CodeEncoder(CONFIG), Decoder(CONFIG, 5)
    for network in (encoder, decoder):
        network.layers[-1].weight.data *= 1000
    assert encoder(X).min() < -2
    assert encoder(X).max() > 2
    images = decoder(torch.randn(50, 5))
    assert images.abs().max() == 1
    assert images.min() < -0.9, "both ends are reached"


# --- drawn codes -------------------------------------------------------------------------------


@oracle(
    "AAE-Z",
    r"z = \mu + e^{\lambda / 2}\, \varepsilon, \qquad \varepsilon \sim \mathcal N(0, I)",
)
def drawn(mean, log_variance, noise):
    return mean + np.sqrt(np.exp(log_variance)) * noise


def test_reparametrisation_and_its_gradients():
    """1 for the mean, sigma eps / 2 for the log-variance."""
    mean, log_variance = scores(6).reshape(3, 2), scores(6, seed=1).reshape(3, 2)
    noise = scores(6, seed=2).reshape(3, 2)

    def fixed(mean, log_variance, noise):
        with mock.patch("torch.randn_like", return_value=noise):
            return reparametrise(mean, log_variance)

    check("AAE-Z", fixed, mean=mean, log_variance=log_variance, noise=noise)


def test_drawn_codes_have_the_variance_and_noise_of_their_own():
    mean, log_variance = torch.zeros(2000, 2), torch.tensor([0.0, math.log(9.0)]).expand(2000, 2)
    z = reparametrise(mean, log_variance)
    assert z.var(0)[0].item() == pytest.approx(1, rel=0.1)
    assert z.var(0)[1].item() == pytest.approx(9, rel=0.1), "exp(lambda) is no standard deviation"
    assert np.corrcoef(z.T.numpy())[0, 1] == pytest.approx(0, abs=0.1)
    assert len(z[:, 0].unique()) > 1990, "one noise for the whole batch"


def test_a_gaussian_encoder_draws_its_codes():
    encoder = GaussianEncoder(CONFIG)
    assert sizes(encoder) == [1024, 16, 12, 10]
    mean, log_variance = encoder.moments(X)
    assert mean.shape == log_variance.shape == (6, 5)
    assert same(torch.cat([mean, log_variance], 1), encoder.layers(X.flatten(1)))
    assert not same(encoder(X), encoder(X))
    torch.manual_seed(1)
    noise = torch.randn(6, 5)
    torch.manual_seed(1)
    torch.testing.assert_close(encoder(X), mean + (log_variance / 2).exp() * noise)


# --- class and style ---------------------------------------------------------------------------


def test_a_code_of_class_and_style():
    """Probabilities of the classes, which come from the logits; the style is free."""
    encoder = ClassEncoder(CONFIG)
    encoder.layers[-1].weight.data *= 100
    classes, style = encoder(X).split([4, 5], dim=1)
    torch.testing.assert_close(classes.sum(1), torch.ones(6))
    assert (classes >= 0).all()
    torch.testing.assert_close(classes, encoder.logits(X).softmax(1))
    assert style.min() < -1 < 1 < style.max()
    assert same(style, encoder.layers(X.flatten(1))[:, 4:])


def test_class_and_style_have_a_judge_each():
    D = ClassStyleDiscriminator(CONFIG, 9)
    y, style, other = torch.rand(6, 4), torch.randn(6, 5), torch.randn(6, 5)
    found, again = (D(torch.cat([y, s], 1)) for s in (style, other))
    assert found.shape == (12,), "one loss, a mean over both"
    assert same(found[:6], again[:6])
    assert not (found[6:] == again[6:]).any()
    assert same(found, torch.cat([D.of_class(y), D.of_style(style)]))


def test_a_judge_of_codes_gives_a_score_to_each():
    D, z = CodeDiscriminator(CONFIG, 5), torch.randn(6, 5)
    assert sizes(D) == [5, 14, 13, 1]
    assert D(z).shape == (6,)
    torch.testing.assert_close(D(z)[:2], D(z[:2]))
    assert {m.negative_slope for m in D.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    D.layers[-1].bias.data += 5
    assert D(z).min() > 1, "a logit, no probability"


def test_the_widths_of_the_paper():
    """Two hidden layers of 1,000 in each network."""
    widths = (1000, 1000)
    gpu = Settings(**autoencoders.GPU)
    assert gpu.hidden == gpu.discriminator_hidden == widths


MUTANTS = mutants(
    "networks.autoencoders",
    (
        "a bounded code for an unbounded prior",
        "        return self.layers(x.flatten(1))\n\n\nclass GaussianEncoder",
        "        return self.layers(x.flatten(1)).tanh()\n\n\nclass GaussianEncoder",
        "test_codes_are_unbounded_and_decoded_images_are_not",
    ),
    (
        "the code ends in a ReLU: half of its space is empty",
        "[math.prod(config.shape), *config.hidden, outputs], nn.ReLU())",
        "[math.prod(config.shape), *config.hidden, outputs], nn.ReLU()).append(nn.ReLU())",
        "test_codes_are_unbounded_and_decoded_images_are_not",
    ),
    (
        "decoded images end in a sigmoid: none is dark",
        "unflatten(1, self.shape).tanh()",
        "unflatten(1, self.shape).sigmoid()",
        "test_codes_are_unbounded_and_decoded_images_are_not",
    ),
    (
        "the decoder repeats the encoder's widths in place of mirroring them",
        "[code_dim, *reversed(config.hidden), math.prod(config.shape)]",
        "[code_dim, *config.hidden, math.prod(config.shape)]",
        "test_encoder_and_decoder_mirror_each_other",
    ),
    (
        "exp(log variance) is taken for the standard deviation",
        "(log_variance / 2).exp()",
        "log_variance.exp()",
        "test_drawn_codes_have_the_variance_and_noise_of_their_own",
    ),
    (
        "one noise for the whole batch",
        "torch.randn_like(mean)",
        "torch.randn_like(mean[:1])",
        "test_drawn_codes_have_the_variance_and_noise_of_their_own",
    ),
    (
        "the noise stands where no gradient of the variance passes",
        "return mean + (log_variance / 2).exp()",
        "return mean + (log_variance / 2).exp().detach()",
        "test_reparametrisation_and_its_gradients",
    ),
    (
        "mean and log-variance in turns, not in halves",
        "return self.layers(x.flatten(1)).chunk(2, dim=1)",
        "return self.layers(x.flatten(1))[:, ::2], self.layers(x.flatten(1))[:, 1::2]",
        "test_a_gaussian_encoder_draws_its_codes",
    ),
    (
        "a Gaussian encoder gives its mean, and draws nothing",
        "return reparametrise(*self.moments(x))",
        "return self.moments(x)[0]",
        "test_a_gaussian_encoder_draws_its_codes",
    ),
    (
        "the class of the code is not normalised",
        "numbers[:, : self.classes].softmax(1)",
        "numbers[:, : self.classes].sigmoid()",
        "test_a_code_of_class_and_style",
    ),
    (
        "one softmax over class and style",
        "torch.cat([numbers[:, : self.classes].softmax(1), numbers[:, self.classes :]], dim=1)",
        "numbers.softmax(1)",
        "test_a_code_of_class_and_style",
    ),
    (
        "the logits are those of the style",
        "return self.layers(x.flatten(1))[:, : self.classes]",
        "return self.layers(x.flatten(1))[:, -self.classes :]",
        "test_a_code_of_class_and_style",
    ),
    (
        "one judge of class and style hears the class in the style",
        "return torch.cat([self.of_class(y), self.of_style(style)])",
        "return torch.cat([self.of_class(y) + self.of_style(style), self.of_style(style)])",
        "test_class_and_style_have_a_judge_each",
    ),
    (
        "the judge of codes ends in a sigmoid, and its loss has another one",
        "return self.layers(z).flatten()",
        "return self.layers(z).flatten().sigmoid()",
        "test_a_judge_of_codes_gives_a_score_to_each",
    ),
    (
        "the networks of a GPU are narrower than the paper's",
        '"discriminator_hidden": (1000, 1000)',
        '"discriminator_hidden": (500, 500)',
        "test_the_widths_of_the_paper",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
