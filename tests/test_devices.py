"""Devices, and whose random numbers are touched."""

import pytest
import torch

from gan_lessons import devices
from gan_lessons.data import ring
from gan_lessons.devices import own_randomness
from gan_lessons.foundations import gan
from gan_lessons.training import fit
from tests.helpers import same
from tests.mutants import mutants, survivors


class Accelerator:
    """What `torch.mps` and `torch.cuda` offer for random numbers, with a generator on the CPU."""

    def __init__(self):
        self.generator = torch.Generator()
        self.manual_seed = self.generator.manual_seed

    def _is_in_bad_fork(self):
        return False

    def get_rng_state(self, device=None):
        return self.generator.get_state()

    def set_rng_state(self, state, device=None):
        self.generator.set_state(state)


@pytest.fixture
def mps(monkeypatch):
    accelerator = Accelerator()
    for name in ("manual_seed", "get_rng_state", "set_rng_state", "_is_in_bad_fork"):
        monkeypatch.setattr(torch.mps, name, getattr(accelerator, name))
    return accelerator


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="has no 'cuda' device; use device='cpu'"):
        gan.train("smoke", ring(n=50), device="cuda")


def test_a_look_leaves_the_random_numbers_of_an_apple_gpu_alone(mps):
    """Seeding seeds that device, too: each look would start the noise of the training anew."""
    device = torch.device("mps")
    mps.manual_seed(7)
    torch.manual_seed(7)
    before = mps.get_rng_state(), torch.get_rng_state()
    with own_randomness(device, 3):
        first = torch.rand(2, generator=mps.generator), torch.rand(2)
    with own_randomness(device, 3):
        second = torch.rand(2, generator=mps.generator), torch.rand(2)
    assert all(map(same, first, second)), "the seed holds on both"
    assert all(map(same, (mps.get_rng_state(), torch.get_rng_state()), before))
    with pytest.raises(ZeroDivisionError), own_randomness(device, 3):
        1 / 0  # noqa: B018
    assert all(map(same, (mps.get_rng_state(), torch.get_rng_state()), before))


def test_the_state_of_an_apple_gpu_is_kept_and_comes_back(mps):
    device = torch.device("mps")
    state = devices.random_state(device)
    assert set(state) == {"cpu", "mps"}
    expected = torch.rand(3, generator=mps.generator)
    devices.set_random_state(state, device)
    assert same(torch.rand(3, generator=mps.generator), expected)


def test_a_training_on_the_cpu_leaves_other_devices_alone(mps):
    mps.manual_seed(7)
    before = mps.get_rng_state()
    fit(gan.GAN, gan.Config(steps=2), ring(n=50), device="cpu", progress=False)
    assert same(mps.get_rng_state(), before)


MUTANTS = mutants(
    "devices",
    (
        "the random numbers of an Apple GPU are neither kept nor given back",
        'state["mps"] = torch.mps.get_rng_state()',
        "pass",
        "test_a_look_leaves_the_random_numbers_of_an_apple_gpu_alone",
    ),
    (
        "every device of the machine is seeded, also those that belong to somebody else",
        "torch.default_generator.manual_seed(seed)",
        "torch.manual_seed(seed) and torch.mps.manual_seed(seed)",
        "test_a_training_on_the_cpu_leaves_other_devices_alone",
    ),
    (
        "an error leaves the caller with other random numbers",
        "    finally:\n        set_random_state",
        "    except ZeroDivisionError:\n        raise\n    else:\n        set_random_state",
        "test_a_look_leaves_the_random_numbers_of_an_apple_gpu_alone",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
