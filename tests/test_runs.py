"""A run: sampling from it, saving it, loading it."""

import dataclasses
import json
import random

import numpy as np
import pytest
import torch

from gan_lessons import files
from gan_lessons.data import ring, to_bytes
from gan_lessons.foundations import dcgan, gan
from gan_lessons.training import fit, load_run, resume
from tests.helpers import images, same
from tests.mutants import mutants, survivors
from tests.test_training import CONFIG, short

# --- sampling ---


def test_sampling_is_seeded_chunked_and_bounded():
    run = short(steps=10)
    assert same(run.sample(30, seed=1), run.sample(30, seed=1))
    assert not same(run.sample(30), run.sample(30))
    assert run.sample(30, chunk=7).shape == (30, 2)
    with pytest.raises(ValueError, match="n must be at least 1"):
        run.sample(0)
    with pytest.raises(ValueError, match="z has 5 rows, but n is 6"):
        run.sample(6, z=torch.zeros(5, 3))


def test_sampling_leaves_the_modes_of_the_model_alone():
    run = short(steps=10)
    run.averaged.train()
    run.averaged.generator.layers[0].eval()
    run.sample(5)
    assert run.averaged.generator.training
    assert not run.averaged.generator.layers[0].training


def test_to_bytes():
    values = torch.tensor([-1.0, 0.0, 1.0, 1.2, -7.0]).reshape(5, 1, 1, 1)
    assert to_bytes(values).flatten().tolist() == [0, 128, 255, 255, 0]
    points = torch.randn(4, 2)
    assert same(to_bytes(points), points)


# --- saving ---


def test_saved_and_loaded_is_the_same_run(tmp_path):
    run = short(monitor=lambda run: {"one": 1.0})
    again = load_run(run.save(tmp_path / "run"), device="cpu")
    assert same(again.sample(20, seed=3), run.sample(20, seed=3))
    assert again.config == run.config
    assert same(again.snapshots, run.snapshots)
    assert again.snapshot_steps == run.snapshot_steps
    assert again.monitored == run.monitored
    assert again.summary() == run.summary()
    for name, values in run.history.items():
        np.testing.assert_array_equal(again.history[name], values)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["steps"] == 120
    assert facts["config"]["latent_dim"] == 3
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"run.json", "run.safetensors"}


def test_resumed_after_loading_equals_never_interrupted(tmp_path):
    half = short(steps=60)
    half.save(tmp_path)
    loaded = load_run(tmp_path, device="cpu")
    resume(loaded, ring(n=200), steps=120, progress=False)
    whole = short()
    for name, values in whole.history.items():
        np.testing.assert_array_equal(loaded.history[name], values)
    assert same(loaded.sample(20, seed=3), whole.sample(20, seed=3))


def test_convolutions_go_on_after_loading_as_if_never_interrupted(tmp_path):
    """Their weights lie channels last in memory, and so must what Adam remembers of them."""
    data, config = images(), dataclasses.replace(dcgan.PRESETS["smoke"], steps=2, batch_size=8)
    fit(dcgan.DCGAN, config, data, device="cpu", progress=False).save(tmp_path)
    loaded = load_run(tmp_path, device="cpu")
    resume(loaded, data, steps=4, progress=False)
    config = dataclasses.replace(config, steps=4)
    whole = fit(dcgan.DCGAN, config, data, device="cpu", progress=False)
    for name, values in whole.model.state_dict().items():
        assert same(loaded.model.state_dict()[name], values), name


def test_more_steps_are_known_to_the_model():
    """A schedule over all steps is stretched."""
    run = short(steps=10)
    resume(run, ring(n=200), steps=20, progress=False)
    assert run.config.steps == run.model.config.steps == run.averaged.config.steps == 20


def test_an_interrupted_save_leaves_the_old_run(tmp_path, monkeypatch):
    run = short(steps=10)
    run.save(tmp_path)
    before = (tmp_path / "run.safetensors").read_bytes()

    def half_a_file(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(files, "save_file", half_a_file)
    with pytest.raises(OSError, match="disk full"):
        run.save(tmp_path)
    assert (tmp_path / "run.safetensors").read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"run.json", "run.safetensors"}


def test_a_folder_may_be_in_the_readers_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run = short(steps=10)
    assert run.save("~/runs/one") == tmp_path / "runs" / "one"
    assert load_run("~/runs/one", device="cpu").steps == 10


# --- what a file must not do -------------------------------------------------------------------


def rewritten(folder, change, name="run.safetensors"):
    """The saved run again, complete and with a right checksum, with other facts."""
    tensors, facts = files.read_tensors(folder / name)
    change(facts)
    files.write_tensors(folder / name, tensors, facts)


def test_a_run_file_never_runs_anything(tmp_path):
    """The class of the settings was looked up by any path of attributes, and called."""
    short(steps=10).save(tmp_path)
    witness = tmp_path / "executed"
    for name in (
        "gan_lessons.runs:os.system",
        "gan_lessons.files:os.system",
        "gan_lessons.runs:json.loads",
        "os:system",
        "subprocess:run",
        "gan_lessons.runs:load_run",
        "gan_lessons.runs:Run",
        "gan_lessons.foundations.gan:train",
        "gan_lessons.foundations.gan:Settings",
        "gan_lessons.nowhere:Config",
        "gan_lessons.foundations.gan:",
        ":",
    ):

        def change(facts, name=name):
            facts["config_class"], facts["config"] = name, {"command": f"touch {witness}"}

        rewritten(tmp_path, change)
        refused = "neither a model nor the settings|not part of gan_lessons|No module|no settings"
        with pytest.raises(ValueError, match=refused):
            load_run(tmp_path)
    assert not witness.exists()


@pytest.mark.parametrize("key", ["config_class", "model_class"])
def test_only_models_and_settings_of_the_package_are_built(tmp_path, key):
    short(steps=10).save(tmp_path)
    rewritten(tmp_path, lambda facts: facts.update({key: "tests.test_runs:Own"}))
    with pytest.raises(ValueError, match=r"pass it: load_run\(folder, model_class\)"):
        load_run(tmp_path)


@dataclasses.dataclass(frozen=True)
class OwnConfig(gan.Config):
    taste: float = 0.5  # a setting of the reader's


class Own(gan.GAN):
    """A model that a reader has written."""


def test_a_run_of_the_readers_own_class_is_loaded_with_it(tmp_path):
    config = OwnConfig(**vars(CONFIG) | {"steps": 5})
    run = fit(Own, config, ring(n=200), device="cpu", progress=False)
    run.save(tmp_path)
    again = load_run(tmp_path, Own, device="cpu")
    assert type(again.model) is Own
    assert again.config == dataclasses.replace(config, shape=(2,))
    assert same(again.sample(20, seed=3), run.sample(20, seed=3))


# --- damaged and foreign files -----------------------------------------------------------------


def test_loading_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"write one with run\.save"):
        load_run(tmp_path)
    (tmp_path / "run.safetensors").write_bytes(b"not a run")
    with pytest.raises(ValueError, match=r"run\.safetensors is damaged, or was not written by gan"):
        load_run(tmp_path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a small saved run, and its samples."""
    folder = tmp_path_factory.mktemp("saved")
    run = short(steps=10, snapshots=2)
    run.save(folder)
    return (folder / "run.safetensors").read_bytes(), run.sample(5, seed=0)


@pytest.mark.parametrize("kind", ["flipped", "cut", "longer", "zeroed", "exchanged"])
def test_every_damage_is_noticed_and_named(saved, tmp_path, kind):
    """500 damaged files in all: each is refused with its path, or is as good as new."""
    whole, samples = saved
    path = tmp_path / "run.safetensors"
    rng = random.Random(kind)
    for _ in range(100):
        data = bytearray(whole)
        place = rng.randrange(len(data))
        if kind == "flipped":
            data[place] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del data[place:]
        elif kind == "longer":
            data[place:place] = rng.randbytes(rng.randrange(1, 20))
        elif kind == "zeroed":
            data[place : place + rng.randrange(1, 200)] = b"\0"
        else:
            other = rng.randrange(len(data))
            data[place], data[other] = data[other], data[place]
        path.write_bytes(data)
        try:
            run = load_run(tmp_path, device="cpu")
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017 - what is loaded is right, too
        else:
            assert same(run.sample(5, seed=0), samples), "loaded with other weights"


def test_another_version_says_what_it_cannot_read(tmp_path):
    short(steps=10).save(tmp_path)

    def older(facts):
        facts["version"] = "0.0.1"
        facts["config"].pop("betas")
        facts["config"]["momentum"] = 0.9

    rewritten(tmp_path, older)
    with pytest.raises(
        ValueError, match=r"knows no settings momentum.*written by gan_lessons 0\.0\.1"
    ):
        load_run(tmp_path)
    rewritten(tmp_path, lambda facts: facts["config"].pop("momentum"))
    with pytest.raises(ValueError, match=r"does not have the settings betas.*With that version"):
        load_run(tmp_path)


MUTANTS = [
    *mutants(
        "runs",
        (
            "the optimiser's moments are not saved",
            "        optimizer.load_state_dict(_unpack_optimizer(facts, groups, name))\n",
            "        pass\n",
            "test_resumed_after_loading_equals_never_interrupted",
        ),
        (
            "what Adam remembers lies in another order than the weights",
            "        _lay_out_like_parameters(optimizer)\n",
            "",
            "test_convolutions_go_on_after_loading_as_if_never_interrupted",
        ),
    ),
    *mutants(
        "names",
        (
            "a file may name anything in the package, also what the package has imported",
            'raise ValueError(f"{name} is neither',
            'print(f"{name} is neither',
            "test_a_run_file_never_runs_anything",
        ),
        (
            "a file may name any module",
            'module.startswith("gan_lessons.")',
            "module",
            "test_only_models_and_settings_of_the_package_are_built",
        ),
    ),
    *mutants(
        "files",
        (
            "the checksum is written and never compared",
            "    if found != expected:",
            "    if False:",
            "test_every_damage_is_noticed_and_named",
        ),
        (
            "a half-written file takes the place of the whole one",
            "        yield fresh\n",
            "        yield path\n",
            "test_an_interrupted_save_leaves_the_old_run",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
