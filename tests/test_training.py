"""The loop, the run, saving and resuming, on a model that is as small as can be."""

import dataclasses
import json
from typing import ClassVar

import numpy as np
import pytest
import torch

from gan_lessons import runs, training
from gan_lessons.data import ring
from gan_lessons.foundations import dcgan, gan
from gan_lessons.training import DivergedError, fit, load_run, resume
from tests.helpers import images, same

CONFIG = gan.Config(
    shape=(2,),
    latent_dim=3,
    generator_hidden=(8,),
    discriminator_hidden=(8,),
    batch_size=16,
    steps=120,
)


def short(steps=120, model_class=gan.GAN, **options):
    config = dataclasses.replace(CONFIG, steps=steps)
    return fit(model_class, config, ring(n=200), device="cpu", progress=False, **options)


class Stopping(gan.GAN):
    """Somebody presses the stop button in the 71st step."""

    def step(self, batch):
        self.count = getattr(self, "count", 0) + 1
        if self.count == 71:
            raise KeyboardInterrupt
        return super().step(batch)


class Diverging(gan.GAN):
    """A loss that is not finite in the 71st step."""

    def step(self, batch):
        self.count = getattr(self, "count", 0) + 1
        losses = super().step(batch)
        if self.count == 71:
            losses["generator_loss"] = losses["generator_loss"] * float("nan")
        return losses


class Poisoned(gan.GAN):
    """A weight that is not finite after the last step, while all losses were."""

    def step(self, batch):
        losses = super().step(batch)
        self.count = getattr(self, "count", 0) + 1
        if self.count == 120:
            with torch.no_grad():
                self.generator.layers[0].weight[0, 0] = float("inf")
        return losses


# --- choices ---


def test_budget_comes_from_the_environment(monkeypatch):
    for name in ("smoke", "cpu", "gpu", " GPU "):
        monkeypatch.setenv("GAN_LESSONS_BUDGET", name)
        assert training.budget() == name.strip().lower()
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "huge")
    with pytest.raises(ValueError, match="set it to one of smoke, cpu, gpu"):
        training.budget()


def test_budget_without_the_variable_comes_from_the_device(monkeypatch):
    monkeypatch.delenv("GAN_LESSONS_BUDGET")
    monkeypatch.setattr(training, "pick_device", lambda: torch.device("cpu"))
    assert training.budget() == "cpu"
    monkeypatch.setattr(training, "pick_device", lambda: torch.device("cuda"))
    assert training.budget() == "gpu"


def test_preset_takes_a_config_a_name_or_the_budget(monkeypatch):
    config = gan.Config(steps=3)
    assert training.preset(config, gan.PRESETS) is config
    assert training.preset("gpu", gan.PRESETS) is gan.PRESETS["gpu"]
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    assert training.preset(None, gan.PRESETS) is gan.PRESETS["smoke"]


def test_preset_says_what_there_is():
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        training.preset("fast", gan.PRESETS)
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.foundations\.gan\.Config"):
        training.preset({"steps": 3}, gan.PRESETS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="has no 'cuda' device; use device='cpu'"):
        gan.train(CONFIG, ring(n=50), device="cuda")


# --- the loop ---


def test_a_run_is_complete():
    run = short(snapshots=5)
    assert run.finished
    assert run.steps == 120
    assert set(run.history) == {"discriminator_loss", "generator_loss", "real_score", "fake_score"}
    assert all(values.shape == (120,) for values in run.history.values())
    assert run.snapshot_steps[0] == 0
    assert run.snapshot_steps[-1] == 120
    assert run.snapshots.shape == (len(run.snapshot_steps), 64, 2)
    assert run.config.shape == (2,)
    for part in ("120 steps", "cpu", "seed 0", run.data_name):
        assert part in run.summary()


def test_same_seed_same_numbers_other_seed_other_numbers():
    a, b, c = short(seed=4), short(seed=4), short(seed=5)
    for name in a.history:
        np.testing.assert_array_equal(a.history[name], b.history[name])
    assert same(a.snapshots, b.snapshots)
    assert not np.array_equal(a.history["generator_loss"], c.history["generator_loss"])


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    short(steps=10)
    assert same(torch.rand(3), expected)


def test_snapshots_and_monitor_do_not_change_the_training():
    seen = []

    def monitor(run):
        seen.append(run.steps)
        return {"spread": float(run.sample(50).std())}

    plain = short(snapshots=0)
    watched = short(snapshots=20, monitor=monitor, monitor_every=30)
    assert plain.snapshots is None
    np.testing.assert_array_equal(plain.history["real_score"], watched.history["real_score"])
    assert seen == watched.monitored["step"] == [30, 60, 90, 120]
    assert all(value > 0 for value in watched.monitored["spread"])


def test_averaged_weights_follow_the_formula():
    class Recording(gan.GAN):
        weights: ClassVar[list] = []

        def step(self, batch):
            losses = super().step(batch)
            self.weights.append(self.generator.layers[0].weight.detach().double().numpy().copy())
            return losses

    run = fit(Recording, dataclasses.replace(CONFIG, steps=40, average_decay=0.7), ring(n=200))
    torch.manual_seed(run.seed)
    mean = gan.GAN(run.config).generator.layers[0].weight.detach().double().numpy()
    for step, weight in enumerate(Recording.weights, start=1):
        decay = min(0.7, step / (step + 10))
        mean = decay * mean + (1 - decay) * weight
    averaged = run.averaged.generator.layers[0].weight.detach().numpy()
    np.testing.assert_allclose(averaged, mean, atol=1e-6)


def test_decay_zero_averages_nothing():
    run = fit(gan.GAN, dataclasses.replace(CONFIG, steps=20, average_decay=0.0), ring(n=200))
    for mean, value in zip(run.averaged.parameters(), run.model.parameters(), strict=True):
        assert same(mean, value)


def test_bfloat16_runs_and_stays_close():
    exact, rough = short(steps=30), short(steps=30, precision="bfloat16")
    assert rough.history["generator_loss"].dtype == np.float32
    difference = abs(exact.history["generator_loss"] - rough.history["generator_loss"])
    assert 0 < difference.max() < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, "choose one of float32, bfloat16"),
        ({"snapshots": -1}, "snapshots must not be negative"),
        ({"steps": 0}, r"config\.steps must be at least 1"),
    ],
)
def test_bad_loop_options(options, message):
    with pytest.raises(ValueError, match=message):
        short(**options)


# --- what stops a run ---


def test_stopping_keeps_the_run_and_resume_finishes_it(capsys):
    run = short(model_class=Stopping)
    assert "Stopped at step 70 of 120" in capsys.readouterr().out
    assert run.steps == 70
    assert not run.finished
    assert run.history["generator_loss"].shape == (70,)
    assert "70 of 120 steps" in run.summary()
    resume(run, ring(n=200), progress=False)
    reference = short()
    before = slice(0, 70)
    np.testing.assert_array_equal(
        run.history["real_score"][before], reference.history["real_score"][before]
    )
    assert run.history["real_score"].shape == (120,)
    assert run.snapshot_steps == reference.snapshot_steps
    assert run.finished


def test_a_diverged_run_says_where_and_keeps_the_last_good_state():
    with pytest.raises(DivergedError, match="at step 71 generator_loss") as caught:
        short(model_class=Diverging)
    run = caught.value.run
    assert run.steps == 50
    assert run.history["generator_loss"].shape == (50,)
    assert max(run.snapshot_steps) <= 50
    assert len(run.snapshots) == len(run.snapshot_steps)
    assert run.sample(10).isfinite().all()
    resume(run, ring(n=200), progress=False)  # the 71st call is over; the run goes on
    np.testing.assert_array_equal(run.history["real_score"], short().history["real_score"])


def test_a_weight_that_is_not_finite_is_found():
    with pytest.raises(DivergedError, match="a weight was no longer finite") as caught:
        short(model_class=Poisoned)
    assert caught.value.run.steps == 100
    assert all(p.isfinite().all() for p in caught.value.run.model.parameters())


def test_resume_refuses_what_cannot_go_on():
    run = short(steps=10)
    with pytest.raises(ValueError, match="has done 10 steps already; pass a larger steps"):
        resume(run, ring(n=200))
    with pytest.raises(ValueError, match=r"trained on shape \(2,\), not \(1, 32, 32\)"):
        resume(run, images(), steps=20)


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
    run.averaged.discriminator.eval()
    run.sample(5)
    assert run.averaged.generator.training
    assert not run.averaged.discriminator.training


def test_to_bytes():
    values = torch.tensor([-1.0, 0.0, 1.0, 1.2, -7.0]).reshape(5, 1, 1, 1)
    assert training.to_bytes(values).flatten().tolist() == [0, 128, 255, 255, 0]
    points = torch.randn(4, 2)
    assert same(training.to_bytes(points), points)


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

    monkeypatch.setattr(runs, "save_file", half_a_file)
    with pytest.raises(OSError, match="disk full"):
        run.save(tmp_path)
    assert (tmp_path / "run.safetensors").read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"run.json", "run.safetensors"}


def test_loading_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"write one with run\.save"):
        load_run(tmp_path)
    short(steps=10).save(tmp_path)
    path = tmp_path / "run.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged or is not a saved run"):
        load_run(tmp_path)


def test_a_saved_run_cannot_choose_what_is_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_name_of", lambda cls: "os:system")
    short(steps=10).save(tmp_path)
    with pytest.raises(ValueError, match="is not part of gan_lessons"):
        load_run(tmp_path)
