"""How good translations are: where pairs are known, where the map is known, where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gan_lessons.data import (
    Pairs,
    TensorData,
    digits_in_two_colours,
    to_first,
    to_second,
    toy_facades,
)
from gan_lessons.evaluation import translations
from gan_lessons.evaluation.translations import translate
from gan_lessons.translation import cyclegan, pix2pix
from tests.helpers import same, two_domains
from tests.mutants import mutants, survivors

SHAPE = (3, 32, 32)


def trained(module, data):
    config = replace(module.PRESETS["smoke"], steps=3, batch_size=4, average_decay=0.5)
    return module.train(config, data, device="cpu", progress=False, snapshots=0)


@pytest.fixture(scope="module")
def painter():
    """A pix2pix that has learned nothing."""
    return trained(pix2pix, toy_facades(40))


@pytest.fixture(scope="module")
def translator():
    """A CycleGAN that has learned nothing."""
    return trained(cyclegan, two_domains(shape=SHAPE))


@pytest.fixture
def replaced(translator, monkeypatch):
    """The same with other translators."""

    def replaced(there, back):
        monkeypatch.setattr(translator.averaged.generator_xy, "forward", there)
        monkeypatch.setattr(translator.averaged.generator_yx, "forward", back)
        return translator

    return replaced


# --- translate ---------------------------------------------------------------------------------


def test_translations_come_from_averaged_weights_and_from_a_seed(painter):
    x = toy_facades(6, split="test").inputs.floats()
    first = translate(painter, x)
    assert first.shape == (6, *SHAPE)
    assert same(first, translate(painter, x))
    assert not same(first, translate(painter, x, seed=1)), "dropout is the noise"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = torch.cat([painter.averaged.sample(x=part) for part in x.split(4)])
    torch.testing.assert_close(translate(painter, x, chunk=4), expected)


def test_both_ways_of_a_cyclegan(translator):
    x, y = two_domains(shape=SHAPE).batch(7)
    averaged = translator.averaged
    torch.testing.assert_close(translate(translator, x, chunk=3), averaged.sample(x=x))
    torch.testing.assert_close(translate(translator, y, back=True), averaged.sample(y=y))
    assert not same(averaged.sample(x=x), translator.model.sample(x=x)), "not the last weights"


def test_a_model_with_one_way_has_no_way_back(painter):
    with pytest.raises(TypeError, match="y"):
        translate(painter, torch.zeros(2, *SHAPE), back=True)


# --- pairs are known ---------------------------------------------------------------------------


def test_the_numbers_of_known_pictures():
    data = toy_facades(24)
    x, y = data.inputs.floats(), data.targets.floats()
    found = translations.compare_with_targets(y, x, y, looks=1)
    assert found == {"L1": 0, "sharpness": 1, "told apart": 0.5}
    shifted = translations.compare_with_targets((y + 0.25).clamp(-1, 1), x, y, looks=1)
    assert 0.2 < shifted["L1"] <= 0.25
    half = translations.compare_with_targets(y / 2, x, y, looks=1)
    assert half["sharpness"] == pytest.approx(0.5, abs=1e-5)


def test_a_picture_of_another_input_is_told_apart_by_its_input():
    """Each is a perfect picture: as a set, they are the true ones."""
    signs = torch.randint(2, (100, 1, 1, 1)) * 2.0 - 1
    x = signs * torch.linspace(0.1, 1, 28).expand(1, 28, 28)
    found = translations.compare_with_targets(x, x, -x, looks=25)
    assert found["told apart"] == 1
    assert found["sharpness"] == 1


def test_measure_compares_with_held_out_targets(painter):
    test = toy_facades(20, split="test")
    x, y = test.inputs.floats(), test.targets.floats()
    found = translations.measure_with_targets(painter, test, looks=1)
    assert list(found) == ["L1", "sharpness", "told apart", "noise"]
    pictures, again = translate(painter, x), translate(painter, x, seed=1)
    assert found["L1"] == pytest.approx((pictures - y).abs().mean().item(), rel=1e-5)
    assert found["noise"] == pytest.approx((again - pictures).abs().mean().item(), rel=1e-5)
    assert found["noise"] > 0


def test_what_needs_no_learning_where_pairs_are_known():
    train, test = toy_facades(30), toy_facades(20, split="test")
    found = translations.baselines_with_targets(train, test, looks=1)
    x, y = test.inputs.floats(), test.targets.floats()
    mean = train.targets.floats().mean(0)
    assert found["copy the input"]["L1"] == pytest.approx((x - y).abs().mean().item(), rel=1e-5)
    assert found["mean image"]["L1"] == pytest.approx((mean - y).abs().mean().item(), rel=1e-5)
    assert found["truth"]["L1"] == 0


def test_the_nearest_pair_is_that_of_the_nearest_input():
    train = toy_facades(30)
    known = translations.baselines_with_targets(train, train, looks=1)["nearest training pair"]
    assert (known["L1"], known["sharpness"]) == (0, 1), "the nearest input is the input itself"
    strangers = Pairs(TensorData(255 - train.inputs.values), train.targets)
    found = translations.baselines_with_targets(strangers, train, looks=1)
    assert found["nearest training pair"]["L1"] > 0.1


# --- the map is known --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def colours():
    return digits_in_two_colours(), digits_in_two_colours("test")


def test_what_needs_no_learning_where_the_map_is_known(colours):
    train, test = colours
    rows = translations.baselines_with_map(train, test, 60)
    truth, copy, mean = (rows[k] for k in ("true map", "copy of the input", "mean image"))
    for way in "GF":
        assert truth[f"L1, {way}"] == 0
        assert copy[f"L1, {way}"] > 0.8
        assert 0 < mean[f"L1, {way}"] < copy[f"L1, {way}"]
        assert truth[f"kept, {way}"] > 0.8
        assert max(copy[f"kept, {way}"], mean[f"kept, {way}"]) < 0.4
    assert truth["cycle error"] == copy["cycle error"] == 0
    x, y = test.first.floats(slice(60)), test.second.floats(slice(60))
    mean_x, mean_y = (d.floats(slice(5000)).mean(0) for d in (train.first, train.second))
    expected = [(mean_x - x).abs().mean().item(), (mean_y - y).abs().mean().item()]
    assert mean["cycle error"] == pytest.approx(np.mean(expected), rel=1e-4)
    expected = (mean_y - to_second(x)).abs().mean().item()
    assert mean["L1, G"] == pytest.approx(expected, rel=1e-4)


def test_a_perfect_translator_reaches_the_true_map(colours, replaced):
    result = translations.measure_with_map(replaced(to_second, to_first), colours[1], 40)
    truth = translations.baselines_with_map(*colours, 40)["true map"]
    for name in ("L1, G", "L1, F", "kept, G", "kept, F"):
        assert result[name] == pytest.approx(truth[name], abs=1e-6)
    assert result["cycle error"] < 0.005
    assert result["ratio"] == pytest.approx(result["with noise"] / result["cycle error"])


@pytest.mark.parametrize("good", ["G", "F"])
def test_both_directions_are_told_apart(good, colours, replaced):
    """One translates, the other does nothing."""
    ways = {"G": to_second, "F": to_first}
    there, back = (ways[way] if way == good else lambda v: v for way in "GF")
    result = translations.measure_with_map(replaced(there, back), colours[1], 40)
    (bad,) = {"G", "F"} - {good}
    assert result[f"L1, {good}"] == 0
    assert result[f"L1, {bad}"] > 0.8
    assert result[f"kept, {good}"] > 0.8 > result[f"kept, {bad}"]


# --- nothing is known --------------------------------------------------------------------------


def test_the_cycle_error_is_half_of_the_cycle_loss():
    parts = torch.randn(4, 5, *SHAPE, dtype=torch.float64)
    x, x_again, y, y_again = parts
    half = cyclegan.cycle_loss(x, x_again, y, y_again) / 2
    assert translations.cycle_error(x, y, x_again, y_again) == pytest.approx(half.item())


@pytest.mark.parametrize("gain", [1.0, 50.0])
def test_noise_between_the_translations(replaced, gain):
    """F that amplifies what G has made small has a hidden channel, and noise jams it."""
    way = replaced(lambda v: v / gain, lambda v: v * gain)
    x, y = two_domains(shape=SHAPE).batch(30)
    result = translations.round_trips(way, x, y, noise=0.02)
    assert result["cycle error"] < 1e-6
    mean_of_noise = 0.02 * np.sqrt(2 / np.pi)
    expected = mean_of_noise * (gain + 1 / gain) / 2
    assert result["with noise"] == pytest.approx(expected, rel=0.02)
    assert translations.round_trips(way, x, y, noise=0.0)["with noise"] == result["cycle error"]
    assert translations.round_trips(way, x, y, noise=0.02) == result, "the same noise every time"


def test_a_square_through_a_line(replaced, monkeypatch):
    """Points that lose a coordinate cannot come back: a quarter of one way, an eighth of both."""
    way = replaced(lambda v: v * torch.tensor([1.0, 0.0]), lambda v: v)
    monkeypatch.setattr(way.averaged, "config", replace(way.config, shape=(2,)))
    square = torch.cartesian_prod(*[torch.linspace(-1, 1, 41)[:-1] + 1 / 40] * 2)
    line = square * torch.tensor([1.0, 0.0])
    found = translations.round_trips(way, square, line, noise=0.0)
    assert found["cycle error"] == pytest.approx(1 / 8, rel=1e-4)
    assert found["ratio"] == 1


def test_without_any_error_the_ratio_is_infinite(replaced):
    way = replaced(lambda v: v, lambda v: v)
    assert translations.round_trips(way, *two_domains(shape=SHAPE).batch(3))["ratio"] == np.inf


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "evaluation.translations",
    (
        "the way back is the way there",
        '"y" if back else "x"',
        '"x"',
        "test_both_ways_of_a_cyclegan",
    ),
    (
        "both samples for the noise have one seed",
        "translate(run, x, seed=1)",
        "translate(run, x)",
        "test_measure_compares_with_held_out_targets",
    ),
    (
        "whether pictures are told apart is asked without their input",
        "told_apart(fake, targets, inputs, steps=looks)",
        "told_apart(fake, targets, torch.zeros_like(inputs), steps=looks)",
        "test_a_picture_of_another_input_is_told_apart_by_its_input",
    ),
    (
        "the mean image is that of the test pictures",
        "targets.mean(0).expand_as(y)",
        "y.mean(0).expand_as(y)",
        "test_what_needs_no_learning_where_pairs_are_known",
    ),
    (
        "the nearest target is looked for, and not the nearest input",
        "nearest_neighbours(x, train.inputs.floats())",
        "nearest_neighbours(y, train.targets.floats())",
        "test_the_nearest_pair_is_that_of_the_nearest_input",
    ),
    (
        "the truth for F is made from a fake",
        "_difference(fake_x, to_first(y))",
        "_difference(fake_x, to_first(fake_y))",
        "test_both_directions_are_told_apart",
    ),
    (
        "labels of the other domain",
        'to_grey(fake_x, "first"), labels_y)',
        'to_grey(fake_x, "first"), labels_x)',
        "test_both_directions_are_told_apart",
    ),
    (
        "the mean image stands in for the wrong domain",
        "((mean_x, mean_y), (mean_x, mean_y))",
        "((mean_y, mean_x), (mean_x, mean_y))",
        "test_what_needs_no_learning_where_the_map_is_known",
    ),
    (
        "no noise between the translations",
        "fake + noise * torch.randn_like(fake)",
        "fake + 0 * noise * torch.randn_like(fake)",
        "test_noise_between_the_translations",
    ),
    (
        "the noise is added to what goes in, where no hidden channel is",
        "return cycle_error(x, y, translate(run, fake_y, back=True), translate(run, fake_x))\n\n"
        "    before, after = error(*fakes), error(*disturbed)",
        "return cycle_error(x, y, translate(run, fake_y, back=True), translate(run, fake_x))\n\n"
        "    noisy = (v + noise * torch.randn_like(v) for v in (x, y))\n"
        "    disturbed = [translate(run, v, back=b) for v, b in zip(noisy, (False, True))]\n"
        "    before, after = error(*fakes), error(*disturbed)",
        "test_noise_between_the_translations",
    ),
    (
        "only one of the two round trips is looked at",
        "(_difference(x_again, x) + _difference(y_again, y)).item() / 2",
        "_difference(x_again, x).item()",
        "test_a_square_through_a_line",
    ),
    (
        "a difference is squared",
        "(a - b).abs().mean()",
        "(a - b).square().mean()",
        "test_the_cycle_error_is_half_of_the_cycle_loss",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
