"""Generated facades: what the map decides and what it leaves open."""

import time

import pytest
import torch

from gan_lessons.data import Pairs, toy_facades
from gan_lessons.data.houses import LABELS, MATERIALS, WALL
from tests.helpers import same
from tests.mutants import mutants, survivors


def where(data: Pairs, label: str) -> torch.Tensor:
    """The pixels with a label, a mask (n, H, W)."""
    colour = torch.tensor(LABELS[label], dtype=torch.uint8)[:, None, None]
    return (data.inputs.values == colour).all(1)


def of_material(data: Pairs, material: str) -> torch.Tensor:
    colour = (torch.tensor(MATERIALS[material][1]) * 255).round().to(torch.uint8)
    return (data.targets.values == colour[:, None, None]).all(1)


def test_a_map_has_the_four_labels_and_a_house_beside_it():
    data = toy_facades(200)
    assert (len(data), data.shape) == (200, (3, 32, 32))
    assert data.name == "label maps to toy facades, 200 training houses at 32 x 32"
    masks = {label: where(data, label) for label in LABELS}
    assert (sum(mask.int() for mask in masks.values()) == 1).all(), "each pixel has one label"
    for label, least in (("wall", 0.3), ("window", 0.1), ("door", 0.01), ("sill", 0.02)):
        assert masks[label].double().mean() > least, label
    assert len(data.inputs.values.flatten(1).unique(dim=0)) > 190, "no two maps alike"


def test_the_map_tells_where_everything_is():
    data = toy_facades(300)
    for material, (label, _) in MATERIALS.items():
        if material != "wall":
            assert (~of_material(data, material) | where(data, label)).all(), material
    window = of_material(data, "lit") | of_material(data, "dark")
    assert same(window, where(data, "window"))
    assert same(of_material(data, "stone"), where(data, "sill"))
    assert same(
        of_material(data, "bright wood") | of_material(data, "dark wood"), where(data, "door")
    )


def test_below_each_sill_the_map_decides_the_shadow():
    data = toy_facades(300)
    sill, shadow, wall = where(data, "sill"), of_material(data, "shadow"), where(data, "wall")
    below = torch.zeros_like(sill)
    below[:, 1:] = sill[:, :-1]
    assert (shadow & ~below).sum() == 0
    # Only the frame of a door has wall beside it and no shadow below it.
    assert (below & wall & ~shadow).double().sum() < 0.01 * shadow.sum()


def test_windows_are_a_fair_coin_of_their_own():
    data = toy_facades(1000)
    window, lit = where(data, "window"), of_material(data, "lit")
    values = data.targets.floats().mean(1)[window]
    assert abs(lit[window].double().mean() - 0.5) < 0.02
    # The two kinds are inverse, so that every pixel of a window is light or dark, half the time.
    assert abs((values > 0).double().mean() - 0.5) < 0.02
    top_left = lit[:, :8, :8].flatten(1).any(1) & where(data, "window")[:, :8, :8].flatten(1).any(1)
    bottom = lit[:, 10:20].flatten(1).double().mean(1)
    both = torch.stack([top_left.double(), bottom])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.15, "one window says little about the others"


def test_boards_are_light_or_dark_half_the_time_at_every_row():
    data = toy_facades(1000)
    wall = where(data, "wall") & ~of_material(data, "shadow")
    grey = data.targets.floats().mean(1)
    mean = (grey * wall).sum((1, 2)) / wall.sum((1, 2))
    light = grey > mean[:, None, None]
    share = (light & wall).sum((0, 2)).double() / wall.sum((0, 2))
    assert (share - 0.5).abs().max() < 0.06
    for column in (0, 31):
        strip, there = grey[:, :, column], wall[:, :, column]
        change = (strip[:, 2:] - strip[:, :-2]).abs()[there[:, 2:] & there[:, :-2]]
        assert change.min() > 0.7, "two rows on, the other kind of board: strong contrast"
    assert abs(grey[wall].mean() - (2 * sum(WALL) / 3 - 1)) < 0.03


def test_nothing_that_only_sees_the_map_can_know_the_open_detail():
    """The error of the best answer in L1, and of the mean, beside the detail's own size."""
    data = toy_facades(2000)
    y, window = data.targets.floats(), where(data, "window")
    flat = torch.tensor([MATERIALS["lit"][1], MATERIALS["dark"][1]]).mean(0) * 2 - 1
    seen = y.permute(0, 2, 3, 1)[window]
    errors = [(seen - guess).abs().mean() for guess in (flat, flat + 0.2, flat - 0.2, 0 * flat)]
    for error in errors:  # any value between light and dark is as good as any other
        assert abs(error - errors[0]) < 0.01
    assert errors[0] > 0.5
    outside = (seen - torch.ones(3)).abs().mean()
    assert outside > errors[0] + 0.1


def test_same_seed_same_data_and_the_test_split_never_repeats_them():
    state = torch.get_rng_state()
    a, b, c = toy_facades(50, seed=3), toy_facades(50, seed=3), toy_facades(50, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(a.targets.values, b.targets.values)
    assert same(a.inputs.values, b.inputs.values)
    assert not same(a.targets.values, c.targets.values)
    train = torch.cat([toy_facades(300, seed=s).targets.values for s in range(4)]).flatten(1)
    test = torch.cat([toy_facades(300, seed=s, split="test").targets.values for s in range(4)])
    together = torch.cat([train, test.flatten(1)])
    assert len(together.unique(dim=0)) == len(together), "no house twice, in either split"
    assert "300 test houses" in toy_facades(300, split="test").name


def test_more_houses_than_one_part_holds():
    data = toy_facades(1003)
    assert len(data) == 1003
    assert len(data.inputs.values.flatten(1).unique(dim=0)) > 950


@pytest.mark.parametrize("size", [28, 48, 64])
def test_other_sizes(size):
    data = toy_facades(100, size)
    assert data.shape == (3, size, size)
    shares = [where(data, label).double().mean().item() for label in LABELS]
    assert shares == pytest.approx(
        [where(toy_facades(100), label).double().mean().item() for label in LABELS], abs=0.1
    )


def test_it_is_quick():
    start = time.process_time()
    toy_facades(1000)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 27}, "size is 27"),
        ({"size": 65}, "size is 65"),
        ({"n": 0}, "n is 0: give a whole number"),
        ({"n": 2.5}, r"n is 2\.5"),
        ({"split": "valid"}, 'split is \'valid\': choose "train" or "test"'),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        toy_facades(**options)


MUTANTS = mutants(
    "data.houses",
    (
        "data, facades: the test houses are training houses",
        'manual_seed(2 * seed + (split == "test"))',
        "manual_seed(seed)",
        "test_same_seed_same_data_and_the_test_split_never_repeats_them",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
