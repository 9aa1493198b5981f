"""The part's long runs: how they are made, and that the stored ones belong to this package."""

import json

import pytest

from gan_lessons.comparisons import translation
from gan_lessons.page import spread
from gan_lessons.results import load, making
from gan_lessons.translation import cyclegan, pix2pix
from tests.helpers import load_script

VARIANTS = [(c, v) for c, found in translation.COMPARISONS.items() for v in found.variants]
variants = pytest.mark.parametrize(("chapter", "variant"), VARIANTS)


@pytest.fixture(scope="module")
def script():
    return load_script("translation_results")


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


# --- the files ---------------------------------------------------------------------------------


def test_the_file_is_what_today_s_code_would_make(monkeypatch, script):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    assert making.out_of_date(script.makers(), script.FILE) == []


@variants
def test_every_run_is_there_to_its_end(chapter, variant):
    rows = [row for row in load("translation")[chapter] if row["name"] == variant]
    assert sorted(row["seed"] for row in rows) == list(translation.SEEDS)
    assert all(row["updates"] == row["settings"]["steps"] for row in rows)


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
