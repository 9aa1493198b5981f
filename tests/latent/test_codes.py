"""The closing page: models are measured alike, and the file of results belongs to this package."""

import json

import pytest
import torch

from gan_lessons import metrics
from gan_lessons.data import digits
from gan_lessons.latent import bigan, codes
from gan_lessons.results import load
from gan_lessons.training import preset
from tests.helpers import load_script

TEST = digits("test").subset(slice(200))
names = pytest.mark.parametrize("name", codes.ENTRIES)


@pytest.fixture(scope="module")
def script():
    return load_script("latent_results")


@pytest.fixture(scope="module")
def runs():
    data = digits("train")
    return {name: codes.train(name, data) for name in codes.ENTRIES}


@names
def test_what_is_measured_is_what_the_model_can_do(runs, name):
    numbers = codes.measure(name, runs[name], TEST)
    assert numbers["distance"] > 0
    assert all(-1 <= numbers[key] <= 1.5 for key in numbers if key != "distance")
    wanted = {
        "ACGAN": {"asked", "diversity"},
        "AAE": {"ratio", "kept", "clusters", "nmi", "ari"},
        "BiGAN": {"ratio", "kept", "clusters", "nmi", "ari"},
        "ClusterGAN": {"asked", "diversity", "ratio", "kept", "clusters", "nmi", "ari"},
        "CoGAN": {"pair", "pixels"},
    }
    assert set(numbers) - {"distance"} == wanted[name]


@pytest.mark.parametrize("name", [n for n, entry in codes.ENTRIES.items() if entry.encode])
def test_codes_are_what_sample_takes(runs, name):
    found = codes.ENTRIES[name].encode(runs[name], TEST.floats()[:7])
    assert runs[name].sample(7, z=found).shape == (7, *TEST.shape)


class Oracle:
    """A run that redraws exactly, or draws just what it is asked for."""

    def __init__(self, images):
        self.images = images

    def sample(self, n, **_):
        return self.images[:n]


def test_a_perfect_model_reaches_the_ends_of_the_scales(monkeypatch):
    x, labels = TEST.floats(), TEST.labels
    entry = codes.Entry(bigan, draw=lambda run, y: x, encode=lambda run, v: v.flatten(1))
    monkeypatch.setitem(codes.ENTRIES, "perfect", entry)
    numbers = codes.measure("perfect", Oracle(x), TEST)
    reals = codes.measure_reals(TEST, TEST)
    assert numbers["ratio"] == 0
    assert numbers["distance"] == pytest.approx(0, abs=1e-4)
    assert numbers["diversity"] == pytest.approx(1)
    assert numbers["asked"] == numbers["kept"] == reals["kept"] == reals["asked"]
    assert numbers["kept"] == metrics.conditional_accuracy(x, labels)


def test_clusters_without_names_get_the_best_ones(monkeypatch):
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))

    def draw(run, clusters):  # an exact drawer of classes whose names are mixed up
        found = metrics.classify(TEST.floats())
        place = [(found == order[c]).nonzero().flatten() for c in clusters]
        return torch.stack([TEST.floats()[p[i % len(p)]] for i, p in enumerate(place)])

    asked = {}
    for named in (True, False):
        entry = codes.Entry(bigan, draw=draw, named=named)
        monkeypatch.setitem(codes.ENTRIES, "mixed up", entry)
        asked[named] = codes.measure("mixed up", Oracle(TEST.floats()), TEST)["asked"]
    assert asked[False] == 1
    assert asked[True] < 0.3


# --- the script and its file -------------------------------------------------------------------


def test_the_script_fills_and_verifies_a_file(script, tmp_path, capsys):
    path = tmp_path / "latent.json"
    arguments = ["--only", "models", "--seed", "1", "--name", "ACGAN"]
    assert script.main(arguments, path) == 0
    first = path.read_text()
    (row,) = json.loads(first)["models"]
    assert (row["name"], row["seed"], row["updates"]) == ("ACGAN", 1, row["settings"]["steps"])
    assert script.main([*arguments, "--verify"], path) == 0
    assert "the same numbers" in capsys.readouterr().out


@names
@pytest.mark.parametrize("seed", codes.SEEDS)
def test_the_file_has_every_run(monkeypatch, script, name, seed):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    rows = [r for r in load("latent")["models"] if (r["name"], r["seed"]) == (name, seed)]
    (row,) = rows
    config = preset(None, codes.ENTRIES[name].module.PRESETS)
    assert row["settings"] == script.plain(config), "make it again"
    assert row["updates"] == config.steps


@pytest.mark.parametrize("seed", codes.SEEDS)
def test_the_file_has_clustergan_without_distortion(monkeypatch, script, seed):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    (row,) = [r for r in load("latent")["undistorted"] if r["seed"] == seed]
    config = preset(None, codes.ENTRIES["ClusterGAN"].module.PRESETS)
    assert row["settings"] == script.plain(config) | {"bend": 0.0, "stroke": 0.0}, "make it again"
    assert row["updates"] == config.steps
