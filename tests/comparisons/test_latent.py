"""The latent part: models are measured alike, and the file of results is complete."""

import base64
import io
import json

import nbformat
import pytest
import torch

from gan_lessons import figures, metrics
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
    for table in ("models", "undistorted", "published", "baselines"):
        assert stored[table]
        for row in stored[table]:
            assert row["updates"] == row["settings"]["steps"]


# --- the strip of pictures ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def cutter():
    return load_script("latent_pictures")


IMAGES = torch.rand(12, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        (6, {}),
        (6, {"row_labels": ["real", "again"]}),
        (4, {"column_labels": ["a", "b", "c", "d"]}),
        (12, {"row_labels": ["real"], "column_labels": list("abcdefghijkl")}),
    ],
)
def test_images_are_cut_out_of_a_figure_as_they_were(cutter, monkeypatch, columns, labels):
    saved = {}
    monkeypatch.setattr(figures.grids, "show", lambda fig, **_: saved.update(fig=fig))
    figures.sample_grid(IMAGES, columns=columns, alt="Twelve images of noise.", **labels)
    file = io.BytesIO()
    saved["fig"].savefig(file, format="png")
    tiles = cutter.grid(cutter.Image.open(file), 12 // columns, columns)
    assert tiles.shape == (12 // columns, columns, 32, 32)
    assert (tiles.flatten(0, 1) - IMAGES[:, 0]).abs().max() <= 1 / 255 + 1e-6


def test_a_picture_that_is_too_small_is_no_grid(cutter):
    with pytest.raises(ValueError, match="is no grid of 6 x 12 digits"):
        cutter.grid(cutter.Image.new("L", (100, 100)), 6, 12)


def chapter(picture, name):
    """A notebook with one folded cell that shows a picture."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode()}
    cell = nbformat.v4.new_code_cell(f"# @title {name}\nshow()")
    cell.outputs = [nbformat.v4.new_output("display_data", data)]
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.mark.parametrize("across", [True, False])
def test_digits_and_what_came_back(cutter, across):
    order = IMAGES if across else IMAGES.view(2, 6, 1, 32, 32).transpose(0, 1).flatten(0, 1)
    rows, columns = (2, 6) if across else (6, 2)
    scale = min(max(round(960 / (columns * 34 + 2)), 1), 4)
    sheet = figures.tile(order, columns).repeat(scale, axis=0).repeat(scale, axis=1)
    notebook = chapter(cutter.Image.fromarray(sheet), "Draw them")
    real, again = cutter.shown(notebook, cutter.Place("Draw them", rows, columns, across))
    assert (torch.cat([real, again]) - IMAGES).abs().max() <= 1 / 255 + 1e-6
    with pytest.raises(ValueError, match="No cell has the title 'Draw others'"):
        cutter.shown(notebook, cutter.Place("Draw others", rows, columns, across))


def test_a_strip_comes_back(tmp_path, monkeypatch):
    images = dict(zip(latent.PICTURES, IMAGES.split(3), strict=True))
    latent.strip(images).save(tmp_path / "latent.webp", "WEBP", lossless=True)
    monkeypatch.setattr(latent, "files", lambda _: tmp_path)
    back = latent.pictures()
    assert tuple(back) == latent.PICTURES
    for name, rows in images.items():
        assert (back[name] - rows).abs().max() <= 1 / 255 + 1e-6


def test_the_stored_strip_has_a_row_for_every_model(cutter):
    stored = latent.pictures()
    assert tuple(stored) == ("real", *cutter.PLACES)
    assert len({tuple(rows.shape) for rows in stored.values()}) == 1
    assert stored["real"].shape[1:] == (1, 32, 32)
    assert not torch.equal(stored["AAE"], stored["BiGAN"])


def test_every_place_is_a_cell_of_its_chapter(cutter):
    for name, place in cutter.PLACES.items():
        path = cutter.ROOT / "book" / "latent" / f"{name.lower()}.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        assert place.title in [cutter.title(cell) for cell in cells], name
