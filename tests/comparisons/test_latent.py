"""The latent part: models are measured alike, and the file of results is complete."""

import json

import pytest
import torch

from gan_lessons import metrics
from gan_lessons.comparisons import latent
from gan_lessons.data import digits
from gan_lessons.evaluation.codes import encode
from gan_lessons.latent import bigan
from gan_lessons.results import load
from tests.helpers import load_script

TEST = digits("test").subset(slice(200))
names = pytest.mark.parametrize("name", latent.ENTRIES)


@pytest.fixture(scope="module")
def script():
    return load_script("latent_results")


@pytest.fixture(scope="module")
def runs():
    data = digits("train")
    return {name: latent.train(name, data) for name in latent.ENTRIES}


@names
def test_what_is_measured_is_what_the_model_can_do(runs, name):
    numbers = latent.measure(latent.ENTRIES[name], runs[name], TEST)
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


@pytest.mark.parametrize("name", [n for n, entry in latent.ENTRIES.items() if entry.encodes])
def test_codes_are_what_sample_takes(runs, name):
    found = encode(runs[name], TEST.floats()[:7])
    assert runs[name].sample(7, z=found).shape == (7, *TEST.shape)


class Exact:
    """A run that redraws exactly, and draws just what it is asked for."""

    device = "cpu"

    def __init__(self, images):
        self.images = images
        self.averaged = self

    def encode(self, x):
        return x.flatten(1)

    def sample(self, n, **_):
        return self.images[:n]


def test_a_perfect_model_reaches_the_ends_of_the_scales():
    x, labels = TEST.floats(), TEST.labels
    entry = latent.Entry(bigan, asked="labels", encodes=True)
    numbers = latent.measure(entry, Exact(x), TEST)
    reals = latent.measure_reals(TEST, TEST)
    assert numbers["ratio"] == 0
    assert numbers["distance"] == pytest.approx(0, abs=1e-4)
    assert numbers["diversity"] == pytest.approx(1)
    assert numbers["asked"] == numbers["kept"] == reals["kept"] == reals["asked"]
    assert numbers["kept"] == metrics.conditional_accuracy(x, labels)


class MixedUp(Exact):
    """A run that draws classes exactly, but under other names."""

    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))

    def sample(self, n, clusters=None, **_):
        if clusters is None:
            return self.images[:n]
        found = metrics.classify(self.images)
        place = [(found == self.order[c]).nonzero().flatten() for c in clusters]
        return torch.stack([self.images[p[i % len(p)]] for i, p in enumerate(place)])


def test_clusters_without_names_get_the_best_ones():
    asked = {}
    for named in (True, False):
        entry = latent.Entry(bigan, asked="clusters", named=named)
        asked[named] = latent.measure(entry, MixedUp(TEST.floats()), TEST)["asked"]
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


def test_the_file_has_as_many_updates_as_its_settings_say():
    stored = load("latent")
    for row in stored["models"] + stored["undistorted"]:
        assert row["updates"] == row["settings"]["steps"]
