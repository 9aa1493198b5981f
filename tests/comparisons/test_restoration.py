"""The part's long runs: how they are made, what the stored ones say, and what the pages may say."""

import json

import pytest
import torch

from gan_lessons.comparisons import restoration
from gan_lessons.comparisons.photographs import SHOWN
from gan_lessons.data.masks import composite, masks
from gan_lessons.results import load, making
from tests.helpers import load_script

WEIGHTS = list(restoration.WEIGHTS)
weights = pytest.mark.parametrize("name", WEIGHTS)


@pytest.fixture(scope="module")
def script():
    return load_script("restoration_results")


class Painted:
    """A run that fills each hole with one number of a row of numbers."""

    def __init__(self, values):
        self.values = torch.tensor(values)[:, None, None, None]

    def sample(self, n, *, seed, x, m):
        return composite(x, self.values.expand_as(x), m)


# --- the script and what it measures -----------------------------------------------------------


def test_the_script_fills_and_verifies_a_file(monkeypatch, script, tmp_path, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    path = tmp_path / "restoration.json"
    arguments = ["--only", "weights", "--seed", "1", "--name", "game 0.01"]
    assert script.main(arguments, path) == 0
    (row,) = json.loads(path.read_text())["weights"]
    assert (row["name"], row["seed"]) == ("game 0.01", 1)
    assert row["settings"]["adversarial_weight"] == 0.01
    assert row["updates"] == row["settings"]["steps"]
    assert set(row["numbers"]) == {"centre", "blocks", "regions"}
    assert set(row["features"]) == {"trained", "untrained", "pixels"}
    assert script.main([*arguments, "--verify"], path) == 0
    assert "the same numbers" in capsys.readouterr().out


def test_squares_are_measured_by_known_fillings():
    test = restoration.squares("test")
    n, s = len(test), restoration.VALUE
    grey = restoration.measure_squares(Painted([0.0] * n), test)
    assert grey["off grey"] == 0
    assert grey["error"] == pytest.approx(1, abs=0.01)
    light = restoration.measure_squares(Painted([s] * n), test)
    assert (light["off grey"], light["light"]) == (pytest.approx(1), 1)
    assert light["error"] == pytest.approx(2, abs=0.25), "a coin: half of the squares are wrong"
    both = restoration.measure_squares(Painted([s, -s] * (n // 2)), test)
    assert both["light"] == 0.5


def test_weights_differ_in_the_game_and_the_rate_alone():
    for name, share in restoration.WEIGHTS.items():
        config = restoration.config(name)
        assert config.adversarial_weight == share
        assert config.learning_rate == restoration.RATE[name]
        same = {"adversarial_weight": 0.5, "learning_rate": 1.0}
        assert vars(config) | same == vars(restoration.config("L2 alone")) | same
    kind = restoration.config_of_kind("blocks")
    assert vars(kind) | {"masks": "centre"} == vars(restoration.config("game 0.001"))


def test_houses_are_looked_at_in_rows(monkeypatch):
    pictures = torch.randint(0, 256, (20, 3, 64, 64), dtype=torch.uint8)
    data = restoration.TensorData(pictures, None, "noise")
    shown, rows = restoration.look_at_houses({"grey": Painted([0.0])}, data, data.subset(slice(9)))
    assert list(shown) == ["with a hole", "nearest neighbour", "grey", "truth"]
    assert all(images.shape == (SHOWN, 3, 64, 64) for images in shown.values())
    m = masks("centre", SHOWN, 64)
    for images in shown.values():
        assert torch.equal(images * m, shown["truth"] * m)
    assert list(rows) == ["mean colour", "mean picture", "nearest neighbour", "truth", "grey"]
    assert rows["nearest neighbour"]["L2"] == 0, "here the test is part of the training"


def test_unknown_names():
    with pytest.raises(ValueError, match="no runs 'game 7'"):
        restoration.stored("weights", "game 7", "numbers")


# --- the file ----------------------------------------------------------------------------------


def test_the_file_is_what_today_s_code_would_make(monkeypatch, script):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    assert making.out_of_date(script.makers(), script.FILE) == []


def test_the_rates_are_those_with_the_highest_psnr_in_the_sweep():
    rows = load("restoration")["sweep"]
    for name in WEIGHTS:
        own = [row for row in rows if row["name"] == name]
        assert {row["settings"]["learning_rate"] for row in own} == set(restoration.RATES)
        best = max(own, key=lambda row: row["numbers"]["centre"]["PSNR"])
        assert best["settings"]["learning_rate"] == restoration.RATE[name], name


@weights
def test_every_run_is_there_to_its_end(name):
    rows = [row for row in load("restoration")["weights"] if row["name"] == name]
    assert sorted(row["seed"] for row in rows) == list(restoration.SEEDS)
    assert all(row["updates"] == row["settings"]["steps"] for row in rows)


def test_holes_are_filled_better_than_by_what_needs_no_training():
    """With every seed: above one colour, the mean picture, and the nearest neighbour."""
    for name in ("L2 alone", "game 0.001"):
        for over in ("mean colour", "mean picture", "nearest neighbour"):
            assert restoration.gain(name, over) > 1


def test_more_game_is_sharper_and_costs_decibels():
    def of(name, key):
        return restoration.stored("weights", name, "numbers", "centre", key)

    assert min(of("game 0.1", "sharpness")) > max(of("L2 alone", "sharpness"))
    assert max(of("game 0.1", "PSNR")) < min(of("L2 alone", "PSNR"))


def test_the_stored_pictures_are_those_of_the_stored_run():
    found = restoration.pictures()
    assert list(found) == restoration.photographs()["kinds"]
    assert all(images.shape == (SHOWN, 3, 64, 64) for images in found.values())


def test_a_thousandth_is_nearly_free_and_the_neighbour_pays_three_decibels():
    def of(name, key):
        return restoration.stored("weights", name, "numbers", "centre", key)

    assert min(of("game 0.001", "sharpness")) > max(of("L2 alone", "sharpness"))
    assert min(of("game 0.001", "read")) > max(of("L2 alone", "read"))
    assert (
        abs(
            restoration.mean("weights", "game 0.001", "numbers", "centre", "PSNR")
            - restoration.mean("weights", "L2 alone", "numbers", "centre", "PSNR")
        )
        < 0.05
    )
    assert restoration.gain("L2 alone", "nearest neighbour") == pytest.approx(3.01, abs=0.25)


def test_between_a_hundredth_and_three_hundredths_a_value_pays():
    def of(share):
        return restoration.stored("squares", f"game {share}", "numbers", "off grey")

    assert max(of(0.0) + of(0.001)) < 0.15
    assert 0.2 < min(of(0.01)) <= max(of(0.01)) < 0.5
    assert min(of(0.03) + of(0.1)) > 0.9


def test_trained_on_the_centre_other_holes_are_filled_worse_than_by_one_colour():
    for kind in ("blocks", "regions"):
        colour = restoration.baselines(kind)["mean colour"]["PSNR"]
        near = restoration.baselines(kind)["nearest neighbour"]["PSNR"]
        assert max(restoration.stored("weights", "game 0.001", "numbers", kind, "PSNR")) < colour
        for trained in ("blocks", "regions"):
            assert min(restoration.stored("kinds", trained, "numbers", kind, "PSNR")) > near + 1


def test_the_probe_reads_trained_encoders_better_than_untrained_ones():
    def of(*source):
        return restoration.stored(*source, "features", "trained")

    fresh = restoration.stored("weights", "L2 alone", "features", "untrained")
    centre = of("weights", "game 0.001")
    elsewhere = of("kinds", "blocks") + of("kinds", "regions")
    assert min(elsewhere) > max(centre) > min(centre) > max(fresh) + 0.04
    assert max(restoration.stored("weights", "L2 alone", "features", "pixels")) < min(fresh)
