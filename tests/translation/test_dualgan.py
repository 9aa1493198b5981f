"""DualGAN: its equations, the slope of many patches, who judges whom, and the noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.objectives import wgan
from gan_lessons.translation import cyclegan, dualgan
from tests.helpers import same, two_domains
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over
from tests.two_way import (
    DISCRIMINATORS,
    GENERATORS,
    SHAPE,
    batch,
    check_who_translates_and_judges,
    judged,
    stubbed,
    translators_that_learn,
)

SMALL = dualgan.PRESETS["smoke"]


@pytest.fixture
def model():
    return dualgan.DualGAN(SMALL)


# --- equations ---------------------------------------------------------------------------------

taken_over(
    "DUAL-D",
    "WGAN-D",
    r"L_{D_Y} = \mathbb E_{x, z}\, D_Y(G(x, z)) - \mathbb E_y\, D_Y(y)",
)
taken_over("DUAL-CLIP", "WGAN-CLIP", r"w \leftarrow \min(\max(w, -c),\, c)")
taken_over(
    "DUAL-REC",
    "CYCLEGAN-CYCLE",
    r"L_{\text{rec}} = \mathbb E \bigl|F(G(x, z), z') - x\bigr| + \mathbb E \bigl|G(F(y, z'), z) "
    r"- y\bigr|",
)


@oracle(
    "DUAL-G",
    r"L = -\,\mathbb E_{x, z}\, D_Y(G(x, z)) - \mathbb E_{y, z'}\, D_X(F(y, z')) + \lambda "
    r"L_{\text{rec}}",
)
def dual_g(scores_x, scores_y, reconstruction, weight):
    return weight * reconstruction - scores_x.mean() - scores_y.mean()


@oracle(
    "DUAL-GP",
    r"P_Y = \mathbb E_{\hat y} \bigl( \lVert \nabla_{\hat y}\, \bar D_Y(\hat y) \rVert_2 - 1 "
    r"\bigr)^2, \qquad \bar D_Y = \frac1n \sum_{i=1}^n D_{Y,i}",
)
def dual_gp(weights, n):
    """For a critic whose n patches have scores w_i . y: the slope is that of their mean."""
    return (np.sqrt(np.square(weights.reshape(n, -1).sum(0) / n).sum()) - 1) ** 2


@oracle(
    "DUAL-PATCHES",
    r"\Bigl\lVert \nabla \sum_{i=1}^n D_{Y,i} \Bigr\rVert = 1 \quad \Longleftrightarrow \quad "
    r"\lVert \nabla\, \bar D_Y \rVert = \frac1n",
)
def slope_of_the_mean(n):
    """Where the sum of n patch scores has the slope 1."""
    return 1 / n


class LinearPatches(nn.Module):
    """D: n patches, each a linear function of the whole image."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights  # (n, pixels)

    def forward(self, images):
        return images.flatten(1) @ self.weights.T


@pytest.mark.parametrize("n", [1, 4, 9])
def test_the_penalty_is_on_the_slope_of_the_mean_score(n):
    real, fake = torch.rand(5, 3, 2, 2).double(), torch.rand(5, 3, 2, 2).double()

    def penalty(weights, n):
        norms = dualgan.slopes(LinearPatches(weights.view(n, 12)), real, fake)
        assert norms.shape == (5,)
        return dualgan.gradient_penalty(norms)

    check("DUAL-GP", penalty, weights=scores(12 * n), n=n)


@pytest.mark.parametrize("n", [4, 196])
def test_a_penalty_on_the_sum_of_patches_asks_for_a_tiny_slope(n):
    """The trap: the gradient of the sum has the slope 1, the score in use a slope of 1/n."""
    torch.manual_seed(0)
    weights = torch.randn(n, 12, dtype=torch.float64)
    weights /= weights.sum(0).norm()
    images = torch.rand(5, 3, 2, 2, dtype=torch.float64)
    of_the_sum = torch.func.vmap(torch.func.grad(lambda v: LinearPatches(weights)(v[None]).sum()))
    norms = of_the_sum(images).flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(5).double())
    used = dualgan.slopes(LinearPatches(weights), images, images.flip(0))
    np.testing.assert_allclose(used, slope_of_the_mean(n), rtol=1e-9)


def test_the_translators_step_is_on_the_sum(monkeypatch, model):
    def total(scores_x, scores_y, reconstruction, weight):
        model.config = replace(SMALL, cycle_weight=weight)
        losses = []
        model.discriminator_x.forward = lambda v: scores_x
        model.discriminator_y.forward = lambda v: scores_y
        monkeypatch.setattr(dualgan, "cycle_loss", lambda *parts: reconstruction)
        monkeypatch.setattr(dualgan, "update", lambda optimizer, loss: losses.append(loss))
        logged = model.generator_step(*batch())
        torch.testing.assert_close(logged["generator_loss"], -scores_x.mean() - scores_y.mean())
        return losses[0]

    maps = {"scores_x": scores(6), "scores_y": scores(8, seed=1)}
    check("DUAL-G", total, **maps, reconstruction=np.array(0.7), weight=100.0)


def test_a_weight_of_zero_leaves_the_reconstructions_out():
    model, passes = dualgan.DualGAN(replace(SMALL, cycle_weight=0.0)), []
    for network in (model.generator_xy, model.generator_yx):
        network.register_forward_hook(lambda *_: passes.append(1))
    assert set(model.generator_step(*batch())) == {"generator_loss"}
    assert len(passes) == 2


def test_the_losses_belong_to_others():
    assert dualgan.discriminator_loss is wgan.discriminator_loss
    assert dualgan.generator_loss is wgan.generator_loss
    assert dualgan.cycle_loss is cyclegan.cycle_loss


# --- a critic has no zero ----------------------------------------------------------------------


def test_a_constant_added_to_a_critic_changes_nothing():
    torch.manual_seed(0)
    plain, shifted = (dualgan.DualGAN(replace(SMALL, dropout=0.0)) for _ in range(2))
    shifted.load_state_dict(plain.state_dict())
    for critic in (shifted.discriminator_x, shifted.discriminator_y):
        critic.register_forward_hook(lambda _, inputs, scores: scores + 3.0)
    x, y = batch()
    losses = [m.discriminator_step(x, y)["discriminator_loss"] for m in (plain, shifted)]
    torch.testing.assert_close(*losses, atol=1e-5, rtol=0)
    for m in (plain, shifted):
        m.generator_step(x, y)
    pairs = zip(plain.generator_xy.parameters(), shifted.generator_xy.parameters(), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


# --- a step ------------------------------------------------------------------------------------


@pytest.fixture
def stub(monkeypatch):
    """Makes a model whose networks are known functions, and what its losses are given."""
    return lambda cls: stubbed(monkeypatch, cls(SMALL), dualgan, "cycle_loss")


def test_who_translates_what_and_who_judges_whom(stub):
    check_who_translates_and_judges(*stub(dualgan.DualGAN), "cycle_loss")


@pytest.mark.parametrize("cls", [dualgan.DualGAN, dualgan.DualGANGP])
def test_each_critic_sees_its_own_domain(stub, cls):
    model, given = stub(cls)
    x, y = batch()
    result = model.discriminator_step(x, y)
    expected = [(judged(x, 100), judged(y + 3, 100)), (judged(y, 200), judged(2 * x, 200))]
    for pair, wanted in zip(given["discriminator_loss"], expected, strict=True):
        torch.testing.assert_close(pair, wanted)
    gap = sum(fake.mean() - real.mean() for real, fake in expected)
    torch.testing.assert_close(result["discriminator_loss"], gap)
    torch.testing.assert_close(result["estimate"], -gap / 2)
    if cls is dualgan.DualGAN:
        torch.testing.assert_close(given["total"], gap)
    else:  # both critics have the slope 1 / sqrt(3072) everywhere
        penalty = 2 * (3072**-0.5 - 1) ** 2
        torch.testing.assert_close(given["total"], gap + 10 * penalty, rtol=1e-5, atol=1e-4)
        assert result["gradient_norm"].item() == pytest.approx(3072**-0.5, rel=1e-5)


@pytest.mark.parametrize("trip", [1, 3])
def test_each_reconstruction_moves_both_translators(trip, model, monkeypatch):
    learning = translators_that_learn(monkeypatch, model, dualgan, "cycle_loss", trip)
    assert learning == set(GENERATORS)


def test_all_weights_of_both_critics_are_clipped_after_every_step(model):
    limit = 1e-3
    model.config = replace(SMALL, clip=limit)
    model.discriminator_step(*batch())
    for name in GENERATORS + DISCRIMINATORS:
        largest = max(p.abs().max() for p in getattr(model, name).parameters())
        assert (largest <= limit) == name.startswith("discriminator"), name


def test_the_penalty_takes_the_place_of_clipping():
    model = dualgan.DualGANGP(replace(SMALL, clip=1e-6))
    model.discriminator_step(*batch())
    assert max(p.abs().max() for p in model.discriminator_x.parameters()) > 1e-3


def test_the_critics_train_several_times_on_other_samples(model):
    """The count begins anew in each step, and never depends on an epoch."""
    model.config = replace(SMALL, critic_steps=3)
    seen, data = [], two_domains(n=40, shape=SHAPE)
    for name in ("discriminator_step", "generator_step"):
        step = getattr(model, name)

        def watched(x, y, step=step, name=name):
            seen.append((name, x, y))
            return step(x, y)

        setattr(model, name, watched)
    size = SMALL.batch_size
    x, y = (torch.cat([values, values, values])[: 3 * size] for values in data.batch(size))
    x, y = x + torch.arange(3 * size).view(-1, 1, 1, 1), y - 0.1
    model.step(type(data.batch(1))(x, y))
    assert [name for name, *_ in seen] == ["discriminator_step"] * 3 + ["generator_step"]
    for k in range(3):
        assert same(seen[k][1], x[k * size : (k + 1) * size])
        assert same(seen[k][2], y[k * size : (k + 1) * size])
    assert all(map(same, seen[3][1:], seen[2][1:])), "x first for the translators, too"


def test_a_step_takes_enough_samples():
    config = replace(SMALL, critic_steps=4, batch_size=5)
    assert dualgan.DualGAN(config).samples_per_step == 20


# --- the networks, the noise, the numbers ------------------------------------------------------


def test_a_critic_has_no_normalisation_and_its_scores_are_of_one_image_alone(model):
    for critic in (model.discriminator_x, model.discriminator_y):
        assert not [m for m in critic.modules() if "Norm" in type(m).__name__]
        images = torch.rand(3, *SHAPE, requires_grad=True)
        (slope,) = torch.autograd.grad(critic(images)[0].sum(), images)
        assert slope[0].any()
        assert not slope[1:].any()


def test_a_score_is_no_probability(model):
    for critic in (model.discriminator_x, model.discriminator_y):
        nn.init.constant_(critic.layers[-1].bias, 5.0)
        assert critic(torch.rand(2, *SHAPE)).max() > 2


def test_the_noise_is_dropout_and_stays_on_in_samples(model):
    x, y = batch()
    for inputs in ({"x": x}, {"y": y}):
        assert not same(model.sample(**inputs), model.sample(**inputs))
    quiet = dualgan.DualGAN(replace(SMALL, dropout=0.0))
    assert same(quiet.sample(x=x), quiet.sample(x=x)), "without dropout there is no noise at all"


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_rate_is_the_share_that_is_dropped_and_not_the_share_that_is_kept(rate):
    model = dualgan.DualGAN(replace(SMALL, dropout=rate))
    layers = [m for m in model.generator_xy.modules() if isinstance(m, nn.Dropout)]
    assert layers
    for layer in layers:
        kept = layer(torch.ones(20_000)).count_nonzero().item() / 20_000
        assert kept == pytest.approx(1 - rate, abs=0.02)


def test_the_numbers_of_the_paper():
    config = dualgan.Config()
    assert 0.01 <= config.clip <= 0.1
    assert 2 <= config.critic_steps <= 4
    assert 100 <= config.cycle_weight <= 1000
    assert config.dropout == 0.5
    model = dualgan.DualGAN(SMALL)
    for name in model.optimizers:
        optimizer = getattr(model, name)
        assert isinstance(optimizer, torch.optim.RMSprop)
        assert all(group["momentum"] == 0 for group in optimizer.param_groups)


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = [
    *mutants(
        "translation.dualgan",
        (
            "DualGAN: the slope of the sum of patches is asked for, the mean is used",
            "critic(images).flatten(1).mean(1)",
            "critic(images).flatten(1).sum(1)",
            "test_the_penalty_is_on_the_slope_of_the_mean_score",
        ),
        (
            "DualGAN: clipping is defined and never called",
            "for critic in (self.discriminator_x, self.discriminator_y):\n            clip_weights",
            "for critic in ():\n            clip_weights",
            "test_all_weights_of_both_critics_are_clipped_after_every_step",
        ),
        (
            "DualGAN: the translators are clipped, too",
            "for critic in (self.discriminator_x, self.discriminator_y):\n            clip_weights",
            "for critic in self.children():\n            clip_weights",
            "test_all_weights_of_both_critics_are_clipped_after_every_step",
        ),
        (
            "DualGAN: only one critic is clipped",
            "for critic in (self.discriminator_x, self.discriminator_y):\n            clip_weights",
            "for critic in (self.discriminator_y,):\n            clip_weights",
            "test_all_weights_of_both_critics_are_clipped_after_every_step",
        ),
        (
            "DualGAN: the critics are trained once, whatever the setting says",
            "for x, y in zip(batch.x.split(size), batch.y.split(size), strict=True):",
            "for x, y in [(batch.x[:size], batch.y[:size])]:",
            "test_the_critics_train_several_times_on_other_samples",
        ),
        (
            "DualGAN: all updates of the critics see the same samples",
            "for x, y in zip(batch.x.split(size), batch.y.split(size), strict=True):",
            "for x, y in [(batch.x[:size], batch.y[:size])] * self.config.critic_steps:",
            "test_the_critics_train_several_times_on_other_samples",
        ),
        (
            "DualGAN: dropout is the noise, and is off in samples",
            "noise_on(generator)  # dropout is z, and stays on",
            "pass",
            "test_the_noise_is_dropout_and_stays_on_in_samples",
        ),
        (
            "DualGAN: the rate is taken for the share to keep",
            "settings = config.shape, config.width, config.dropout, config.skips",
            "settings = config.shape, config.width, 1 - config.dropout, config.skips",
            "test_the_rate_is_the_share_that_is_dropped_and_not_the_share_that_is_kept",
        ),
        (
            "DualGAN: batch normalisation in the critics",
            "config.width, config.halvings, norm=None)",
            "config.width, config.halvings)",
            "test_a_critic_has_no_normalisation_and_its_scores_are_of_one_image_alone",
        ),
        (
            "DualGAN: the critic of the source domain judges the translation",
            "scores_x, scores_y = self.discriminator_x(fake_x), self.discriminator_y(fake_y)",
            "scores_x, scores_y = self.discriminator_x(fake_y), self.discriminator_y(fake_x)",
            "test_who_translates_what_and_who_judges_whom",
        ),
        (
            "DualGAN: the reconstructions are compared with the wrong ends",
            "cycle_loss(x, x_again, y, y_again)\n",
            "cycle_loss(x, y_again, y, x_again)\n",
            "test_who_translates_what_and_who_judges_whom",
        ),
        (
            "DualGAN: the trip is made in the wrong order",
            "x_again, y_again = self.generator_yx(fake_y), self.generator_xy(fake_x)",
            "x_again, y_again = self.generator_xy(fake_y), self.generator_yx(fake_x)",
            "test_who_translates_what_and_who_judges_whom",
        ),
        (
            "DualGAN: half of each trip learns nothing",
            "self.generator_yx(fake_y), self.generator_xy(fake_x)",
            "self.generator_yx(fake_y.detach()), self.generator_xy(fake_x.detach())",
            "test_each_reconstruction_moves_both_translators",
        ),
        (
            "DualGAN: momentum beside clipping: Adam for the critics",
            "self.discriminator_optimizer = rmsprop(critics, config.learning_rate)",
            "self.discriminator_optimizer = torch.optim.Adam(critics.parameters())",
            "test_the_numbers_of_the_paper",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(dualgan))
