"""How many pictures of one input: planted sets of them, and models whose code is known."""

import numpy as np
import pytest
import torch

from gan_lessons.data.hues import tinted
from gan_lessons.evaluation import variety
from gan_lessons.translation import bicyclegan
from tests.helpers import pairs, same
from tests.oracles import check, oracle, scores

GREY = (torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1).expand(
    -1, 3, -1, -1
)


def pictures(which):
    return torch.stack(
        [tinted(one[None, :1].expand(len(which), -1, -1, -1), which) for one in GREY]
    )


@oracle(
    "BICYCLE-ENERGY",
    r"d = 2\, \mathbb E \lVert a - b \rVert - \mathbb E \lVert a - a' \rVert - \mathbb E "
    r"\lVert b - b' \rVert",
)
def energy(pictures, answers):
    """Over all pairs of rows; a sample is not compared with itself, but an answer is."""

    def distances(rows, others):
        return np.array([[np.sqrt(((u - v) ** 2).mean()) for u in rows] for v in others])

    n = len(pictures)
    own = distances(pictures, pictures).sum() / (n * (n - 1))
    return 2 * distances(pictures, answers).mean() - own - distances(answers, answers).mean()


def test_energy_distance():
    drawn, right = scores(15, scale=1.0).reshape(5, 3), scores(6, seed=1).reshape(2, 3)
    check("BICYCLE-ENERGY", variety.energy_distance, pictures=drawn, answers=right)


def test_all_answers_in_equal_shares_have_no_distance():
    """In the mean over many draws, where one hue has a distance and the mean of all has one."""
    found = variety.baselines_of_hues(GREY, n=600)
    assert found["right answers"]["distance"] == pytest.approx(0, abs=0.01)
    assert found["right answers"]["hues hit"] == 4
    assert found["always one hue"]["distance"] > found["always the mean"]["distance"] > 0.1
    assert found["always the mean"]["error"] > 0.05
    assert found["always one hue"]["error"] == 0


def test_a_picture_for_each_code_or_one_code_for_all(run):
    codes = torch.randn(3, 2)
    each = variety.paint(run, GREY, codes)
    assert same(each, run.averaged.sample(x=GREY, z=codes))
    assert same(variety.paint(run, GREY, codes[0])[0], each[0])


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


def test_a_flat_colour_keeps_hue_and_shade_and_drops_the_detail():
    flat = tinted(GREY[:, :1], torch.arange(3)) * 0.6 - 0.4  # darker, but the same everywhere
    torch.testing.assert_close(variety.in_flat_colour(flat, GREY), flat)
    detail = torch.zeros_like(flat)
    detail[:, :, ::2], detail[:, :, 1::2] = 0.05, -0.05
    assert (variety.in_flat_colour(flat + detail, GREY) - flat).abs().max() < 0.02


def test_a_code_that_is_hidden_in_the_detail_is_found(run, monkeypatch):
    """A painter that tints by the quarter of the code, and writes the code into one corner."""
    x = GREY.repeat(100, 1, 1, 1)

    def painted(hidden):
        def sample(x, z):
            quarter = 2 * (z[:, 0] > 0) + (z[:, 1] > 0)
            pictures = tinted(x[:, :1], quarter.long())
            if hidden:
                pictures[:, 0, 0, :2] = z / 10
            return pictures

        return sample

    def read(pictures):
        return 10 * pictures[:, 0, 0, :2]

    monkeypatch.setattr(run.averaged, "encode", read)
    monkeypatch.setattr(run.averaged, "sample", painted(hidden=True))
    found = variety.hidden_codes(run, x)
    assert found["as painted"] < 1e-5
    assert min(found["in flat colour"], found["in pure hues"]) > 0.45
    assert found["a hue allows"] == pytest.approx(0.473, abs=0.04)
    monkeypatch.setattr(run.averaged, "sample", painted(hidden=False))
    assert variety.hidden_codes(run, x)["as painted"] > 0.45
