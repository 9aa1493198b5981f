"""One round trip of two, or neither: which loss is left, and where points arrive."""

from dataclasses import replace

import pytest
import torch

from gan_lessons.comparisons import one_way
from gan_lessons.data import Batch, TwoDomains, ring
from gan_lessons.translation import cyclegan
from tests.helpers import same

SMALL = replace(cyclegan.PRESETS["smoke"], shape=(2,), batch_size=16)
OPTIONS = {"device": "cpu", "progress": False, "snapshots": 0}


@pytest.fixture(scope="module")
def circles():
    return TwoDomains(ring(n=400, std=0.05), ring(n=400, std=0.05, seed=1))


@pytest.mark.parametrize("name", ["forward only", "backward only"])
def test_only_one_trip_counts(name):
    model = one_way.MODELS[name](SMALL)
    x, y = torch.randn(2, 16, 2)
    there, back = model.generator_xy(x), model.generator_yx(y)
    trips = {
        "forward only": (model.generator_yx(there) - x).abs().mean(),
        "backward only": (model.generator_xy(back) - y).abs().mean(),
    }
    torch.testing.assert_close(model.way_home(x, y, back, there), trips[name])
    assert trips["forward only"] != trips["backward only"]
    logged = model.step(Batch(x, y))
    torch.testing.assert_close(logged["cycle_loss"], trips[name])


def test_all_else_is_cyclegan(monkeypatch):
    """With both trips in place of one, a step does what a step of CycleGAN does."""

    def both(self, x, y, fake_x, fake_y):
        return cyclegan.cycle_loss(x, self.generator_yx(fake_y), y, self.generator_xy(fake_x))

    monkeypatch.setattr(one_way.ForwardCycle, "way_home", both)
    x, y = torch.randn(2, 16, 2)
    found = []
    for kind in (one_way.ForwardCycle, cyclegan.CycleGAN):
        torch.manual_seed(0)
        model = kind(SMALL)
        model.step(Batch(x, y))
        found.append([p.detach().clone() for p in model.parameters()])
    assert all(same(a, b) for a, b in zip(*found, strict=True))


def test_neither_has_no_cycle_and_the_others_keep_its_weight(circles):
    weights = {
        name: one_way.train(name, SMALL, circles, **OPTIONS).config.cycle_weight
        for name in one_way.MODELS
    }
    assert weights.pop("neither") == 0
    assert set(weights.values()) == {SMALL.cycle_weight}
    with pytest.raises(ValueError, match="no trips 'once': choose from both trips, forward only"):
        one_way.train("once", SMALL, circles)


@pytest.mark.parametrize(
    ("turns", "home"), [((0, 0), 1.0), ((1, -1), 1.0), ((1, 0), 0.0), ((0, 1), 0.0)]
)
def test_journeys_of_turned_circles(turns, home, circles, monkeypatch):
    """G and F turn by whole clusters: all are reached, and home is who is turned back."""
    run = one_way.train("both trips", SMALL, circles, **OPTIONS)

    def turned(k):
        angle = torch.tensor(k * torch.pi / 4)
        matrix = torch.stack(
            [torch.stack([angle.cos(), angle.sin()]), torch.stack([-angle.sin(), angle.cos()])]
        )
        return lambda points: points @ matrix

    monkeypatch.setattr(run.averaged.generator_xy, "forward", turned(turns[0]))
    monkeypatch.setattr(run.averaged.generator_yx, "forward", turned(turns[1]))
    found = one_way.journey(run, circles, n=400)
    assert found["home"] == home
    assert found["reached"] == 16
    assert found["near"] > 0.95


def test_a_collapsed_translator_reaches_one_cluster(circles, monkeypatch):
    run = one_way.train("both trips", SMALL, circles, **OPTIONS)
    place = circles.second.modes[3]
    monkeypatch.setattr(run.averaged.generator_xy, "forward", lambda v: place.expand(len(v), 2))
    monkeypatch.setattr(run.averaged.generator_yx, "forward", lambda v: v)
    found = one_way.journey(run, circles, n=400)
    assert found["reached"] == 1 + 8
    assert found["near"] > 0.95
    own = (circles.first.labels == 3).double().mean().item()
    other = (circles.second.labels == 3).double().mean().item()
    assert found["home"] == pytest.approx((own + other) / 2)
