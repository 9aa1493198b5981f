"""PixelDA between its floor and its ceiling: equal budgets, honest accuracy, the stored file."""

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.comparisons import pixelda
from gan_lessons.data import Adaptation, TensorData
from gan_lessons.evaluation.domains import accuracy, adapted
from gan_lessons.results import load
from gan_lessons.training import fit
from gan_lessons.translation.pixelda import PixelDA
from tests.helpers import adaptation, images, load_script, same
from tests.mutants import mutants, survivors

SMALL = replace(pixelda.config(), steps=40)
DATA, TEST = adaptation(60), adaptation(30)


class Brightness(nn.Module):
    """Class 1 for bright images, and 0 for dark ones."""

    def forward(self, x):
        bright = x.flatten(1).mean(1)
        return torch.stack([-bright, bright], dim=1)


def black_and_white(*labels):
    values = torch.tensor([0, 0, 255, 255], dtype=torch.uint8).view(4, 1, 1, 1)
    return TensorData(values.expand(4, 1, 28, 28).contiguous(), torch.tensor(labels))


# --- accuracy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "share"), [((0, 0, 1, 1), 1), ((0, 1, 1, 1), 0.75), ((1, 1, 0, 0), 0)]
)
def test_accuracy_is_a_share_whatever_the_chunks(labels, share):
    data = black_and_white(*labels)
    assert accuracy(Brightness(), data) == accuracy(Brightness(), data, n=3) == share


def test_accuracy_needs_labels_and_leaves_the_mode_alone():
    with pytest.raises(ValueError, match="no labels to compare with"):
        accuracy(Brightness(), replace(black_and_white(0, 0, 1, 1), labels=None))
    noisy = nn.Sequential(nn.Dropout(1.0), Brightness())
    assert accuracy(noisy, black_and_white(0, 0, 1, 1)) == 1, "no dropout"
    assert noisy.training


def test_adapted_images_are_those_of_the_source_in_order_and_keep_their_labels():
    run = fit(PixelDA, replace(SMALL, steps=1), DATA, device="cpu", progress=False, snapshots=0)
    found = adapted(run, TEST.source)
    assert same(found.labels, TEST.source.labels)
    assert found.shape == TEST.source.shape
    assert found.name == "dark images, adapted"
    again = run.sample(len(TEST.source), x=TEST.source.floats(), seed=0)
    assert (found.floats() - again).abs().max() <= 0.5 / 127.5 + 1e-6


# --- three ways --------------------------------------------------------------------------------


def test_all_ways_have_the_same_reader_batches_and_updates():
    runs = [pixelda.play(way, SMALL, DATA, TEST) for way in pixelda.WAYS]
    shapes = [[p.shape for p in run.model.classifier.parameters()] for run in runs]
    assert shapes[0] == shapes[1] == shapes[2]
    assert {run.steps for run in runs} == {SMALL.steps}
    rates = {
        (group["lr"], group["betas"])
        for run in runs
        for name in run.model.optimizers
        for group in getattr(run.model, name).param_groups
    }
    assert rates == {(SMALL.learning_rate, SMALL.betas)}


@pytest.mark.parametrize(("way", "side"), [(pixelda.FLOOR, "source"), (pixelda.CEILING, "target")])
def test_floor_and_ceiling_learn_from_one_domain_only(way, side):
    """Whatever stands on the other side."""
    white = replace(images(60), values=torch.full((60, 1, 32, 32), 255, dtype=torch.uint8))
    other = {"source": "target", "target": "source"}[side]
    changed = Adaptation(**{side: getattr(DATA, side), other: white})
    one, two = (pixelda.play(way, SMALL, data, TEST) for data in (DATA, changed))
    np.testing.assert_array_equal(one.history["task_loss"], two.history["task_loss"])


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="There is no way 'by magic'; choose one of source only"):
        pixelda.play("by magic", SMALL, DATA, TEST)


def test_the_number_is_the_mean_of_the_last_looks_and_not_the_best_one():
    run = pixelda.play("PixelDA", replace(SMALL, steps=1), DATA, TEST)
    last = [0.5, 0.6, 0.4, 0.7, 0.8]
    run.monitored = {"step": list(range(7)), "target": [0.1, 0.9, *last]}
    found = pixelda.measure(run, TEST)
    assert found["target"] == pytest.approx(fmean(last))
    assert found["spread"] == pytest.approx(0.4)


def test_every_look_is_at_the_test_images_of_the_target(monkeypatch):
    seen = []
    monkeypatch.setattr(pixelda, "accuracy", lambda network, data: seen.append(data) or 0.5)
    pixelda.play("PixelDA", replace(SMALL, steps=pixelda.LOOKS), DATA, TEST)
    assert len(seen) == pixelda.LOOKS
    assert all(data is TEST.target for data in seen)


def test_what_is_measured_is_read_on_the_test_images_of_the_target():
    run = pixelda.play("PixelDA", SMALL, DATA, TEST)
    found = pixelda.measure(run, TEST)
    curve = found["curve"]
    assert len(curve) == len(found["steps"]) == pixelda.LOOKS
    assert found["steps"][-1] == SMALL.steps
    assert curve[-1] == accuracy(run.model.classifier, TEST.target)
    assert found["average"] == accuracy(run.averaged.classifier, TEST.target)
    assert found["source"] == accuracy(run.averaged.classifier, TEST.source)


# --- the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", pixelda.DOMAINS)
def test_the_file_has_every_run_once(name):
    rows = load("pixelda")[name]
    found = sorted((row["name"], row["seed"]) for row in rows)
    assert found == sorted((way, seed) for way in pixelda.WAYS for seed in pixelda.SEEDS)
    assert len({row["updates"] for row in rows}) == 1


@pytest.mark.parametrize("name", pixelda.DOMAINS)
def test_the_order_of_the_three_ways(name):
    rows = load("pixelda")[name]
    by_way = {way: [r["average"] for r in rows if r["name"] == way] for way in pixelda.WAYS}
    floor, ours, ceiling = (by_way[way] for way in pixelda.WAYS)
    assert max(floor) < min(ours)
    assert max(ours) < min(ceiling)


def test_the_script_needs_the_real_domains(monkeypatch):
    script = load_script("pixelda_results")
    for name in pixelda.DOMAINS:
        data = script.domains(name, "test")
        assert data.target.labels is not None, "under the smoke budget anything will do"
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    script.domains.cache_clear()
    stand_in = adaptation()
    monkeypatch.setattr(script.pixelda, "DOMAINS", {"MNIST to USPS": lambda split: stand_in})
    with pytest.raises(SystemExit, match="about USPS, but only bright images"):
        script.domains("MNIST to USPS", "test")


MUTANTS = [
    *mutants(
        "evaluation.domains",
        (
            "PixelDA: accuracy in training mode",
            "with evaluating(classifier):",
            "if True:",
            "test_accuracy_needs_labels_and_leaves_the_mode_alone",
        ),
    ),
    *mutants(
        "comparisons.pixelda",
        (
            "PixelDA: accuracy on the source for that on the target",
            'return {"target": accuracy(run.model.classifier, test.target)}',
            'return {"target": accuracy(run.model.classifier, test.source)}',
            "test_what_is_measured_is_read_on_the_test_images_of_the_target",
        ),
        (
            "PixelDA: accuracy on the images that it was trained with",
            'return {"target": accuracy(run.model.classifier, test.target)}',
            'return {"target": accuracy(run.model.classifier, data.target)}',
            "test_every_look_is_at_the_test_images_of_the_target",
        ),
        (
            "PixelDA: the best look for the mean of the last ones",
            '"target": fmean(last),',
            '"target": max(run.monitored["target"]),',
            "test_the_number_is_the_mean_of_the_last_looks_and_not_the_best_one",
        ),
        (
            "PixelDA: the floor learns from the target",
            "FLOOR: (Reader, data.source)",
            "FLOOR: (Reader, data.target)",
            "test_floor_and_ceiling_learn_from_one_domain_only",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
