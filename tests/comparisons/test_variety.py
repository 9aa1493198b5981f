"""Translators of one input to many are compared fairly, and the file of results is complete."""

from dataclasses import fields

import pytest
import torch

from gan_lessons.comparisons import variety
from gan_lessons.data.hues import digits_in_hues
from gan_lessons.results import load
from gan_lessons.translation import bicyclegan
from tests.helpers import pairs

names = pytest.mark.parametrize("name", variety.ENTRIES)
controls = pytest.mark.parametrize("name", variety.CONTROLS)
ALL = variety.ENTRIES | variety.CONTROLS


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")


def batch():
    return pairs(40, (3, 32, 32)).batch(8, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ALL)
def test_all_have_the_same_updates_batches_and_distance(cpu, name):
    config, other = variety.config(name, 0.123), variety.config("BicycleGAN")
    assert config.learning_rate == 0.123
    assert config.steps == other.steps == variety.UPDATES
    assert config.batch_size == other.batch_size
    assert config.l1_weight == other.l1_weight


@pytest.mark.parametrize("name", ALL)
def test_only_what_is_named_differs_from_the_preset(cpu, name):
    module, _, settings = ALL[name]
    config, preset = variety.config(name, 0.123), module.PRESETS["cpu"]
    changed = {f.name for f in fields(config) if getattr(config, f.name) != getattr(preset, f.name)}
    assert changed <= {"learning_rate", "steps", *settings}


@controls
def test_a_control_has_the_rate_of_what_it_is_compared_with(cpu, name):
    assert variety.config(name).learning_rate == variety.RATE["BicycleGAN"]


def test_a_run_is_measured():
    run = variety.play("BicycleGAN", variety.config("BicycleGAN"), digits_in_hues())
    numbers = variety.measure(run, digits_in_hues("test"))
    assert set(numbers) == {*variety.SHOWN, "code", "reconstruction"}
    assert 1 <= numbers["hues hit"] <= 4
    run = variety.play("pix2pix", variety.config("pix2pix"), digits_in_hues())
    assert set(variety.measure(run, digits_in_hues("test"))) == set(variety.SHOWN)


# --- the broken rules --------------------------------------------------------------------------


def latent_gradients(model):
    x, z = batch().x, model.noise(8)
    bicyclegan.latent_loss(z, model.read_again(model.generator(x, z))).backward()
    return [p.grad for p in model.encoder.parameters()]


def test_the_latent_loss_moves_the_encoder_where_it_is_said_to():
    small = bicyclegan.PRESETS["smoke"]
    assert all(g is not None for g in latent_gradients(variety.ShownToTheEncoder(small)))
    assert all(g is None for g in latent_gradients(bicyclegan.BicycleGAN(small)))


def test_random_pictures_are_pulled_to_the_target_of_their_input(monkeypatch):
    model, data = variety.PulledToTheTarget(bicyclegan.PRESETS["smoke"]), batch()
    seen = []
    own = variety.pix2pix.l1_loss
    monkeypatch.setattr(variety.pix2pix, "l1_loss", lambda a, b: seen.append((a, b)) or own(a, b))
    drawn = []
    model.generator.register_forward_hook(lambda _, inputs, out: drawn.append(out))
    model.step(data)
    ((random, target),) = seen
    assert random is drawn[1]
    assert torch.equal(target, data.y[:4])


def test_the_distance_counts_with_its_weight():
    torch.manual_seed(0)
    small = bicyclegan.PRESETS["smoke"]
    model = variety.PulledToTheTarget(small)
    x, z, random = batch().x[:4], torch.randn(4, 2), batch().y[:4]
    model.target = random + 0.3
    with torch.no_grad():
        loss, logged = model.random_step(x, z, random)
    own = logged["random_loss"] + small.latent_weight * logged["latent_loss"]
    assert (loss - own).item() == pytest.approx(0.3 * small.l1_weight, rel=1e-4)


# --- the file ----------------------------------------------------------------------------------


def rows_of(table, name, seed, rate):
    wanted = name, seed, rate
    return [
        row
        for row in load("variety")[table]
        if (row["name"], row["seed"], row["settings"]["learning_rate"]) == wanted
    ]


@names
def test_the_file_has_every_run_once(name):
    for seed in variety.SWEEP:
        for rate in variety.RATES:
            assert len(rows_of("sweep", name, seed, rate)) == 1
    found = variety.rows(load("variety"), name)
    assert [row["seed"] for row in found] == [*variety.SWEEP, *variety.SEEDS]
    assert {row["updates"] for row in found} == {variety.UPDATES}


@controls
def test_the_file_has_every_control_once(name):
    found = variety.rows(load("variety"), name)
    assert [row["seed"] for row in found] == [*variety.SWEEP, *variety.SEEDS]
    assert {row["settings"]["learning_rate"] for row in found} == {variety.RATE["BicycleGAN"]}


@names
def test_the_rate_is_the_best_of_the_sweep(name):
    def distance(rate):
        (row,) = rows_of("sweep", name, variety.SWEEP[0], rate)
        return row["distance"]

    assert variety.RATE[name] == min(variety.RATES, key=distance)


def test_no_seed_that_chose_a_rate_compares_the_models():
    assert not set(variety.SWEEP) & set(variety.SEEDS)
