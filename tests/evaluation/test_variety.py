"""How many pictures of one input: planted sets of them, and models whose code is known."""

import pytest
import torch

from gan_lessons.data.hues import tinted
from gan_lessons.evaluation import variety
from gan_lessons.translation import bicyclegan
from tests.helpers import pairs, same

GREY = (torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1).expand(
    -1, 3, -1, -1
)


def pictures(which):
    return torch.stack(
        [tinted(one[None, :1].expand(len(which), -1, -1, -1), which) for one in GREY]
    )


def test_all_hues_equally_often():
    found = variety.compare_hues(pictures(torch.arange(8) % 4), GREY)
    assert found["hues hit"] == 4
    assert found["distance to uniform"] == pytest.approx(0)
    assert found["error"] == pytest.approx(0, abs=1e-6)
    assert found["diversity"] > 0.1


def test_one_hue_only():
    found = variety.compare_hues(pictures(torch.zeros(8, dtype=torch.int64)), GREY)
    assert found["hues hit"] == 1
    assert found["distance to uniform"] == pytest.approx(0.75)
    assert found["diversity"] == 0


def test_a_wrong_picture_has_an_error():
    right = pictures(torch.arange(8) % 4)
    assert variety.compare_hues(right * 0.5, GREY)["error"] > 0.1


@pytest.fixture(scope="module")
def run():
    data = pairs(20, (3, 32, 32))
    config = bicyclegan.PRESETS["smoke"]
    return bicyclegan.train(config, data, device="cpu", progress=False, snapshots=1)


def test_many_pictures_of_each_input_from_fresh_codes(run):
    drawn = variety.many(run, GREY, 5)
    assert drawn.shape == (3, 5, 3, 32, 32)
    assert not same(drawn[0, 0], drawn[0, 1])
    assert same(drawn, variety.many(run, GREY, 5)), "same seed, same pictures"


def test_a_code_that_is_ignored_costs_the_floor(run, monkeypatch):
    model = run.averaged
    monkeypatch.setattr(model, "encode", lambda y: torch.zeros(len(y), 2))
    wide = GREY.repeat(200, 1, 1, 1)
    assert variety.code_error(run, wide) == pytest.approx(0.798, abs=0.06)
    held = {}
    drawn = model.sample
    monkeypatch.setattr(model, "sample", lambda x, z: held.update(z=z) or drawn(x=x, z=z))
    monkeypatch.setattr(model, "encode", lambda y: held["z"])
    assert variety.code_error(run, GREY) == 0


def test_a_target_passes_through_its_code(run, monkeypatch):
    monkeypatch.setattr(run.averaged, "sample", lambda x, z: x + 0.5)
    assert variety.reconstruction_error(run, GREY, GREY) == pytest.approx(0.5)
