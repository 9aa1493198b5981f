"""The discriminator of single pixels: what it sees, and who plays with it."""

import torch

from gan_lessons.comparisons import patches
from gan_lessons.data import toy_facades
from gan_lessons.networks.patches import measured_receptive_field, receptive_field
from gan_lessons.translation import pix2pix
from tests.helpers import moved, same

SMALL = pix2pix.PRESETS["smoke"]


def test_it_sees_one_pixel_of_both_pictures():
    network = patches.PixelDiscriminator(6, 4)
    assert receptive_field(network) == measured_receptive_field(network, 9) == 1
    x, y = torch.randn(2, 5, 3, 32, 32)
    network.eval()
    scores = network(x, y)
    assert scores.shape == (5, 32, 32)
    for changed in ((x + 1, y), (x, y + 1)):
        assert not same(network(*changed), scores)


def test_both_players_move():
    model = patches.PixelPix2Pix(SMALL)
    batch = toy_facades(8).batch(8)
    assert moved(model, lambda: model.step(batch)) == {"generator", "discriminator"}


def test_a_run_has_it_as_its_discriminator():
    options = {"device": "cpu", "progress": False, "snapshots": 0}
    run = patches.train_by_pixels(SMALL, toy_facades(16), **options)
    assert isinstance(run.model.discriminator, patches.PixelDiscriminator)
    assert run.steps == SMALL.steps
