"""BiGAN's networks trained without its game: each loss moves what it should, and nothing else."""

import copy
from dataclasses import replace

import pytest
import torch

from gan_lessons.comparisons import encoders
from gan_lessons.data import Batch, digits
from gan_lessons.evaluation.codes import encode
from gan_lessons.latent import bigan

SMALL = replace(bigan.PRESETS["smoke"], batch_size=8, latent_dim=4, steps=3)
TEST = digits("test").subset(slice(60))


@pytest.fixture(scope="module")
def runs():
    data = digits("train").subset(slice(200))
    return {name: encoders.train(name, data, config=SMALL) for name in encoders.WAYS}


def test_regression_loss_by_hand():
    z, recovered = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.zeros(2, 2)
    assert encoders.regression_loss(z, recovered).item() == pytest.approx((1 + 4) / 4)
    assert encoders.regression_loss(z, z) == 0


def moved(model, step):
    """The names of the networks that one step changes."""
    before = copy.deepcopy(model)
    step()
    return {
        name
        for name, network in model.named_children()
        for a, b in zip(network.parameters(), getattr(before, name).parameters(), strict=True)
        if not torch.equal(a, b)
    }


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("latent regressor", {"generator", "encoder", "discriminator"}),
        ("autoencoder", {"generator", "encoder"}),
    ],
)
def test_a_step_moves_all_players(name, wanted):
    torch.manual_seed(0)
    model = encoders.WAYS[name](SMALL)
    batch = Batch(torch.rand(8, 1, 32, 32) * 2 - 1, None)
    assert moved(model, lambda: model.step(batch)) == wanted


def test_the_regressor_never_sees_a_real_sample_and_leaves_the_generator_alone(monkeypatch):
    torch.manual_seed(0)
    model = encoders.LatentRegressor(SMALL)
    seen, regressed = [], []
    model.encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    monkeypatch.setattr(
        encoders, "regression_loss", lambda z, r: regressed.append(r) or (z - r).square().mean()
    )
    real = torch.rand(8, 1, 32, 32) * 2 - 1
    model.step(Batch(real, None))
    (x,) = seen
    assert not torch.equal(x, real)
    assert not x.requires_grad, "the regression must not move the generator"
    assert regressed[0].shape == (8, SMALL.latent_dim)


def test_one_step_of_the_autoencoder_lowers_the_error():
    torch.manual_seed(0)
    model = encoders.Autoencoder(SMALL)
    batch = Batch(TEST.floats()[:8], None)
    losses = [model.step(batch)["reconstruction_loss"].item() for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", encoders.WAYS)
def test_codes_are_what_sample_takes(runs, name):
    run = runs[name]
    found = encode(run, TEST.floats()[:5])
    assert found.shape == (5, SMALL.latent_dim)
    assert run.sample(5, z=found).shape == (5, *TEST.shape)


def test_a_fresh_encoder_for_a_generator():
    run = bigan.train(replace(SMALL, width=8), TEST, progress=False, snapshots=0)
    before = {k: v.clone() for k, v in run.averaged.state_dict().items()}
    short, long = (encoders.regress(run, steps) for steps in (1, 120))
    after = run.averaged.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before), "the run is left alone"
    z = torch.randn(64, SMALL.latent_dim, generator=torch.Generator().manual_seed(1))
    assert torch.equal(run.sample(64, z=z), long.sample(64, z=z)), "the generator is the same"
    images = run.sample(64, z=z)
    missed = [encoders.regression_loss(z, encode(r, images)).item() for r in (short, long)]
    assert missed[1] < missed[0]
    with pytest.raises(ValueError, match="steps must be at least 1"):
        encoders.regress(run, 0)


def test_the_same_seed_gives_the_same_encoder():
    run = bigan.train(SMALL, TEST, progress=False, snapshots=0)
    codes = [encode(encoders.regress(run, 2, seed=s), TEST.floats()) for s in (0, 0, 1)]
    assert torch.equal(codes[0], codes[1])
    assert not torch.equal(codes[0], codes[2])


class Exact:
    """A run that redraws exactly."""

    device = "cpu"

    def __init__(self, images):
        self.images, self.averaged = images, self

    def encode(self, x):
        return x.flatten(1)

    def sample(self, n, z=None, **_):
        return self.images[:n] if z is None else z.view(-1, *self.images.shape[1:])


def test_exact_copies_are_as_sharp_as_the_real_ones():
    run = Exact(TEST.floats())
    found = encoders.measure_sharpness(run, TEST)
    assert found == pytest.approx({"redrawn_sharpness": 1, "drawn_sharpness": 1})
