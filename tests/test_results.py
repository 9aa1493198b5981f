"""Stored results: what makes a row stale, and that no row of the repository is."""

import json

import pytest

from gan_lessons import metrics
from gan_lessons.comparisons import objectives
from gan_lessons.foundations import dcgan
from gan_lessons.objectives import wgan, wgan_gp
from gan_lessons.results import load, making, sources
from gan_lessons.results.making import Job, command_line, out_of_date
from gan_lessons.results.sources import source_hash
from tests.helpers import load_script

SCRIPTS = (
    "foundations_results",
    "objectives_results",
    "latent_results",
    "translation_results",
    "began_results",
    "adaptation_results",
    "cycles_results",
    "restoration_results",
    "pixelda_results",
    "variety_results",
    "maps_results",
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_stored_row_is_what_the_code_of_today_makes(monkeypatch, name):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    script = load_script(name)
    stale = out_of_date(script.makers(), script.FILE)
    assert not stale, (
        f"{script.FILE.name} is out of date: run `GAN_LESSONS_BUDGET=cpu python scripts/{name}.py`,"
        " which makes these runs again, or the same with --adopt if the change was shown to change "
        "no number:\n" + "\n".join(stale)
    )


def test_unknown_results_are_refused():
    with pytest.raises(FileNotFoundError, match="There are no results 'latent_codes'"):
        load("latent_codes")


# --- the hash ----------------------------------------------------------------------------------


@pytest.fixture
def edited(monkeypatch, tmp_path):
    """A function that changes text in the file of a module, as the hash sees it."""
    file = sources._file

    def forget():
        for function in (sources.source_hash, sources._tree, sources._imported):
            function.cache_clear()

    def edit(module, old, new):
        path = file(module.__name__)
        text = path.read_text(encoding="utf-8")
        assert old in text
        copy = tmp_path / path.name
        copy.write_text(text.replace(old, new), encoding="utf-8")
        monkeypatch.setattr(
            sources, "_file", lambda name: copy if name == module.__name__ else file(name)
        )
        forget()

    yield edit
    monkeypatch.undo()
    forget()


def test_other_words_and_another_layout_are_no_change(edited):
    before = source_hash(wgan)
    edited(wgan, "E D(G(z)) - E D(x)", "other words")
    assert source_hash(wgan) == before
    edited(wgan, "    if limit <= 0:", "    # Why not.\n    if (limit\n            <= 0):")
    assert source_hash(wgan) == before
    edited(wgan, "The limit of the weights must be positive", "Give a positive limit")
    assert source_hash(wgan) == before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        (wgan_gp, "(norms - 1) ** 2", "(norms - 2) ** 2"),
        (wgan, "return -fake_scores.mean()", "return fake_scores.mean()"),
    ],
    ids=["the module itself", "what it imports"],
)
def test_another_calculation_is_a_change(edited, module, old, new):
    before, other = source_hash(wgan_gp.WGANGP), source_hash(dcgan.DCGAN)
    edited(module, old, new)
    assert source_hash(wgan_gp.WGANGP) != before
    assert source_hash(dcgan.DCGAN) == other, "which imports neither"


def places(*parts):
    """The places that a hash is made of, with the name "" for whole files."""
    found, left = set(), [sources._place(part) for part in parts]
    while left:
        place = left.pop()
        if place not in found and place[0] != sources.ROOT:
            found.add(place)
            left += sources._needs(*place)
    return {(module.removeprefix("gan_lessons."), name) for module, name in found}


def test_a_run_depends_on_its_networks_the_loop_and_the_data_it_uses():
    files = {module for module, name in places(wgan_gp.WGANGP) if not name}
    assert files >= {"networks.convolutions", "objectives.wgan", "training", "runs", "model"}
    assert "data.tensors" in files
    assert not {f for f in files if f.startswith(("metrics", "figures", "comparisons"))}
    assert not files & {"data.sets", "data", "objectives.dragan"}


def test_a_measure_depends_on_its_own_lines_and_on_the_metrics_in_them():
    found = places(objectives.measure_on_ring)
    assert {name for module, name in found if module == "comparisons.objectives"} == {
        "measure_on_ring",
        "ring_data",
    }
    assert ("metrics.points", "") in found
    assert not {module for module, _ in found if module.startswith("objectives.")}
    assert ("metrics.images", "") not in found


def test_a_package_stands_for_all_that_it_hands_on():
    assert {("metrics.images", ""), ("metrics.tables", "")} <= places(metrics)


# --- jobs and files ----------------------------------------------------------------------------


def job(number=1.0, settings=None, name="a"):
    settings = {"steps": 3} if settings is None else settings
    return Job("t", name, 0, settings, lambda: [{"number": number}], (wgan.WGAN,))


def run(path, jobs, *arguments):
    return command_line("a test", {"t": lambda: jobs}, path, list(arguments))


def test_rows_of_other_sources_are_made_again(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    run(path, [job(1.0)])
    run(path, [job(2.0)])
    (row,) = json.loads(path.read_text())["t"]
    assert row["number"] == 1.0, "it is there"
    assert row["sources"] == source_hash(wgan.WGAN)
    monkeypatch.setattr(making, "source_hash", lambda *_: "other")
    run(path, [job(2.0)])
    (row,) = json.loads(path.read_text())["t"]
    assert (row["number"], row["sources"]) == (2.0, "other")


def test_adopting_changes_nothing_but_the_hash(tmp_path, monkeypatch, capsys):
    path = tmp_path / "a.json"
    run(path, [job(1.0), job(3.0, name="b")])
    before = json.loads(path.read_text())
    monkeypatch.setattr(making, "source_hash", lambda *_: "other")
    assert run(path, [job(2.0)], "--adopt") == 0
    after = json.loads(path.read_text())
    assert [row["sources"] == "other" for row in after["t"]] == [True, False], "b was not asked for"
    for table in (before, after):
        for row in table["t"]:
            del row["sources"]
    assert after == before
    assert run(path, [job(settings={"steps": 4})], "--adopt") == 1
    assert "NO rows adopted" in capsys.readouterr().out


def test_what_is_out_of_date_is_said(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    run(path, [job(), job(name="b")])

    def faults(*jobs):
        return out_of_date({"t": lambda: jobs}, path)

    assert faults(job(), job(name="b")) == []
    assert faults(job(), job(settings={}, name="b")) == ["t: b, seed 0: made with other settings"]
    assert faults(job(), job(name="b"), job(name="c")) == ["t: c, seed 0: missing"]
    assert faults(job()) == ["t: b, seed 0: no job makes it"]
    monkeypatch.setattr(making, "source_hash", lambda *_: "other")
    assert faults(job(), job(name="b"))[0] == "t: a, seed 0: made by other sources"


def test_verifying_compares_numbers_not_hashes(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    run(path, [job()])
    monkeypatch.setattr(making, "source_hash", lambda *_: "other")
    assert run(path, [job()], "--verify") == 0
    assert run(path, [job(2.0)], "--verify") == 1
