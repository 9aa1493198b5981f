"""ClusterGAN with the critic of its paper: the losses of the step, and what each update moves."""

import copy
from dataclasses import replace

import pytest
import torch

from gan_lessons.comparisons import published
from gan_lessons.data import Batch, digits
from gan_lessons.evaluation.codes import encode
from gan_lessons.latent import clustergan

SMALL = replace(published.Config(), width=4, batch_size=8, latent_dim=4, critic_steps=2, steps=3)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return published.Published(SMALL)


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


def test_the_settings_are_the_papers():
    config, chapter = published.Config(), clustergan.PRESETS["cpu"]
    assert (config.noise_scale, config.class_weight, config.penalty_weight) == (0.1, 10, 10)
    assert (config.critic_steps, config.bend, config.stroke) == (5, 0, 0)
    assert config.noise_weight * config.latent_dim == pytest.approx(10), "for a mean over d_n"
    same = ("latent_dim", "width", "learning_rate", "batch_size", "steps", "classes")
    assert all(getattr(config, name) == getattr(chapter, name) for name in same)


def test_each_update_moves_its_own_networks(model):
    real = torch.rand(8, 1, 32, 32) * 2 - 1
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_encoder_step(8)) == {"generator", "encoder"}


def test_the_critic_has_no_batch_normalisation(model):
    x = torch.rand(8, 1, 32, 32) * 2 - 1
    alone = torch.cat([model.discriminator(row[None]) for row in x])
    assert torch.allclose(model.discriminator(x), alone, atol=1e-5)


def test_the_losses_are_the_critics_and_the_papers(model, monkeypatch):
    seen = {}
    monkeypatch.setattr(published, "update", lambda _, loss: seen.update(loss=loss))
    monkeypatch.setattr(published, "generator_loss", lambda s: seen.update(s=s) or -s.mean())
    logged = model.generator_encoder_step(8)
    assert logged["generator_loss"] == -seen["s"].mean()
    parts = logged["noise_loss"] / 3 + 10 * logged["class_loss"]
    assert torch.allclose(seen["loss"], logged["generator_loss"] + parts)


def test_the_critic_learns_from_samples_of_its_own_in_every_update(model, monkeypatch):
    seen = []
    monkeypatch.setattr(
        model, "discriminator_step", lambda real: seen.append(real) or {"estimate": real.mean()}
    )
    batch = Batch(torch.rand(16, 1, 32, 32) * 2 - 1, None)
    assert set(model.step(batch)) == {"estimate", "generator_loss", "noise_loss", "class_loss"}
    assert torch.equal(torch.cat(seen), batch.x)
    assert model.samples_per_step == len(batch.x)


def test_a_run_has_codes_that_sample_takes():
    data = digits("train").subset(slice(100))
    run = published.train(data, config=SMALL)
    found = encode(run, data.floats()[:5])
    assert run.sample(5, z=found).shape == (5, 1, 32, 32)
    assert (found[:, SMALL.latent_dim :].sum(dim=1) - 1).abs().max() < 1e-5
