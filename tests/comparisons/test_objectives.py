"""The objectives: what is compared is comparable, and the file of results is complete."""

import dataclasses
import json
import math

import pytest
import torch

from gan_lessons.comparisons import objectives
from gan_lessons.data import ring
from gan_lessons.results import load
from tests.helpers import images, load_script

COMMON = ("latent_dim", "batch_size", "steps", "betas", "average_decay")


@pytest.fixture(scope="module")
def script():
    return load_script("objectives_results")


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")


names = pytest.mark.parametrize("name", objectives.ENTRIES)


def weights(module):
    return sorted(tuple(p.shape) for p in module.parameters() if p.dim() > 1)


@names
def test_the_ring_has_one_setting(cpu, name):
    config = objectives.ring_config(name)
    wanted = objectives.ring_config("GAN")
    for field in COMMON:
        if hasattr(config, field):
            assert getattr(config, field) == getattr(wanted, field), field
    assert getattr(config, "critic_steps", 3) == 3


@names
def test_the_ring_has_the_same_networks(name):
    def build(name):
        config = dataclasses.replace(objectives.ring_config(name), shape=(2,))
        return objectives.ENTRIES[name].points(config)

    assert weights(build(name).generator) == weights(build("GAN").generator)
    if name != "BEGAN":
        assert weights(build(name).discriminator) == weights(build("GAN").discriminator)


@names
def test_the_rate_is_that_of_both_players(cpu, name):
    rate = 0.123
    for config in (objectives.ring_config(name, rate), objectives.short_config(name, rate)):
        assert config.learning_rate == rate
        assert getattr(config, "generator_learning_rate", rate) == rate


@names
def test_short_games_on_digits_have_one_setting(cpu, name):
    config = objectives.short_config(name, 1e-3)
    for field, value in objectives.DIGITS.items():
        assert getattr(config, field, value) == value, field
    assert hasattr(config, "critic_steps") == (name in ("WGAN", "WGAN-GP", "WGAN-div"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "short") for name in objectives.ENTRIES]
    + [(name, "stored") for name in objectives.DIGIT_LOSSES],
)
def test_digits_have_the_same_networks_without_batch_norm(cpu, name, kind):
    def build(name):
        config = objectives.digits_config(name)
        if kind == "short":
            config = objectives.short_config(name, 1e-3)
        return objectives.ENTRIES[name].images(config)

    model, other = build(name), build("GAN")
    assert weights(model.generator) == weights(other.generator)
    assert not [m for m in model.discriminator.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if name != "BEGAN":
        assert weights(model.discriminator) == weights(other.discriminator)


@names
def test_batch_norm_only_where_it_may_be(name):
    if objectives.ENTRIES[name].may_normalise:
        model = objectives.ENTRIES[name].images(objectives.digits_config(name, batch_norm=True))
        assert [m for m in model.discriminator.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    else:
        with pytest.raises(ValueError, match="no batch normalisation"):
            objectives.digits_config(name, batch_norm=True)


def test_watching_the_ring():
    run, seen = objectives.watch_ring("WGAN-GP", moments=4, progress=False, device="cpu")
    assert run.finished
    assert [step for step, _ in seen] == [5, 10, 15, 20]
    assert all(points.shape == (200, 2) for _, points in seen)


def test_all_players_are_watched_at_the_same_moments():
    looks = [objectives.watch_ring(n, moments=3, progress=False)[1] for n in ("GAN", "WGAN")]
    assert [s for s, _ in looks[0]] == [s for s, _ in looks[1]]


def test_a_run_that_diverges_comes_back_as_it_was(monkeypatch):
    run = objectives.train_on_ring("WGAN-GP", rate=1e30, progress=False, device="cpu")
    assert not run.finished
    assert all(p.isfinite().all() for p in run.averaged.generator.parameters())


@pytest.mark.parametrize("game", objectives.DRAGAN_GAMES)
def test_dragan_games_differ_in_the_penalty_alone(cpu, game):
    config, other = objectives.dragan_config(game), objectives.ring_config("DRAGAN")
    penalty = ("penalty_weight", "slope", "noise_scale")
    for field in dataclasses.fields(config):
        if field.name not in penalty:
            assert getattr(config, field.name) == getattr(other, field.name), field.name


def test_a_short_game_is_measured():
    config = objectives.short_config("LSGAN", 1e-3)
    run = objectives.train_on_digits("LSGAN", images(64), config, progress=False, snapshots=0)
    values = objectives.measure_game(run, torch.rand(200, 64, dtype=torch.float64), n=100)
    assert values["frechet_distance"] > 0
    assert 1 <= values["classes"] <= 10


def test_the_saturating_dcgan_descends_the_saturating_loss():
    config = dataclasses.replace(objectives.digits_config("minimax"), shape=(1, 28, 28))
    torch.manual_seed(0)
    logged = objectives.SaturatingDCGAN(config).step(images(8).batch(8))
    assert logged["generator_loss"] < 0, "a mean of -softplus"


def test_seconds_of_every_row():
    configs = {name: (name, objectives.digits_config(name)) for name in ("GAN", "WGAN-GP")}
    seconds = objectives.step_seconds(configs, images(64), rounds=3)
    assert list(seconds) == ["GAN", "WGAN-GP"]
    assert all(value > 0 for value in seconds.values())


# --- the file ----------------------------------------------------------------------------------


def rows_of(table, name, seed=None, rate=None):
    return [
        row
        for row in load("objectives")[table]
        if row["name"] == name
        and seed in (None, row["seed"])
        and rate in (None, row["settings"]["learning_rate"])
    ]


@names
def test_the_file_has_every_run_on_the_ring(name):
    for seed in objectives.RING_SEEDS:
        assert len(rows_of("ring", name, seed, objectives.RING_RATE[name])) == 1
    for seed in objectives.RING_SWEEP:
        for rate in objectives.RING_RATES:
            assert len(rows_of("ring sweep", name, seed, rate)) == 1


@names
def test_the_file_has_every_short_game(name):
    for seed in objectives.SHORT_SEEDS:
        assert len(rows_of("short games", name, seed, objectives.DIGIT_RATE[name])) == 1
    for seed in objectives.DIGIT_SWEEP:
        for rate in objectives.DIGIT_RATES:
            assert len(rows_of("digit sweep", name, seed, rate)) == 1


@pytest.mark.parametrize("name", objectives.DIGIT_LOSSES)
@pytest.mark.parametrize("seed", objectives.DIGIT_SEEDS)
def test_the_file_has_every_run_on_digits(cpu, name, seed):
    entry = objectives.ENTRIES[name]
    for batch_norm in entry.norms:
        config = objectives.digits_config(name, batch_norm)
        if entry.may_normalise and not batch_norm:
            config = dataclasses.replace(config, steps=objectives.UPDATES)
        rows = [
            row
            for row in rows_of("digits", name, seed)
            if row["settings"].get("batch_norm", False) == batch_norm
        ]
        assert {r["updates"] for r in rows} == {objectives.UPDATES, config.steps}
        assert len(rows) == len({objectives.UPDATES, config.steps}), "a row stands there twice"


def test_the_file_has_the_seconds_of_every_table_row(cpu, script):
    (row,) = load("objectives")["time"]
    (job,) = script.time_jobs()
    assert list(row["seconds"]) == list(job.settings)


@names
def test_the_rows_of_a_loss_have_every_seed_once(name):
    rows = objectives.ring_rows(load("objectives"), name)
    assert [row["seed"] for row in rows] == [*objectives.RING_SWEEP, *objectives.RING_SEEDS]
    assert {row["settings"]["learning_rate"] for row in rows} == {objectives.RING_RATE[name]}
    rows = objectives.short_rows(load("objectives"), name)
    assert [row["seed"] for row in rows] == [*objectives.DIGIT_SWEEP, *objectives.SHORT_SEEDS]
    assert {row["settings"]["learning_rate"] for row in rows} == {objectives.DIGIT_RATE[name]}


def best_rate(table, name, key, rates):
    means = {}
    for rate in rates:
        found = [row[key] for row in rows_of(table, name, rate=rate)]
        means[rate] = sum(found) / len(found)
    return min(means, key=means.get)


@names
def test_the_rate_on_the_ring_is_the_best_of_the_sweep(name):
    assert objectives.RING_RATE[name] == best_rate(
        "ring sweep", name, "wasserstein", objectives.RING_RATES
    )


@names
def test_the_rate_on_digits_is_the_best_of_the_sweep(name):
    assert objectives.DIGIT_RATE[name] == best_rate(
        "digit sweep", name, "frechet_distance", objectives.DIGIT_RATES
    )


def test_no_seed_that_chose_a_rate_compares_the_losses():
    assert not set(objectives.RING_SWEEP) & set(objectives.RING_SEEDS)
    assert not set(objectives.DIGIT_SWEEP) & set(objectives.SHORT_SEEDS)


def test_the_file_has_the_games_of_dragan():
    for name in objectives.DRAGAN_GAMES:
        assert len(rows_of("dragan", name)) == len(objectives.DRAGAN_SEEDS)


OTHER = {
    "hidden": (7,),
    "betas": (0.1, 0.2),
    "draws": 3,
    "discrete_hidden": (7,),
    "discrete_learning_rate": 0.5,
}


@pytest.mark.parametrize("name", [n for n, entry in objectives.ENTRIES.items() if entry.unused])
@pytest.mark.parametrize("place", ["points", "images"])
def test_settings_that_are_left_out_change_nothing(name, place):
    entry = objectives.ENTRIES[name]
    config, data = objectives.ring_config(name), ring()
    if place == "images":
        config, data = objectives.digits_config(name), images()
    config = dataclasses.replace(config, shape=data.shape)
    known = {field.name for field in dataclasses.fields(config)}
    others = {key: OTHER[key] for key in entry.unused if key in known}
    logged = []
    for each in (config, dataclasses.replace(config, **others)):
        torch.manual_seed(0)
        model = getattr(entry, place)(each)
        logged.append(model.step(data.batch(model.samples_per_step)))
    assert logged[0] == logged[1]


def test_the_numbers_are_possible():
    tables = load("objectives")
    for table in ("ring", "ring sweep", "dragan"):
        for row in tables[table]:
            assert 0 <= row["covered"] <= 8
            assert 0 <= row["high_quality"] <= 1
            assert row["wasserstein"] >= 0
    for row in tables["digit sweep"] + tables["short games"]:
        assert 1 <= row["classes"] <= 10
        assert row["frechet_distance"] > 0
    for row in tables["digits"]:
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
    arguments = ["--only", "ring", "--seed", "1", "--name", "GAN"]
    script.main(arguments, path)
    monkeypatch.setitem(objectives.RING, "latent_dim", 5)
    script.main(arguments, path)
    (row,) = json.loads(path.read_text())["ring"]
    assert row["settings"]["latent_dim"] == 5
