"""BEGAN's two errors are compared fairly, and the file of results is complete."""

from dataclasses import replace

import pytest

from gan_lessons import metrics
from gan_lessons.comparisons import began as games
from gan_lessons.data import digits
from gan_lessons.objectives import began
from gan_lessons.results import load
from tests.helpers import load_script


@pytest.mark.parametrize("name", games.GAMES)
def test_games_differ_in_error_and_gamma_only(name):
    model, gamma = games.GAMES[name]
    assert model is (began.DrawingBEGAN if "ink" in name else began.BEGAN)
    assert name.endswith(f"gamma {gamma:g}")
    same = replace(games.config(name), gamma=1.0)
    assert same == games.config("the paper's error, gamma 1")


def test_what_is_measured():
    name = "error for its ink, gamma 1"
    run = games.train(name, digits("train"))
    numbers = games.measure(run, metrics.features(digits("test").floats()), n=200)
    quality = {"precision", "recall", "density", "coverage"}
    assert set(numbers) == {"frechet_distance", "classes", "ratio"} | quality
    assert numbers["ratio"] > 0


def test_the_stored_tables_are_complete():
    rows = load("began")
    assert {row["seed"] for row in rows["preset"]} == set(games.SEEDS)
    found = {(row["name"], row["seed"]) for row in rows["errors"]}
    assert found == {(name, seed) for name in games.GAMES for seed in games.SEEDS}
    assert len({row["updates"] for row in rows["errors"]}) == 1, "equal budgets"


def test_what_the_chapter_says_of_the_stored_runs():
    """The preset covers at least nine classes with every seed; the distance is below 100."""
    rows = load("began")["preset"]
    assert all(row["classes"] >= 9 for row in rows)
    assert sum(row["frechet_distance"] for row in rows) / len(rows) < 100


def test_the_errors_are_clear_of_each_other():
    rows = load("began")["errors"]
    far = {n: [r["frechet_distance"] for r in rows if r["name"] == n] for n in games.GAMES}
    paper, ink = far["the paper's error, gamma 1"], far["error for its ink, gamma 1"]
    assert max(ink) < min(paper)


def test_the_script_makes_these_tables():
    assert set(load_script("began_results").makers()) == {"preset", "errors"}
