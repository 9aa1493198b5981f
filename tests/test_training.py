"""The loop, and what stops it, on a model that is as small as can be."""

import dataclasses
import os
import random
import subprocess
import sys
import time
from typing import ClassVar

import numpy as np
import pytest
import torch

from gan_lessons import looks, training
from gan_lessons.data import ring
from gan_lessons.foundations import gan
from gan_lessons.objectives import wgan_gp
from gan_lessons.training import DivergedError, MonitorError, fit, load_run, resume
from tests.helpers import images, same
from tests.mutants import mutants, survivors

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
    now = run.model.generator.parameters()
    for mean, value in zip(run.averaged.generator.parameters(), now, strict=True):
        assert same(mean, value)


def test_only_what_samples_come_from_is_averaged():
    """A controller or a pool of past fakes has one value, the present one."""

    class Remembering(gan.GAN):
        def __init__(self, config):
            super().__init__(config)
            self.register_buffer("past", torch.zeros(3))

        def step(self, batch):
            self.past += 1
            return super().step(batch)

    run = short(steps=5, model_class=Remembering)
    assert same(run.model.past, torch.full((3,), 5.0))
    assert same(run.averaged.past, torch.zeros(3))
    assert int(run.averaged.steps_done) == 0, "it is never trained"


def test_the_loop_counts_and_a_schedule_can_read_it():
    class Scheduled(gan.GAN):
        seen: ClassVar[list] = []

        def step(self, batch):
            self.seen.append(int(self.steps_done))
            return super().step(batch)

    run = short(steps=7, model_class=Scheduled)
    assert Scheduled.seen == list(range(7))
    assert run.steps == int(run.model.steps_done) == 7
    assert run.model.steps_done.device.type == "cpu", "read without waiting for a device"


def test_bfloat16_runs_and_stays_close():
    exact, rough = short(steps=30), short(steps=30, precision="bfloat16")
    assert rough.history["generator_loss"].dtype == np.float32
    difference = abs(exact.history["generator_loss"] - rough.history["generator_loss"])
    assert 0 < difference.max() < 0.05


def test_autocast_is_for_forward_passes_only(monkeypatch):
    """PyTorch's documentation advises against it around the backward pass."""
    seen = set()

    class Asking(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.add(("forward", torch.is_autocast_enabled("cpu")))
            return x.view_as(x)

        @staticmethod
        def backward(ctx, slope):
            seen.add(("backward", torch.is_autocast_enabled("cpu")))
            return slope

    class Curious(wgan_gp.WGANGP):
        def __init__(self, config):
            super().__init__(config)
            self.discriminator.register_forward_hook(lambda *a: Asking.apply(a[-1]))

    config = wgan_gp.Config(latent_dim=3, hidden=(8,), batch_size=4, critic_steps=1, steps=2)
    fit(Curious, config, ring(n=200), device="cpu", progress=False, precision="bfloat16")
    assert seen == {("forward", True), ("backward", False)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, "choose one of float32, bfloat16"),
        ({"snapshots": -1}, "snapshots must be at least 0"),
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
    last = max(step for step in looks.moments(120, looks.MOMENTS) if step < 71)
    assert run.steps == last
    assert run.history["generator_loss"].shape == (last,)
    assert max(run.snapshot_steps) <= last
    assert len(run.snapshots) == len(run.snapshot_steps)
    assert run.sample(10).isfinite().all()
    resume(run, ring(n=200), progress=False)  # the 71st call is over; the run goes on
    np.testing.assert_array_equal(run.history["real_score"], short().history["real_score"])


def test_nothing_stands_twice_after_a_divergence():
    options = {"monitor": lambda run: {"steps": run.steps}, "monitor_every": 3, "snapshots": 5}
    with pytest.raises(DivergedError) as caught:
        short(model_class=Diverging, **options)
    run, whole = resume(caught.value.run, ring(n=200), progress=False, **options), short(**options)
    assert run.monitored == whole.monitored
    assert run.snapshot_steps == whole.snapshot_steps
    assert same(run.snapshots, whole.snapshots)
    assert {len(values) for values in run.history.values()} == {120}


def test_the_whole_state_is_copied_where_snapshots_are_and_not_more_often(monkeypatch):
    copied = []
    original = training.full_state
    monkeypatch.setattr(
        training, "full_state", lambda run: copied.append(run.steps) or original(run)
    )
    short(steps=1000)
    assert len(copied) <= looks.MOMENTS + 1


def test_an_interruption_loses_no_frame_and_repeats_none():
    """The frame that was due is taken when the run goes on, and the first one only once."""

    class Impatient(gan.GAN):
        def step(self, batch):
            if int(self.steps_done) in (0, 30) and not hasattr(self, f"was{int(self.steps_done)}"):
                setattr(self, f"was{int(self.steps_done)}", True)
                raise KeyboardInterrupt
            return super().step(batch)

    run = short(model_class=Impatient, snapshots=9)
    assert run.steps == 0
    resume(run, ring(n=200), progress=False, snapshots=9)
    assert run.steps == 30
    resume(run, ring(n=200), progress=False, snapshots=9)
    assert run.snapshot_steps == short(snapshots=9).snapshot_steps
    assert len(run.snapshots) == len(run.snapshot_steps)
    assert run.history["real_score"].shape == (120,)


def test_a_weight_that_is_not_finite_is_found():
    with pytest.raises(DivergedError, match="a weight was no longer finite") as caught:
        short(model_class=Poisoned)
    assert caught.value.run.steps == sorted(looks.moments(120, looks.MOMENTS))[-2]
    assert all(p.isfinite().all() for p in caught.value.run.model.parameters())


def test_resume_refuses_what_cannot_go_on():
    run = short(steps=10)
    with pytest.raises(ValueError, match="has done 10 steps already; pass a larger steps"):
        resume(run, ring(n=200))
    with pytest.raises(ValueError, match=r"trained on shape \(2,\), not \(1, 32, 32\)"):
        resume(run, images(), steps=20)
    with pytest.raises(TypeError, match="GAN takes TensorData, not str: try"):
        resume(run, "data", steps=20)
    assert run.config.steps == run.model.config.steps == 10, "a refusal changes nothing"


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 2.5}, r"config\.steps must be a whole number, but is 2\.5"),
        ({"steps": "many"}, r"config\.steps must be a number, not 'many' \(str\)"),
        ({"steps": True}, r"config\.steps must be a number, not True \(bool\)"),
        ({"batch_size": 0}, r"config\.batch_size must be at least 1"),
        ({"latent_dim": -3}, r"config\.latent_dim must be at least 1"),
        ({"generator_hidden": (8, 0)}, r"config\.generator_hidden\[1\] must be at least 1"),
        ({"generator_hidden": 8}, r"config\.generator_hidden must be a tuple, not 8 \(int\)"),
        ({"learning_rate": float("nan")}, r"config\.learning_rate must be finite, but is nan"),
        ({"learning_rate": -1.0}, r"config\.learning_rate must not be negative"),
        ({"average_decay": float("inf")}, r"config\.average_decay must be finite"),
        ({"average_decay": 1.0}, r"config\.average_decay must lie from 0 to below 1"),
        ({"betas": (0.5,)}, r"config\.betas must have 2 numbers"),
        ({"betas": (0.5, 1.5)}, r"config\.betas must lie from 0 to below 1"),
        ({"learning_rate": None}, r"config\.learning_rate must be a number, not None"),
    ],
)
def test_settings_that_no_training_can_have(changes, message):
    config = dataclasses.replace(CONFIG, **changes)
    with pytest.raises((TypeError, ValueError), match=message):
        fit(gan.GAN, config, ring(n=200), progress=False)


def test_numbers_of_numpy_and_torch_are_settings_seeds_and_measurements(tmp_path):
    config = dataclasses.replace(
        CONFIG, steps=np.int64(4), learning_rate=np.float32(1e-3), batch_size=torch.tensor(8)
    )
    numbers = {"a": np.float32(0.5), "b": torch.tensor(2.0), "c": np.int64(3), "d": torch.ones(1)}
    run = fit(
        gan.GAN, config, ring(n=200), seed=np.int64(3), monitor=lambda run: numbers, progress=False
    )
    assert type(run.config.steps) is type(run.seed) is int
    assert run.monitored["a"][-1] == 0.5
    again = load_run(run.save(tmp_path))
    assert again.monitored == run.monitored
    assert again.seed == 3


@pytest.mark.parametrize("seed", [1.5, "a", None, True, -1, 2**63, float("nan")])
def test_seeds_that_are_none(seed):
    with pytest.raises((TypeError, ValueError), match="seed must"):
        fit(gan.GAN, CONFIG, ring(n=200), seed=seed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snapshot": 3}, "There is no option snapshot; .* there are progress, snapshots"),
        ({"snapshots": 2.5}, "snapshots must be a whole number"),
        ({"monitor_every": 0}, "monitor_every must be at least 1"),
        ({"every": -1, "checkpoint": "x"}, "every must be at least 1"),
        ({"monitor": 3}, "monitor must be a function"),
    ],
)
def test_looks_that_cannot_be(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        short(**options)


def test_a_monitor_that_fails_keeps_the_run():
    def failing(run):
        if run.steps == 60:
            raise ZeroDivisionError("no class was covered")
        return {"steps": run.steps}

    with pytest.raises(MonitorError, match="at step 60: ZeroDivisionError: no class") as caught:
        short(monitor=failing, monitor_every=30)
    run = caught.value.run
    assert run.steps == len(run.history["real_score"]) == 60
    assert run.monitored["step"] == [30]
    resume(
        run, ring(n=200), monitor=lambda run: {"steps": run.steps}, monitor_every=30, progress=False
    )
    assert run.monitored["step"] == [30, 60, 90, 120]
    np.testing.assert_array_equal(run.history["real_score"], short().history["real_score"])


def test_a_monitor_that_returns_no_numbers_is_told_at_once():
    with pytest.raises(MonitorError, match="must return numbers by name, but picture is"):
        short(monitor=lambda run: {"picture": torch.zeros(3)}, monitor_every=30)


# --- checkpoints -------------------------------------------------------------------------------


def test_a_checkpoint_is_a_run_that_goes_on_bit_by_bit(tmp_path):
    class Crashing(gan.GAN):
        def step(self, batch):
            if int(self.steps_done) == 77:
                raise MemoryError("somebody else took it all")
            return super().step(batch)

    with pytest.raises(MemoryError):
        short(model_class=Crashing, checkpoint=tmp_path / "run", every=25)
    run = load_run(tmp_path / "run", Crashing, device="cpu")
    assert run.steps == len(run.history["real_score"]) == 75
    run.model.__class__ = gan.GAN
    resume(run, ring(n=200), checkpoint=tmp_path / "run", every=25, progress=False)
    whole = short()
    for name, values in whole.history.items():
        np.testing.assert_array_equal(run.history[name], values)
    assert same(run.sample(20, seed=3), whole.sample(20, seed=3))
    assert run.snapshot_steps == whole.snapshot_steps
    last = load_run(tmp_path / "run", device="cpu")
    assert last.finished
    assert same(last.sample(20, seed=3), whole.sample(20, seed=3))


KILLED = """
import sys
from gan_lessons.data import ring
from gan_lessons.training import fit, load_run, resume
from tests.test_training import CONFIG, gan
import dataclasses, pathlib
folder, steps = sys.argv[1], int(sys.argv[2])
data = ring(n=200)
options = {"checkpoint": folder, "every": 50, "progress": False, "snapshots": 5}
if pathlib.Path(folder, "run.safetensors").exists():
    run = load_run(folder, device="cpu")
    print("at", run.steps, flush=True)
    resume(run, data, **options)
else:
    print("at 0", flush=True)
    fit(gan.GAN, dataclasses.replace(CONFIG, steps=steps), data, device="cpu", **options)
print("done", flush=True)
"""


def test_a_killed_training_loses_one_interval_at_most(tmp_path, root):
    """`GAN_LESSONS_KILLS=50` for a long test."""
    kills, steps = int(os.environ.get("GAN_LESSONS_KILLS", "1")), 4000
    command = [sys.executable, "-c", KILLED, str(tmp_path / "run"), str(steps)]
    rng, reached = random.Random(0), 0
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            at = int(process.stdout.readline().split()[1])
            assert at >= reached, "a checkpoint went backwards, or was lost"
            assert at % 50 == 0
            time.sleep(rng.uniform(0.05, 0.6))
            process.kill()
            reached = at
    subprocess.run(command, check=True, cwd=root, stdout=subprocess.DEVNULL)
    run, whole = load_run(tmp_path / "run", device="cpu"), short(steps=steps, snapshots=5)
    for name, values in whole.history.items():
        np.testing.assert_array_equal(run.history[name], values)
    assert same(run.sample(20, seed=3), whole.sample(20, seed=3))
    left = {p.name for p in (tmp_path / "run").iterdir()}
    assert left == {"run.json", "run.safetensors"}, "leftovers of killed saves are swept"


MUTANTS = [
    *mutants(
        "training",
        (
            "the average keeps the weight of the new value, not of the old",
            "get_ema_multi_avg_fn(decay)",
            "get_ema_multi_avg_fn(1 - decay)",
            "test_averaged_weights_follow_the_formula",
        ),
        (
            "the seed is ignored",
            "with own_randomness(device, seed):",
            "with own_randomness(device, torch.seed()):",
            "test_same_seed_same_numbers_other_seed_other_numbers",
        ),
        (
            "everything that floats is averaged, also what the loop or a controller keeps",
            "getattr(m, name).state_dict() for name in model.sampled",
            "m.state_dict() for name in model.sampled",
            "test_only_what_samples_come_from_is_averaged",
        ),
        (
            "the whole state is copied every 50 steps",
            "if run.steps in kept:\n                good",
            "if run.steps % 50 == 0 or run.steps in kept:\n                good",
            "test_the_whole_state_is_copied_where_snapshots_are_and_not_more_often",
        ),
    ),
    *mutants(
        "looks",
        (
            "a look at the samples moves the random numbers of the training",
            "        with own_randomness(torch.device(run.device)):\n            _monitor",
            "        if True:\n            _monitor",
            "test_snapshots_and_monitor_do_not_change_the_training",
        ),
        (
            "the first frame is taken again when a run that never began goes on",
            "if run.steps in shown and run.steps not in run.snapshot_steps:",
            "if run.steps in shown:",
            "test_an_interruption_loses_no_frame_and_repeats_none",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
