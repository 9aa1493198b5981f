"""The gallery: what is compared is comparable, and the file of results belongs to this package."""

import dataclasses
import json
import math

import pytest
import torch

from gan_lessons.objectives import gallery
from gan_lessons.results import load
from tests.helpers import images, load_script

COMMON = ("latent_dim", "batch_size", "steps", "betas")


@pytest.fixture(scope="module")
def script():
    return load_script("objectives_results")


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")


names = pytest.mark.parametrize("name", gallery.ENTRIES)


def weights(module):
    return sorted(tuple(p.shape) for p in module.parameters() if p.dim() > 1)


def judge_of(model):
    return getattr(model, "critic", None) or model.discriminator


@names
def test_the_ring_has_one_setting(cpu, name):
    config = gallery.ring_config(name)
    wanted = gallery.ring_config("GAN")
    for field in COMMON:
        if hasattr(config, field):
            assert getattr(config, field) == getattr(wanted, field), field
    assert config.learning_rate == wanted.learning_rate
    if hasattr(config, "generator_learning_rate"):
        assert config.generator_learning_rate == wanted.learning_rate


@names
def test_the_ring_has_the_same_networks(name):
    def build(name):
        config = dataclasses.replace(gallery.ring_config(name), shape=(2,))
        return gallery.ENTRIES[name].points(config)

    assert weights(build(name).generator) == weights(build("GAN").generator)
    if name != "BEGAN":
        assert weights(judge_of(build(name))) == weights(build("GAN").discriminator)


@names
def test_digits_have_the_same_networks_without_batch_norm(cpu, name):
    def build(name):
        return gallery.ENTRIES[name].images(gallery.digits_config(name))

    model, other = build(name), build("GAN")
    assert weights(model.generator) == weights(other.generator)
    assert not [m for m in judge_of(model).modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if name != "BEGAN":
        assert weights(judge_of(model)) == weights(other.discriminator)


@names
def test_batch_norm_only_where_it_may_be(name):
    if gallery.ENTRIES[name].may_normalise:
        model = gallery.ENTRIES[name].images(gallery.digits_config(name, batch_norm=True))
        assert [m for m in judge_of(model).modules() if isinstance(m, torch.nn.BatchNorm2d)]
    else:
        with pytest.raises(ValueError, match="no batch normalisation"):
            gallery.digits_config(name, batch_norm=True)


@names
def test_the_score_is_one_number_a_point(name):
    config = dataclasses.replace(gallery.ring_config(name), shape=(2,))
    model = gallery.ENTRIES[name].points(config)
    assert gallery.score(model, torch.randn(7, 2)).shape == (7,)


def test_watching_the_ring():
    run, seen = gallery.watch_ring("WGAN-GP", moments=4, resolution=5, progress=False, device="cpu")
    assert run.finished
    assert [step for step, _, _ in seen] == [5, 10, 15, 20]
    assert all(s.shape == (5, 5) and p.shape == (400, 2) for _, s, p in seen)


def test_the_saturating_dcgan_descends_the_saturating_loss():
    config = dataclasses.replace(gallery.digits_config("GAN, minimax"), shape=(1, 28, 28))
    torch.manual_seed(0)
    logged = gallery.SaturatingDCGAN(config).step(images(8).batch(8))
    assert logged["generator_loss"] < 0, "a mean of -softplus"


def test_seconds_of_every_row():
    configs = {name: (name, gallery.digits_config(name)) for name in ("GAN", "WGAN-GP")}
    seconds = gallery.step_seconds(configs, images(64), rounds=3)
    assert list(seconds) == ["GAN", "WGAN-GP"]
    assert all(value > 0 for value in seconds.values())


# --- the file ----------------------------------------------------------------------------------


def rows_of(table, name, seed, batch_norm=None):
    return [
        row
        for row in load("objectives")[table]
        if (row["name"], row["seed"]) == (name, seed)
        and batch_norm in (None, row["settings"].get("batch_norm", False))
    ]


@names
@pytest.mark.parametrize("seed", gallery.SEEDS)
def test_the_file_has_every_run_on_the_ring(cpu, script, name, seed):
    (row,) = rows_of("ring", name, seed)
    assert row["settings"] == script.settings(name, gallery.ring_config(name)), "make it again"


@names
@pytest.mark.parametrize("seed", gallery.DIGIT_SEEDS)
def test_the_file_has_every_run_on_digits(cpu, script, name, seed):
    entry = gallery.ENTRIES[name]
    for batch_norm in entry.norms:
        config = gallery.digits_config(name, batch_norm)
        if entry.may_normalise and not batch_norm:
            config = dataclasses.replace(config, steps=gallery.UPDATES)
        rows = rows_of("digits", name, seed, batch_norm)
        assert {r["updates"] for r in rows} == {gallery.UPDATES, config.steps}
        assert len(rows) == len({gallery.UPDATES, config.steps}), "a row stands there twice"
        for row in rows:
            assert row["settings"] == script.settings(name, config), "make it again"


def test_the_file_has_the_seconds_of_every_table_row(cpu, script):
    (row,) = load("objectives")["time"]
    (job,) = script.time_jobs()
    assert row["settings"] == job.settings
    assert list(row["seconds"]) == list(job.settings)


def test_the_numbers_are_possible():
    rows = load("objectives")
    for row in rows["ring"]:
        assert 0 <= row["covered"] <= 8
        assert 0 <= row["high_quality"] <= 1
        assert 0 <= row["wasserstein"] < 10
    for row in rows["digits"]:
        assert row["frechet_distance"] > 0
        assert 0 <= row["precision"] <= 1
        assert 0 <= row["recall"] <= 1


def test_unknown_results_are_refused():
    with pytest.raises(FileNotFoundError, match="There are no results 'latent_codes'"):
        load("latent_codes")


# --- the script --------------------------------------------------------------------------------


def test_the_script_fills_and_verifies_a_file(script, tmp_path, capsys):
    path = tmp_path / "objectives.json"
    arguments = ["--only", "ring", "--seed", "1", "--name", "LSGAN"]
    assert script.main(arguments, path) == 0
    first = path.read_text()
    (row,) = json.loads(first)["ring"]
    assert (row["name"], row["seed"], row["updates"]) == ("LSGAN", 1, 20)
    assert math.isfinite(row["wasserstein"])
    assert script.main(arguments, path) == 0
    assert path.read_text() == first, "a run that is there is not made again"
    assert script.main([*arguments, "--verify"], path) == 0
    assert "the same numbers" in capsys.readouterr().out
    tables = json.loads(first)
    tables["ring"][0]["wasserstein"] += 0.01
    path.write_text(json.dumps(tables))
    assert script.main([*arguments, "--verify"], path) == 1
    assert "OTHER NUMBERS" in capsys.readouterr().out


def test_a_run_with_other_settings_is_made_again(script, tmp_path, monkeypatch):
    path = tmp_path / "objectives.json"
    arguments = ["--only", "ring", "--seed", "0", "--name", "GAN"]
    script.main(arguments, path)
    monkeypatch.setitem(gallery.RING, "learning_rate", 1e-4)
    script.main(arguments, path)
    (row,) = json.loads(path.read_text())["ring"]
    assert row["settings"]["learning_rate"] == 1e-4
