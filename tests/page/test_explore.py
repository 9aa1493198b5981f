"""Explorers: what they ask of a model, and their output with and without a kernel."""

import json
import re
import types

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from gan_lessons.foundations import cgan
from gan_lessons.page import Slider, explore, explore_classes, explore_latent

ALT = "Four squares whose grey follows the slider, from black to white."


def squares(grey, name="a"):
    return torch.full((4, 1, 8, 8), grey if name == "a" else -grey)


def labels_of(bundle):
    return json.loads(re.search(r"labels = (\[.*?\]), across", bundle["text/html"])[1])


def test_explore_without_a_kernel_shows_a_player_that_moves_each_control(shown):
    explore(squares, title="Grey", alt=ALT, grey=Slider(-1, 1, stops=3), name=["a", "b"])
    assert set(shown[0]) == {"text/html", "text/plain"}
    assert shown[0]["text/plain"] == ALT
    assert labels_of(shown[0]) == ["grey: -1", "grey: +0", "grey: +1", "name: a", "name: b"]


def test_explore_opens_where_its_controls_rest(shown):
    def first(**controls):
        explore(squares, title="Grey", alt=ALT, **controls)
        return int(re.search(r"first = (\d+)", shown[-1]["text/html"])[1])

    assert first(grey=Slider(-1, 1)) == 4
    assert first(grey=Slider(-1, 1, start=0.8, stops=3), name=["a", "b"]) == 2
    assert first(name=["a", "b", "c"], grey=Slider(-1, 1)) == 1


def test_explore_refuses_an_empty_control():
    with pytest.raises(ValueError, match="'name' is empty"):
        explore(squares, title="Grey", alt=ALT, grey=Slider(-1, 1), name=[])


class FakeModel(torch.nn.Module):
    """Remembers the noise and the labels that it was asked for."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.asked = []

    def sample(self, *, z, labels=None):
        self.asked.append((z, labels))
        return z[:, :16].reshape(-1, 1, 4, 4).tanh()


@pytest.fixture
def run():
    return types.SimpleNamespace(
        averaged=FakeModel(), config=types.SimpleNamespace(latent_dim=32), device="cpu"
    )


def test_explore_latent_moves_along_orthogonal_directions_and_keeps_the_length(run, shown):
    explore_latent(run, directions=2, n=5, reach=2.0)
    noise = torch.stack([z for z, _ in run.averaged.asked])
    assert noise.shape == (18, 5, 32)
    assert labels_of(shown[0])[::9] == ["direction 1: -2", "direction 2: -2"]
    lengths = noise.norm(dim=2)
    torch.testing.assert_close(lengths, lengths[:1].expand_as(lengths))
    torch.testing.assert_close(noise[4], noise[13])  # both controls at rest
    first, second = noise[8] - noise[4], noise[17] - noise[13]
    assert (first.norm(dim=1) > 1).all()
    assert not torch.allclose(first, second)


def test_explore_latent_takes_directions_and_checks_their_number(run, shown):
    explore_latent(run, directions=torch.eye(32)[:1], n=3)
    assert len(labels_of(shown[0])) == 9
    with pytest.raises(ValueError, match="1 to 32 directions"):
        explore_latent(run, directions=33)


def test_explore_classes_keeps_the_noise_while_the_class_changes(run, shown):
    explore_classes(run, classes="abc", n=4)
    asked = run.averaged.asked
    assert [labels.tolist() for _, labels in asked[:3]] == [[0] * 4, [1] * 4, [2] * 4]
    for z, _ in [*asked[1:3], asked[7]]:  # the style rests in its middle
        torch.testing.assert_close(z, asked[0][0])
    assert all(labels.tolist() == [1] * 4 for _, labels in asked[3:])
    assert not torch.allclose(asked[-1][0], asked[0][0])
    assert labels_of(shown[0])[:4] == ["class: a", "class: b", "class: c", "style: +0"]


def test_explore_classes_works_with_the_books_own_model(shown):
    config = cgan.PRESETS["smoke"]
    model = cgan.CGAN(config)
    own = types.SimpleNamespace(averaged=model, config=config)
    explore_classes(own, n=2)
    assert len(labels_of(shown[0])) == 19


LIVE = """
import torch
from gan_lessons.page import Slider, explore, show_source
from gan_lessons.figures import figure, show
seen = []
def squares(grey, name):
    seen.append((grey, name))
    return torch.full((4, 1, 8, 8), float(grey))
explore(squares, title="Grey", alt="Four squares whose grey follows the slider.",
        grey=Slider(-1, 1), name=["a", "b"])
"""
MOVE = """
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances
widgets = list(_instances.values())
slider = next(w for w in widgets if type(w).__name__ == "FloatSlider")
image = next(w for w in widgets if type(w).__name__ == "Image")
before = image.value
slider.value = 0.5
print(seen[-1], image.value != before, bytes(image.value[1:4]))
"""
PICTURE = 'fig, ax = figure()\nshow(fig, alt="Empty axes from zero to one.")'
SOURCE = "show_source(explore)"


def test_in_a_kernel_the_outputs_carry_live_controls_and_their_fallback():
    cells = [nbformat.v4.new_code_cell(text) for text in (LIVE, MOVE, PICTURE, SOURCE)]
    book = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    live, move, picture, source = (cell.outputs for cell in book.cells)
    (bundle,) = [output.data for output in live]
    assert set(bundle) == {
        "application/vnd.jupyter.widget-view+json",
        "text/html",
        "text/plain",
    }
    assert "gan-player" in bundle["text/html"]
    assert move[0].text == "(0.5, 'b') True b'PNG'\n"
    (image,) = picture  # once, and no second copy from the inline backend
    assert image.metadata["image/png"]["alt"] == "Empty axes from zero to one."
    assert source[0].data["text/markdown"].startswith("From `gan_lessons/page/explore.py`:")
