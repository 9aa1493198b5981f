"""The part's long runs: how they are made, and that the stored ones belong to this package."""

import json
from dataclasses import replace

import pytest
import torch

from gan_lessons.comparisons import translation
from gan_lessons.data import Pairs, TensorData, TwoDomains
from gan_lessons.evaluation import translations
from gan_lessons.figures import to_uint8
from gan_lessons.page import spread
from gan_lessons.results import load, making
from gan_lessons.translation import cyclegan, pix2pix
from tests.helpers import load_script

VARIANTS = [(c, v) for c, found in translation.COMPARISONS.items() for v in found.variants]
variants = pytest.mark.parametrize(("chapter", "variant"), VARIANTS)
photographs = pytest.mark.parametrize("name", translation.PHOTOGRAPHS)


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
    real, kept = translation.PHOTOGRAPHS[name], {}
    data = (Pairs if real.module is pix2pix else TwoDomains)(photos(), photos())
    small = replace(real.module.PRESETS["smoke"], steps=1)
    look = lambda *inputs: kept.setdefault("seen", real.look(*inputs))  # noqa: E731
    fake = replace(real, data=lambda split: data, config=small, look=look)
    monkeypatch.setattr(translation, "PHOTOGRAPHS", {name: fake})
    monkeypatch.setattr(
        translations, "told_apart", lambda *pictures, **options: 0.5
    )  # takes minutes
    monkeypatch.setattr(making, "source_hash", lambda *parts: "")  # of what only this test has
    path = tmp_path / "translation.json"
    assert script.main(["--only", "photographs"], path) == 0
    (row,) = json.loads(path.read_text())["photographs"]
    monkeypatch.setattr(translation.results, "load", lambda which: json.loads(path.read_text()))
    monkeypatch.setattr(translation, "files", lambda package: tmp_path)
    pictures, numbers = kept["seen"]
    assert row["numbers"] == numbers
    again = translation.pictures(name)
    assert list(again) == list(pictures) == row["kinds"]
    for kind, images in pictures.items():
        assert again[kind].shape == images.shape == (translation.SHOWN, 3, 64, 64)
        flat = torch.from_numpy(to_uint8(images)).permute(0, 3, 1, 2).float()
        means = again[kind].float().mean((2, 3)), flat.mean((2, 3))  # the file is compressed
        torch.testing.assert_close(*means, atol=3.0, rtol=0)


# --- the files ---------------------------------------------------------------------------------


def test_the_file_is_what_today_s_code_would_make(monkeypatch, script):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    assert making.out_of_date(script.makers(), script.FILE) == []


@variants
def test_every_run_is_there_to_its_end(chapter, variant):
    rows = [row for row in load("translation")[chapter] if row["name"] == variant]
    assert sorted(row["seed"] for row in rows) == list(translation.SEEDS)
    assert all(row["updates"] == row["settings"]["steps"] for row in rows)


@photographs
def test_the_file_has_the_photographs(name):
    row = translation.photographs(name)
    assert row["updates"] == row["settings"]["steps"]
    for images in translation.pictures(name).values():
        assert images.shape == (translation.SHOWN, 3, 64, 64)
        assert images.float().flatten(1).std(1).min() > 5, "an empty picture"


@pytest.mark.parametrize("chapter", translation.COMPARISONS)
def test_tables(chapter):
    table = translation.table(chapter)
    assert set(translation.COMPARISONS[chapter].variants) < set(table.rows), "baselines, too"
    for variant in translation.COMPARISONS[chapter].variants:
        assert all("[" in text for text in table.rows[variant].values())
        for key, values in translation.numbers(chapter, variant).items():
            assert len(values) == len(translation.SEEDS)
            assert table.rows[variant][key] == spread(values)
    one = translation.table(chapter, list(table.rows[variant])[:1])
    assert {len(row) for row in one.rows.values()} <= {0, 1}


def test_unknown_names():
    with pytest.raises(ValueError, match="choose pix2pix or cyclegan"):
        translation.table("discogan")
    with pytest.raises(ValueError, match="choose pix2pix or cyclegan"):
        translation.baselines("discogan")
    with pytest.raises(ValueError, match="choose from with the cycle, without"):
        translation.numbers("cyclegan", "forward only")
    with pytest.raises(ValueError, match="no column 'FID': choose from L1, G"):
        translation.table("cyclegan", ["FID"])
    with pytest.raises(ValueError, match="choose facades or apple2orange"):
        translation.pictures("horses")


def test_all_variants_of_a_chapter_have_the_same_budget(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    for chapter, comparison in translation.COMPARISONS.items():
        budgets = {
            (c.steps, c.batch_size, c.learning_rate, c.average_decay)
            for c in (translation.config(chapter, v) for v in comparison.variants)
        }
        assert len(budgets) == 1


def test_variants_differ_in_one_weight_each():
    assert translation.config("pix2pix", "L1 and adversarial") == pix2pix.PRESETS["smoke"]
    assert translation.config("pix2pix", "L1 alone").adversarial_weight == 0
    assert translation.config("pix2pix", "adversarial alone").l1_weight == 0
    assert translation.config("cyclegan", "with the cycle") == cyclegan.PRESETS["smoke"]
    assert translation.config("cyclegan", "without").cycle_weight == 0
