"""All translators on two tasks: told what they are said to be told, and the file is complete."""

from dataclasses import fields

import pytest
import torch

from gan_lessons.comparisons import maps
from gan_lessons.data import Pairs, to_second
from gan_lessons.data.hues import nearest_hue, tinted
from gan_lessons.evaluation.translations import translate
from gan_lessons.figures import to_uint8
from gan_lessons.results import load
from tests.helpers import same

names = pytest.mark.parametrize("name", maps.ENTRIES)
tasks = pytest.mark.parametrize("task", maps.TASKS)


@pytest.fixture
def cpu(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")


@pytest.fixture(scope="module", params=maps.TASKS)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def test(task):
    return maps.data(task, "test")


@names
def test_all_have_the_same_updates(cpu, name):
    config = maps.config(name)
    assert config.steps == maps.UPDATES
    assert config.learning_rate == maps.ENTRIES[name].rate
    preset = maps.ENTRIES[name].module.PRESETS["cpu"]
    changed = {f.name for f in fields(config) if getattr(config, f.name) != getattr(preset, f.name)}
    assert changed <= {"learning_rate", "steps"}


@names
def test_a_translator_is_told_what_it_takes(name):
    entry = maps.ENTRIES[name]
    assert (Pairs in entry.model.takes) == (entry.told == maps.PAIRS)
    assert getattr(entry.model, "needs_labels", False) == (entry.told == maps.LABELS)


def test_pairs_belong_together(task, test):
    x, y = (part.floats(slice(30)) for part in (test[maps.PAIRS].inputs, test[maps.PAIRS].targets))
    right = to_second(x) if task == "one answer" else tinted(x[:, :1], nearest_hue(y))
    torch.testing.assert_close(y, right, atol=0.02, rtol=0)


def test_no_digit_is_in_both_piles(task, test):
    """Seen by their amount of ink, which no colour changes."""
    first, second = test[maps.PILES].first.floats(), test[maps.PILES].second.floats()
    assert test[maps.LABELS].source is test[maps.PILES].first
    if task == "one answer":
        back = to_second(first)
        assert not {hash(row.numpy().tobytes()) for row in back} & {
            hash(row.numpy().tobytes()) for row in second
        }
    else:
        inks = [part.amax(1).flatten(1) for part in (first, second)]
        assert torch.cdist(*inks).min() > 0.1


def test_right_translations_have_no_error_and_copies_have_one(task, test):
    rows = maps.baselines(task, test, test)
    if task == "one answer":
        assert rows["true map"]["L1"] == 0
        assert rows["true map"]["kept"] > 0.8
        assert rows["copy of the input"]["L1"] > 0.3
    else:
        assert rows["right answers"]["hues hit"] == 4
        assert rows["always one hue"]["diversity"] == 0
    assert {key for row in rows.values() for key in row} == set(maps.SHOWN_OF[task])


@names
def test_a_run_is_measured_and_pictured(task, test, name):
    run = maps.play(name, maps.config(name), test)
    assert set(maps.measure(run, task, test)) == set(maps.SHOWN_OF[task])
    rows = maps.shown(task, test)
    assert {len(row) for row in rows.values()} == {maps.SHOWN}
    assert same(rows["input"][0], rows["input"][-1]) == (task == "four answers")
    made = translate(run, rows["input"])
    again = maps.images_of(maps.strip(made))
    flat = torch.from_numpy(to_uint8(made)).permute(0, 3, 1, 2)
    assert again.shape == flat.shape
    means = again.float().mean((2, 3)), flat.float().mean((2, 3))  # it is compressed
    torch.testing.assert_close(*means, atol=6.0, rtol=0)


def test_seconds_of_every_translator():
    seconds = maps.step_seconds(maps.data("one answer", "train"))
    assert list(seconds) == list(maps.ENTRIES)
    assert all(value > 0 for value in seconds.values())


# --- the files ---------------------------------------------------------------------------------


@tasks
@names
def test_the_file_has_every_run(task, name):
    rows = [row for row in load("maps")[task] if row["name"] == name]
    assert sorted(row["seed"] for row in rows) == list(maps.SEEDS)
    assert {row["updates"] for row in rows} == {maps.UPDATES}
    rows.sort(key=lambda row: row["seed"])
    assert maps.numbers(load("maps"), task, name) == [row["numbers"] for row in rows]


@tasks
def test_the_pictures(task):
    rows = maps.pictures(load("maps"), task)
    assert list(rows) == ["input", *maps.ENTRIES, "truth"]
    for images in rows.values():
        assert images.shape == (maps.SHOWN, 3, 32, 32)
        assert images.float().flatten(1).std(1).min() > 5, "an empty picture"
