"""The part's long runs: how they are made, and that the stored ones belong to this package."""

import json
from dataclasses import replace

import pytest
import torch

from gan_lessons.data import Pairs, TensorData, TwoDomains
from gan_lessons.figures import to_uint8
from gan_lessons.results import load
from gan_lessons.translation import cyclegan, measured, pix2pix
from tests.helpers import load_script

VARIANTS = [(c, v) for c, found in measured.COMPARISONS.items() for v in found.variants]
variants = pytest.mark.parametrize(("chapter", "variant"), VARIANTS)
photographs = pytest.mark.parametrize("name", measured.PHOTOGRAPHS)


@pytest.fixture(scope="module")
def script():
    return load_script("translation_results")


def photos(n=20, side=64):
    values = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8)
    return TensorData(values, None, "noise")


# --- the script --------------------------------------------------------------------------------


def test_the_script_fills_and_verifies_a_file(script, tmp_path, capsys):
    path = tmp_path / "translation.json"
    arguments = ["--only", "cyclegan", "--seed", "1", "--name", "without"]
    assert script.main(arguments, path) == 0
    (row,) = json.loads(path.read_text())["cyclegan"]
    assert (row["name"], row["seed"], row["settings"]["cycle_weight"]) == ("without", 1, 0)
    assert row["updates"] == row["settings"]["steps"]
    assert {"L1, G", "kept, G", "cycle error"} <= set(row["numbers"])
    assert script.main([*arguments, "--verify"], path) == 0
    assert "the same numbers" in capsys.readouterr().out


@photographs
def test_the_script_makes_a_sheet_that_pictures_reads(script, tmp_path, monkeypatch, name):
    """With noise for photographs: rows and columns come back as they went in."""
    real, kept = measured.PHOTOGRAPHS[name], {}
    data = (Pairs if real.module is pix2pix else TwoDomains)(photos(), photos())
    small = replace(real.module.PRESETS["smoke"], steps=1)
    look = lambda *inputs: kept.setdefault("seen", real.look(*inputs))  # noqa: E731
    fake = replace(real, data=lambda split: data, config=small, look=look)
    monkeypatch.setattr(measured, "PHOTOGRAPHS", {name: fake})
    monkeypatch.setattr(pix2pix, "told_apart", lambda *pictures, **options: 0.5)  # takes minutes
    path = tmp_path / "translation.json"
    assert script.main(["--only", "photographs"], path) == 0
    (row,) = json.loads(path.read_text())["photographs"]
    monkeypatch.setattr(measured.results, "load", lambda which: json.loads(path.read_text()))
    monkeypatch.setattr(measured, "files", lambda package: tmp_path)
    pictures, numbers = kept["seen"]
    assert row["numbers"] == numbers
    again = measured.pictures(name)
    assert list(again) == list(pictures) == row["kinds"]
    for kind, images in pictures.items():
        assert again[kind].shape == images.shape == (measured.SHOWN, 3, 64, 64)
        flat = torch.from_numpy(to_uint8(images)).permute(0, 3, 1, 2).float()
        means = again[kind].float().mean((2, 3)), flat.mean((2, 3))  # the file is compressed
        torch.testing.assert_close(*means, atol=3.0, rtol=0)


# --- the files ---------------------------------------------------------------------------------


@variants
@pytest.mark.parametrize("seed", measured.SEEDS)
def test_the_file_has_every_run(monkeypatch, script, chapter, variant, seed):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    rows = load("translation")[chapter]
    (row,) = [r for r in rows if (r["name"], r["seed"]) == (variant, seed)]
    config = measured.config(chapter, variant)
    assert row["settings"] == script.plain(config), "make it again"
    assert row["updates"] == config.steps


@photographs
def test_the_file_has_the_photographs(script, name):
    row = measured.photographs(name)
    assert row["settings"] == script.plain(measured.PHOTOGRAPHS[name].config), "make it again"
    assert row["updates"] == row["settings"]["steps"]
    for images in measured.pictures(name).values():
        assert images.shape == (measured.SHOWN, 3, 64, 64)
        assert images.float().flatten(1).std(1).min() > 5, "an empty picture"


@pytest.mark.parametrize("chapter", measured.COMPARISONS)
def test_tables(chapter):
    table = measured.table(chapter)
    assert set(measured.COMPARISONS[chapter].variants) < set(table.rows), "baselines, too"
    for variant in measured.COMPARISONS[chapter].variants:
        assert all(" to " in text for text in table.rows[variant].values())


def test_unknown_names():
    with pytest.raises(ValueError, match="choose pix2pix or cyclegan"):
        measured.table("discogan")
    with pytest.raises(ValueError, match="choose facades or apple2orange"):
        measured.pictures("horses")


def test_variants_differ_in_one_weight_each():
    assert measured.config("pix2pix", "L1 and adversarial") == pix2pix.PRESETS["smoke"]
    assert measured.config("pix2pix", "L1 alone").adversarial_weight == 0
    assert measured.config("pix2pix", "adversarial alone").l1_weight == 0
    assert measured.config("cyclegan", "with the cycle") == cyclegan.PRESETS["smoke"]
    assert measured.config("cyclegan", "without").cycle_weight == 0
