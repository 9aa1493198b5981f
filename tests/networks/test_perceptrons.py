"""Perceptrons: their layers, their ranges, and scores that depend on one sample alone."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_lessons.networks.perceptrons import (
    GPU,
    SMOKE,
    Discriminator,
    Generator,
    Settings,
    perceptron,
)
from tests.mutants import mutants, survivors

IMAGES = Settings(latent_dim=8, generator_hidden=(16, 20), discriminator_hidden=(20, 16))
POINTS = replace(IMAGES, shape=(2,))
SETTINGS = pytest.mark.parametrize("settings", [IMAGES, POINTS], ids=["images", "points"])


def test_layers_of_the_given_sizes_with_activations_between_them():
    layers = [*perceptron([3, 7, 5, 2], nn.ReLU())]
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU] * 2 + [nn.Linear]
    sizes = [(m.in_features, m.out_features) for m in layers if isinstance(m, nn.Linear)]
    assert sizes == [(3, 7), (7, 5), (5, 2)]
    assert [type(layer) for layer in perceptron([3, 2], nn.ReLU())] == [nn.Linear]


@SETTINGS
def test_shapes(settings):
    samples = Generator(settings)(torch.randn(5, 8))
    assert samples.shape == (5, *settings.shape)
    assert Discriminator(settings)(samples).shape == (5,)


def test_images_end_in_a_tanh_and_points_do_not():
    images, points = Generator(IMAGES), Generator(POINTS)
    for network in (images, points):
        network.layers[-1].bias.data.fill_(-0.7)
        network.layers[-1].weight.data.zero_()
    torch.testing.assert_close(images(torch.randn(1, 8))[0, 0, 0, 0], torch.tensor(-0.7).tanh())
    torch.testing.assert_close(points(torch.randn(1, 8)), torch.full((1, 2), -0.7))


def test_the_score_is_no_probability():
    network = Discriminator(POINTS)
    network.layers[-1].bias.data.fill_(-9.0)
    assert (network(torch.zeros(3, 2)) < -5).all()


def test_every_hidden_layer_has_the_width_that_was_asked_for():
    sizes = [m.out_features for m in Generator(POINTS).modules() if isinstance(m, nn.Linear)]
    assert sizes == [16, 20, 2]
    sizes = [m.out_features for m in Discriminator(POINTS).modules() if isinstance(m, nn.Linear)]
    assert sizes == [20, 16, 1]


def test_gradients_come_back_from_every_unit_of_the_discriminator():
    """Leaky ReLU passes a fifth of them on where ReLU passes nothing."""
    leaky = [m for m in Discriminator(POINTS).layers if not isinstance(m, nn.Linear)]
    assert [(type(m), m.negative_slope) for m in leaky] == [(nn.LeakyReLU, 0.2)] * 2
    assert {type(m) for m in Generator(POINTS).layers} == {nn.Linear, nn.ReLU}


@SETTINGS
def test_each_sample_is_made_and_judged_by_itself(settings):
    generator, discriminator, z = Generator(settings), Discriminator(settings), torch.randn(6, 8)
    together = generator(z)
    torch.testing.assert_close(torch.cat([generator(row[None]) for row in z]), together)
    alone = torch.cat([discriminator(x[None]) for x in together])
    torch.testing.assert_close(alone, discriminator(together))


def test_a_gpu_gets_networks_of_twice_the_width_and_smaller_steps():
    wide, usual = replace(Settings(), **GPU), Settings()
    assert sum(wide.generator_hidden) == 2 * sum(usual.generator_hidden)
    assert sum(wide.discriminator_hidden) == 2 * sum(usual.discriminator_hidden)
    assert (wide.learning_rate, wide.betas) == (2e-4, (0.5, 0.999)), "DCGAN's"
    assert replace(Settings(), **SMOKE).generator_hidden == (32,)


MUTANTS = mutants(
    "networks.perceptrons",
    (
        "a sigmoid at the end of the discriminator, below a loss on logits",
        "return self.layers(x.flatten(1)).squeeze(1)",
        "return self.layers(x.flatten(1)).squeeze(1).sigmoid()",
        "test_the_score_is_no_probability",
    ),
    (
        "an activation behind the last layer, too: no sample below zero",
        "return nn.Sequential(*layers[:-1])",
        "return nn.Sequential(*layers)",
        "test_layers_of_the_given_sizes_with_activations_between_them",
    ),
    (
        "images without a tanh, in a range that the data do not have",
        "return x.tanh() if len(self.shape) == 3 else x",
        "return x",
        "test_images_end_in_a_tanh_and_points_do_not",
    ),
    (
        "points are held in [-1, 1], too",
        "return x.tanh() if len(self.shape) == 3 else x",
        "return x.tanh()",
        "test_images_end_in_a_tanh_and_points_do_not",
    ),
    (
        "images end in a sigmoid, as in the paper, while the data lie in [-1, 1]",
        "return x.tanh() if len(self.shape) == 3 else x",
        "return x.sigmoid() if len(self.shape) == 3 else x",
        "test_images_end_in_a_tanh_and_points_do_not",
    ),
    (
        "scores (n, 1): minus a row (n,) they make a table of n times n",
        "return self.layers(x.flatten(1)).squeeze(1)",
        "return self.layers(x.flatten(1))",
        "test_shapes",
    ),
    (
        "the discriminator has the generator's ReLU: units that are off teach nothing",
        "self.layers = perceptron(sizes, nn.LeakyReLU(0.2))",
        "self.layers = perceptron(sizes, nn.ReLU())",
        "test_gradients_come_back_from_every_unit_of_the_discriminator",
    ),
    (
        "the discriminator is built with the generator's widths",
        "*config.discriminator_hidden, 1]",
        "*config.generator_hidden, 1]",
        "test_every_hidden_layer_has_the_width_that_was_asked_for",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
