"""Can the label map be read off the house that was made from it? Defects are planted, and found."""

import pytest
import torch
from torch import nn

from gan_lessons.data import Pairs, TensorData, toy_facades
from gan_lessons.data.houses import LABELS
from gan_lessons.evaluation import faithfulness
from gan_lessons.evaluation.faithfulness import MapReader, labels_of, read_colours
from gan_lessons.evaluation.translations import translate
from gan_lessons.translation import pix2pix
from tests.helpers import same
from tests.mutants import mutants, survivors

WALL, WINDOW, DOOR, SILL = range(4)


@pytest.fixture(scope="module")
def houses():
    """Label maps and houses in [-1, 1], and the number of each pixel's label."""
    data = toy_facades(100, split="test")
    x, y = data.inputs.floats(), data.targets.floats()
    return x, y, labels_of(x)


def found(picture, inputs, reader=read_colours):
    return faithfulness.faithfulness(picture, inputs, reader)


def test_every_pixel_of_a_map_has_the_label_of_its_colour(houses):
    x, _, labels = houses
    assert list(LABELS) == ["wall", "window", "door", "sill"]
    assert set(labels.unique().tolist()) == {WALL, WINDOW, DOOR, SILL}
    colours = torch.tensor(list(LABELS.values()), dtype=torch.uint8)
    again = colours[labels].permute(0, 3, 1, 2)
    assert same(again.float() / 127.5 - 1, x)


def test_colours_of_true_houses_are_read_right(houses):
    x, y, _ = houses
    assert found(y, x)["by colour"] > 0.99
    assert 0.4 < found(y.roll(1, 0), x)["by colour"] < 0.65, "a house of another map"


def test_it_is_the_map_that_counts_and_not_the_colour_that_is_open(houses):
    """Houses of the same maps by other coins: as faithful, and far from the targets."""
    x, y, labels = houses
    dark = torch.tensor([0.10, 0.14, 0.26]) * 2 - 1
    night = torch.where((labels == WINDOW)[:, None], dark[:, None, None], y)
    numbers = faithfulness.compare_houses(night, x, y, read_colours)
    assert numbers["by colour"] > 0.99
    assert numbers["L1"] > 0.1


@pytest.mark.parametrize("label", [WINDOW, DOOR, SILL])
def test_what_is_bricked_up_is_missed(label, houses):
    """All pixels of one label in the colour of a wall: they are wrong, and no others."""
    x, y, labels = houses
    wall = torch.tensor([0.80, 0.74, 0.68]) * 2 - 1
    bricked = torch.where((labels == label)[:, None], wall[:, None, None], y)
    lost = found(y, x)["by colour"] - found(bricked, x)["by colour"]
    share = (labels == label).double().mean().item()
    assert lost == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_a_house_that_is_shifted_is_less_faithful(pixels, houses):
    x, y, _ = houses
    before, after = (found(y.roll(k, -1), x)["by colour"] for k in (pixels - 1, pixels))
    assert after < before - 0.01


def test_grey_windows_are_no_windows(houses):
    _, y, labels = houses
    grey = torch.where((labels == WINDOW)[:, None], torch.zeros(()), y)
    assert (read_colours(grey)[labels == WINDOW] == WALL).all()


def test_the_reader_s_answer_is_compared_pixel_by_pixel(houses):
    x, y, labels = houses
    wrong = labels.clone()
    wrong[:, :, :8] = (wrong[:, :, :8] + 1) % 4
    assert found(y, x, lambda pictures: labels)["map read"] == 1
    assert found(y, x, lambda pictures: wrong)["map read"] == pytest.approx(0.75)


# --- the network that reads --------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader():
    """Trained for a moment, on few houses."""
    return MapReader(toy_facades(200, seed=1), steps=60)


def test_the_network_reads_new_houses_better_than_chance(reader, houses):
    x, y, labels = houses
    numbers = found(y, x, reader)
    assert numbers["map read"] > 0.8
    assert found(y.roll(1, 0), x, reader)["map read"] < numbers["map read"] - 0.2
    assert reader(y).shape == labels.shape
    noisy = (y + 0.1 * torch.randn_like(y)).clamp(-1, 1)
    assert found(noisy, x, reader)["map read"] > numbers["map read"] - 0.1, "places, not colours"
    assert found(noisy, x, reader)["by colour"] < found(y, x)["by colour"] - 0.1


def test_same_seed_same_reader(houses):
    data = toy_facades(20)
    before = torch.random.get_rng_state()
    one, two, other = (MapReader(data, steps=2, seed=seed) for seed in (0, 0, 1))
    assert same(torch.random.get_rng_state(), before), "the caller's random numbers stay"
    weights = [torch.cat([p.flatten() for p in r.network.parameters()]) for r in (one, two, other)]
    assert same(weights[0], weights[1])
    assert not same(weights[0], weights[2])


def test_its_houses_are_not_those_of_the_generator(monkeypatch):
    asked = []
    monkeypatch.setattr(
        faithfulness, "toy_facades", lambda *a, **k: asked.append((a, k)) or toy_facades(4)
    )
    MapReader(steps=1)
    assert asked == [((2000,), {"seed": 1})]


# --- runs and baselines ------------------------------------------------------------------------


def test_a_run_is_asked_about_its_own_pictures(reader):
    test = toy_facades(12, split="test")
    config = pix2pix.PRESETS["smoke"]
    run = pix2pix.train(config, toy_facades(20), device="cpu", progress=False, snapshots=0)
    numbers = faithfulness.measure_houses(run, test, reader)
    x, y = test.inputs.floats(), test.targets.floats()
    pictures = translate(run, x)
    assert list(numbers) == ["map read", "by colour", "L1", "sharpness"]
    assert numbers == faithfulness.compare_houses(pictures, x, y, reader)
    assert numbers["L1"] == pytest.approx((pictures - y).abs().mean().item())


def test_baselines(reader):
    train, test = toy_facades(30), toy_facades(20, split="test")
    rows = faithfulness.baselines_of_houses(train, test, reader)
    assert rows["truth"]["L1"] == 0
    assert rows["truth"]["sharpness"] == rows["house of another map"]["sharpness"] == 1
    assert rows["truth"]["by colour"] > 0.99 > 0.7 > rows["house of another map"]["by colour"]
    y, mean = test.targets.floats(), train.targets.floats().mean(0)
    assert rows["mean image"]["L1"] == pytest.approx((mean - y).abs().mean().item(), rel=1e-5)
    own = faithfulness.baselines_of_houses(train, train, reader)["nearest training pair"]
    assert own["L1"] == 0, "the nearest input is the input itself"
    others = Pairs(TensorData(255 - train.inputs.values), train.targets)
    found = faithfulness.baselines_of_houses(others, train, reader)["nearest training pair"]
    assert found["L1"] > 0.1, "it is the nearest input that is looked for"


def test_without_a_reader_one_is_trained_once(monkeypatch):
    made = []
    monkeypatch.setattr(faithfulness, "MapReader", lambda: made.append(1) or read_colours)
    faithfulness.usual_reader.cache_clear()
    train, test = toy_facades(6), toy_facades(4, split="test")
    for _ in range(2):
        rows = faithfulness.baselines_of_houses(train, test)
        assert rows["truth"]["map read"] == rows["truth"]["by colour"]
    faithfulness.usual_reader.cache_clear()
    assert made == [1]


def test_the_network_is_as_small_as_it_says():
    reader = MapReader(toy_facades(4), steps=0)
    assert sum(isinstance(layer, nn.Conv2d) for layer in reader.network) == 4


MUTANTS = mutants(
    "evaluation.faithfulness",
    (
        "a wall has one colour",
        "abs().sub(HUES).clamp_min(0)",
        "abs().sub(0.0).clamp_min(0)",
        "test_colours_of_true_houses_are_read_right",
    ),
    (
        "the farthest material",
        "nearest, which = distances.min(1)",
        "nearest, which = distances.max(1)",
        "test_colours_of_true_houses_are_read_right",
    ),
    (
        "the picture is read by colour twice",
        "(reader(fake.cpu()) == truth)",
        "(read_colours(fake.cpu()) == truth)",
        "test_the_reader_s_answer_is_compared_pixel_by_pixel",
    ),
    (
        "the reader learns from maps that do not belong to its houses",
        "labels_of(x.cpu())))",
        "labels_of(x.cpu().roll(1, 0))))",
        "test_the_network_reads_new_houses_better_than_chance",
    ),
    (
        "the floor is the truth",
        '"house of another map": y.roll(1, 0)',
        '"house of another map": y',
        "test_baselines",
    ),
    (
        "the nearest target is looked for, and not the nearest input",
        "nearest_neighbours(x, train.inputs.floats())",
        "nearest_neighbours(y, train.targets.floats())",
        "test_baselines",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
