"""Source views, explorers and the first cell."""

import inspect
import json
import re
import subprocess
import sys
import types

import nbformat
import pytest
import torch
from nbclient import NotebookClient

import gan_lessons
from gan_lessons import notebook
from gan_lessons.foundations import cgan, gan
from gan_lessons.notebook import Slider, explore, show_diff, show_source, start

ALT = "Four squares whose grey follows the slider, from black to white."


@pytest.fixture
def shown(monkeypatch):
    """Collect the bundles that would be displayed."""
    collected = []

    def publish(bundle, metadata=None):
        collected.append(bundle)
        return True

    monkeypatch.setattr(notebook, "publish", publish)
    return collected


def code(markdown):
    return re.findall(r"```\w+\n(.*?)\n```", markdown, re.DOTALL)


# --- source --------------------------------------------------------------------------------------


def test_show_source_gives_the_objects_own_source_and_its_file(shown):
    show_source(gan.generator_loss)
    text = shown[0]["text/markdown"]
    assert code(text) == [inspect.getsource(gan.generator_loss).rstrip()]
    assert text.startswith(
        "From `gan_lessons/foundations/gan.py`:\n\n```python\ndef generator_loss"
    )
    assert shown[0]["text/plain"] == inspect.getsource(gan.generator_loss)


def test_show_source_takes_classes_methods_and_modules(shown):
    show_source(gan.Config, gan.GAN.step, cgan, title="Three things")
    text = shown[0]["text/markdown"]
    assert text.startswith("**Three things**\n\nFrom `gan_lessons/foundations/gan.py`:")
    first, second = code(text)
    assert first.startswith("@dataclass(frozen=True)\nclass Config:")
    assert "\n\ndef step(self" in first  # a method without its indentation
    assert second == inspect.getsource(cgan).rstrip()
    assert text.count("From `") == 2


def test_show_source_of_decorated_functions_and_packages(shown):
    show_source(torch.no_grad()(gan.perceptron))
    show_source(gan_lessons)
    assert "From `gan_lessons/foundations/gan.py`" in shown[0]["text/markdown"]
    assert "From `gan_lessons/__init__.py`" in shown[1]["text/markdown"]


def test_show_source_prints_where_no_notebook_is(capsys):
    show_source(gan.generator_loss)
    assert capsys.readouterr().out == inspect.getsource(gan.generator_loss) + "\n"


@pytest.mark.parametrize("thing", [gan.PRESETS, 3, len])
def test_show_source_refuses_what_has_no_source(thing):
    with pytest.raises(TypeError, match="has no source of its own: give a function"):
        show_source(thing)


def test_show_source_needs_something_to_show():
    with pytest.raises(TypeError, match="at least one"):
        show_source()


def test_show_diff_gives_the_lines_that_changed(shown):
    show_diff(gan.saturating_generator_loss, gan.generator_loss)
    diff = shown[0]["text/plain"].splitlines()
    assert diff == [
        "--- gan_lessons/foundations/gan.py: saturating_generator_loss",
        "+++ gan_lessons/foundations/gan.py: generator_loss",
        "@@ def generator_loss(fake_scores: Tensor) -> Tensor @@",
        "-def saturating_generator_loss(fake_scores: Tensor) -> Tensor:",
        "-    return -softplus(fake_scores).mean()",
        "+def generator_loss(fake_scores: Tensor) -> Tensor:",
        "+    return softplus(-fake_scores).mean()",
    ]
    assert code(shown[0]["text/markdown"]) == ["\n".join(diff)]


def test_show_diff_keeps_docstrings_when_asked(shown):
    show_diff(gan.saturating_generator_loss, gan.generator_loss, docstrings=True)
    assert "[GAN-MM]" in shown[0]["text/plain"]
    assert "[GAN-G]" in shown[0]["text/plain"]


def test_show_diff_of_modules_leaves_out_docstrings(shown):
    show_diff(gan, cgan)
    assert '"""' not in shown[0]["text/plain"]
    headings = re.findall(r"^@@ (.*) @@$", shown[0]["text/plain"], re.MULTILINE)
    assert len(headings) > 2
    assert all(heading.startswith(("def ", "class ")) for heading in headings[1:])


def test_show_diff_says_when_nothing_changed(shown):
    show_diff(gan.generator_loss, gan.generator_loss)
    assert shown[0]["text/plain"].endswith("is the same.")


# --- explorers -----------------------------------------------------------------------------------


def squares(grey, name="a"):
    return torch.full((4, 1, 8, 8), grey if name == "a" else -grey)


def labels_of(bundle):
    return json.loads(re.search(r"labels = (\[.*?\]), across", bundle["text/html"])[1])


def test_explore_without_a_kernel_shows_a_player_that_moves_each_control(shown):
    explore(squares, title="Grey", alt=ALT, grey=Slider(-1, 1, stops=3), name=["a", "b"])
    assert set(shown[0]) == {"text/html", "text/plain"}
    assert shown[0]["text/plain"] == ALT
    assert labels_of(shown[0]) == ["grey: -1", "grey: +0", "grey: +1", "name: a", "name: b"]


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
    notebook.explore_latent(run, directions=2, n=5, reach=2.0)
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
    notebook.explore_latent(run, directions=torch.eye(32)[:1], n=3)
    assert len(labels_of(shown[0])) == 9
    with pytest.raises(ValueError, match="1 to 32 directions"):
        notebook.explore_latent(run, directions=33)


def test_explore_classes_keeps_the_noise_while_the_class_changes(run, shown):
    notebook.explore_classes(run, classes="abc", n=4)
    asked = run.averaged.asked
    assert [labels.tolist() for _, labels in asked[:3]] == [[0] * 4, [1] * 4, [2] * 4]
    for z, _ in asked[1:4]:
        torch.testing.assert_close(z, asked[0][0])
    assert all(labels.tolist() == [0] * 4 for _, labels in asked[3:])
    assert not torch.allclose(asked[-1][0], asked[0][0])
    assert labels_of(shown[0])[:4] == ["class: a", "class: b", "class: c", "style: +0"]


def test_explore_classes_works_with_the_books_own_model(shown):
    config = cgan.PRESETS["smoke"]
    model = cgan.CGAN(config)
    own = types.SimpleNamespace(averaged=model, config=config)
    notebook.explore_classes(own, n=2)
    assert len(labels_of(shown[0])) == 19


LIVE = """
import torch
from gan_lessons.notebook import Slider, explore, show_source
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
    assert move[0].text == "(0.5, 'a') True b'PNG'\n"
    (image,) = picture  # once, and no second copy from the inline backend
    assert image.metadata["image/png"]["alt"] == "Empty axes from zero to one."
    assert source[0].data["text/markdown"].startswith("From `gan_lessons/notebook.py`:")


# --- the first cell ------------------------------------------------------------------------------


@pytest.fixture
def cpu(monkeypatch, tmp_path):
    """A session without an accelerator and with a package folder that has no measured times."""
    from gan_lessons import training

    monkeypatch.setattr(training, "pick_device", lambda device=None: torch.device("cpu"))
    monkeypatch.setattr(notebook, "_timings", dict)
    return monkeypatch


def test_start_says_what_the_session_will_do(cpu, capsys):
    cpu.delenv("GAN_LESSONS_BUDGET", raising=False)
    start("foundations/gan")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert f"GAN Lessons {gan_lessons.__version__}, torch {torch.__version__}" in lines[0]
    assert "on the CPU (1 thread)." in lines[0]
    assert lines[1].startswith("Budget: cpu (chosen from the device).")
    assert lines[1].endswith("on two CPU cores (planned, not measured).")
    assert "(smoke or gpu): %env GAN_LESSONS_BUDGET=" in lines[2]


def test_start_names_the_source_of_the_budget(cpu, capsys):
    cpu.setenv("GAN_LESSONS_BUDGET", "smoke")
    start("foundations/gan")
    out = capsys.readouterr().out
    assert "Budget: smoke (chosen by GAN_LESSONS_BUDGET). Expect a few seconds" in out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.3, "about 1 second "), (41.6, "about 42 seconds"), (95, "about 1.6 minutes")],
)
def test_start_gives_the_measured_time(cpu, capsys, seconds, words):
    cpu.setenv("GAN_LESSONS_BUDGET", "cpu")
    cpu.setattr(notebook, "_timings", lambda: {"foundations/gan": {"cpu": seconds}})
    start("foundations/gan")
    out = capsys.readouterr().out
    assert f"Expect {words}" in out
    assert "planned" not in out


def test_timings_are_read_from_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(notebook, "PACKAGE", tmp_path)
    assert notebook._timings() == {}
    (tmp_path / "timings.json").write_text('{"foundations/gan": {"cpu": 95}}')
    assert notebook._timings() == {"foundations/gan": {"cpu": 95}}


def test_start_in_colab_without_a_gpu_says_how_to_get_one(cpu, capsys):
    cpu.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    start("foundations/metrics")
    assert "Runtime > Change runtime type" in capsys.readouterr().out.splitlines()[3]


def test_start_refuses_an_unknown_chapter_and_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no chapter 'gan'; choose one of .*foundations/gan,"):
        start("gan")


def test_importing_the_package_stays_light():
    code = "import sys, gan_lessons; print([m for m in ('torchvision', 'matplotlib', 'IPython',"
    code += " 'ipywidgets', 'sklearn') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr
