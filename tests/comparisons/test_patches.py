"""The discriminator of single pixels: what it sees, and who plays with it."""

from dataclasses import replace

import pytest
import torch

from gan_lessons.comparisons import patches
from gan_lessons.data import toy_facades
from gan_lessons.networks.patches import measured_receptive_field, receptive_field
from gan_lessons.results import load
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


@pytest.mark.parametrize("size", patches.SIZES)
def test_a_run_has_a_discriminator_of_the_size(size):
    options = {"device": "cpu", "progress": False, "snapshots": 0}
    config = replace(patches.config(size), steps=2)
    run = patches.play(size, config, toy_facades(16), **options)
    seen = receptive_field(run.model.discriminator)
    assert seen == int(size.split()[0])


def test_the_sizes_differ_in_the_discriminator_alone(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    for size in patches.SIZES:
        same_but = replace(patches.config(size), halvings=1)
        assert same_but == replace(pix2pix.PRESETS["cpu"], steps=patches.UPDATES)


def test_the_file_has_every_run():
    rows = load("translation")["patches"]
    found = [(row["name"], row["seed"]) for row in rows]
    assert sorted(found) == sorted((n, s) for n in patches.SIZES for s in patches.SEEDS)
    assert {row["updates"] for row in rows} == {patches.UPDATES}
