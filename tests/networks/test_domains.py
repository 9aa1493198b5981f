"""PixelDA's networks: where the noise goes in, who is normalised, and who is not."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gan_lessons.networks.domains import (
    Block,
    Classifier,
    Discriminator,
    GaussianNoise,
    Generator,
    Settings,
)
from tests.helpers import same
from tests.mutants import mutants, survivors

SMALL = Settings(width=4, reader_width=4, blocks=2)
shapes = pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)])


@shapes
def test_images_in_and_images_scores_or_logits_out(shape):
    config = replace(SMALL, shape=shape)
    x, z = torch.rand(5, *shape), torch.rand(5, config.latent_dim)
    made = Generator(config)(x, z)
    assert made.shape == x.shape
    assert made.abs().max() <= 1
    assert Discriminator(config)(x).shape == (5,)
    assert Classifier(config)(x).shape == (5, 10)


def test_the_noise_is_one_more_channel_and_reaches_every_pixel():
    torch.manual_seed(0)
    G = Generator(SMALL).eval()
    x, z = torch.zeros(1, 3, 32, 32), torch.rand(2, 10)
    changed = (G(x, z[:1]) != G(x, z[1:])).any(1)
    assert changed.all()
    first = next(m for m in G.modules() if isinstance(m, nn.Conv2d))
    assert first.in_channels == 4
    assert G.plane.out_features == 32 * 32


def test_no_layer_of_the_generator_changes_the_side():
    convolutions = [m for m in Generator(SMALL).modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 2 + 2 * SMALL.blocks
    assert {m.stride for m in convolutions} == {(1, 1)}


def test_a_block_adds_to_its_input():
    block = Block(3)
    nn.init.zeros_(block.change[-1].weight)
    x = torch.randn(2, 3, 8, 8)
    assert same(block(x), x)


def test_a_flat_shift_of_colour_survives_a_block():
    """Normalisation of single images would take it away."""
    block, x = Block(3).eval(), torch.randn(1, 3, 8, 8)
    assert ((block(x + 1) - block(x)).mean() - 1).abs() < 0.5
    assert not any(isinstance(m, nn.InstanceNorm2d) for m in block.modules())


def test_gaussian_noise_has_its_scale_and_rests_in_evaluation():
    noise, x = GaussianNoise(0.2), torch.full((200, 200), 3.0)
    made = noise(x)
    assert made.mean().item() == pytest.approx(3, abs=0.01)
    assert made.std().item() == pytest.approx(0.2, abs=0.01)
    assert not same(noise(x), noise(x))
    noise.eval()
    assert same(noise(x), x)


def test_the_discriminator_has_dropout_and_noise_in_every_hidden_layer():
    D = Discriminator(replace(SMALL, dropout=0.3, noise_scale=0.7))
    kinds = [type(m).__name__ for m in D.layers]
    assert kinds.count("LeakyReLU") == 3
    for i, kind in enumerate(kinds):
        if kind == "LeakyReLU":
            assert kinds[i + 1 : i + 3] == ["Dropout", "GaussianNoise"]
    assert {m.p for m in D.modules() if isinstance(m, nn.Dropout)} == {0.3}
    assert {m.scale for m in D.modules() if isinstance(m, GaussianNoise)} == {0.7}
    assert kinds[-2:] == ["Conv2d", "Flatten"], "no noise on the score"
    x = torch.rand(4, 3, 32, 32)
    assert not same(D(x), D(x))
    D.eval()
    assert same(D(x), D(x))


def test_the_first_layer_of_the_discriminator_sees_colours():
    D = Discriminator(SMALL)
    norms = [i for i, m in enumerate(D.layers) if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 2
    assert norms[0] > 4, "none next to the image"


def test_the_classifier_reads_each_image_alone_and_without_noise():
    """Statistics of batches would be a mixture of two domains."""
    T, x = Classifier(SMALL), torch.rand(8, 3, 32, 32)
    torch.testing.assert_close(T(x)[:2], T(x[:2]))
    assert not list(T.buffers())
    assert same(T(x), T(x))
    nn.init.constant_(T.layers[-2].bias, 50.0)
    assert T(x).min() > 20, "logits, and no probabilities"


def test_the_classifier_can_have_other_classes():
    assert Classifier(replace(SMALL, classes=3))(torch.rand(2, 3, 32, 32)).shape == (2, 3)


MUTANTS = mutants(
    "networks.domains",
    (
        "PixelDA: D's noise goes on in evaluation",
        "if self.training else x",
        "if True else x",
        "test_gaussian_noise_has_its_scale_and_rests_in_evaluation",
    ),
    (
        "PixelDA: the noise of D only in its first layer",
        "layers += [nn.LeakyReLU(0.2), *hidden]",
        "layers += [nn.LeakyReLU(0.2), *(hidden if i == 0 else [])]",
        "test_the_discriminator_has_dropout_and_noise_in_every_hidden_layer",
    ),
    (
        "PixelDA: batch normalisation in the classifier",
        "halvings(config, [], config.classes, norm=False)",
        "halvings(config, [], config.classes, norm=True)",
        "test_the_classifier_reads_each_image_alone_and_without_noise",
    ),
    (
        "PixelDA: a softmax at the end of the classifier",
        "        return self.layers(x)\n",
        "        return self.layers(x).softmax(1)\n",
        "test_the_classifier_reads_each_image_alone_and_without_noise",
    ),
    (
        "PixelDA: z never reaches the picture",
        "plane = self.plane(z.to(x.dtype))",
        "plane = self.plane(0 * z.to(x.dtype))",
        "test_the_noise_is_one_more_channel_and_reaches_every_pixel",
    ),
    (
        "PixelDA: D is normalised next to the image, and sees no colours",
        "normed = norm and i > 0",
        "normed = norm",
        "test_the_first_layer_of_the_discriminator_sees_colours",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
