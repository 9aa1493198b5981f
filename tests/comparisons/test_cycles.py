"""Translators without pairs are compared fairly, and the file of results is complete."""

from dataclasses import fields

import pytest

from gan_lessons.comparisons import cycles
from gan_lessons.data import digits_in_two_colours
from gan_lessons.results import load
from tests.helpers import load_script

names = pytest.mark.parametrize("name", cycles.ENTRIES)


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")


@names
def test_all_have_the_same_updates_and_batches_and_the_rate_of_the_grid(cpu, name):
    config, other = cycles.config(name, 0.123), cycles.config("CycleGAN")
    assert config.learning_rate == 0.123
    assert config.steps == other.steps == cycles.UPDATES
    assert config.batch_size == other.batch_size


@names
def test_only_updates_and_rate_differ_from_the_preset(cpu, name):
    module, _ = cycles.ENTRIES[name]
    config, preset = cycles.config(name, 0.123), module.PRESETS["cpu"]
    changed = {f.name for f in fields(config) if getattr(config, f.name) != getattr(preset, f.name)}
    assert changed <= {"learning_rate", "steps"}


def test_a_run_is_measured_in_both_directions():
    name = "DualGAN"
    run = cycles.play(name, cycles.config(name), digits_in_two_colours())
    assert type(run.model).__name__ == "DualGAN"
    numbers = cycles.measure(run, digits_in_two_colours("test"))
    assert set(numbers) == set(cycles.SHOWN)
    assert 0 < numbers["L1"] < 2
    assert 0 <= numbers["kept"] <= 1


def test_seconds_of_every_model():
    seconds = cycles.step_seconds(digits_in_two_colours(), rounds=2)
    assert list(seconds) == list(cycles.ENTRIES)
    assert all(value > 0 for value in seconds.values())


# --- the file ----------------------------------------------------------------------------------


def rows_of(table, name, seed, rate):
    wanted = name, seed, rate
    return [
        row
        for row in load("cycles")[table]
        if (row["name"], row["seed"], row["settings"]["learning_rate"]) == wanted
    ]


@names
def test_the_file_has_every_run_once(name):
    for seed in cycles.SWEEP:
        for rate in cycles.RATES:
            assert len(rows_of("sweep", name, seed, rate)) == 1
    found = cycles.rows(load("cycles"), name)
    assert [row["seed"] for row in found] == [*cycles.SWEEP, *cycles.SEEDS]
    assert {row["updates"] for row in found} == {cycles.UPDATES}


@names
def test_the_rate_is_the_best_of_the_sweep(name):
    def error(rate):
        (row,) = rows_of("sweep", name, cycles.SWEEP[0], rate)
        return row["L1"]

    assert cycles.RATE[name] == min(cycles.RATES, key=error)


def test_no_seed_that_chose_a_rate_compares_the_models():
    assert not set(cycles.SWEEP) & set(cycles.SEEDS)


def test_the_file_has_the_seconds_of_every_model(cpu):
    (row,) = load("cycles")["time"]
    (job,) = load_script("cycles_results").time_jobs()
    assert list(row["seconds"]) == list(job.settings)
