"""CoGAN: its equations against oracles, what ties the two games, samples of either domain."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import Batch
from gan_lessons.latent import cogan
from tests.helpers import same, two_domains
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid

SMALL = cogan.PRESETS["smoke"]
QUIET = {"device": "cpu", "progress": False}


@pytest.fixture
def model():
    return cogan.CoGAN(SMALL)


# --- equations ---------------------------------------------------------------------------------


@oracle(
    "COGAN-V",
    r"V = \sum_{i=1}^{2} \mathbb E_{x_i} \log \sigma(D_i(x_i)) + \mathbb E_z \log\bigl(1 - "
    r"\sigma(D_i(G_i(z)))\bigr)",
)
def value(real_scores, fake_scores):
    """The paper's sum of two values, in probabilities."""
    total = 0.0
    for real, fake in zip(sigmoid(real_scores), sigmoid(fake_scores), strict=True):
        total += np.log(real).mean() + np.log(1 - fake).mean()
    return total


@oracle(
    "COGAN-D",
    r"L_D = \sum_{i=1}^{2} \mathbb E_{x_i} \operatorname{softplus}(-D_i(x_i)) + \mathbb E_z "
    r"\operatorname{softplus}(D_i(G_i(z)))",
)
def cogan_d(real_scores, fake_scores):
    (r1, r2), (f1, f2) = real_scores, fake_scores
    softplus = [np.logaddexp(0, t).sum() / t.size for t in (-r1, f1, -r2, f2)]
    return softplus[0] + softplus[1] + softplus[2] + softplus[3]


@oracle("COGAN-G", r"L_G = \sum_{i=1}^{2} \mathbb E_z \operatorname{softplus}(-D_i(G_i(z)))")
def cogan_g(fake_scores):
    return sum(np.logaddexp(0, -row).sum() / row.size for row in fake_scores)


def rows(n, seed=0):
    return scores(2 * n, seed=seed).reshape(2, n)


def test_discriminator_loss():
    check("COGAN-D", cogan.discriminator_loss, real_scores=rows(6), fake_scores=rows(9, seed=1))


def test_generator_loss():
    check("COGAN-G", cogan.generator_loss, fake_scores=rows(7))


def test_the_discriminators_maximise_the_value_of_the_paper():
    def minus_loss(real_scores, fake_scores):
        return -cogan.discriminator_loss(real_scores, fake_scores)

    check("COGAN-V", minus_loss, real_scores=rows(5), fake_scores=rows(5, seed=1))


@oracle(
    "COGAN-OPT",
    r"\min_{D_1, D_2} L_D = 4 \log 2 - 2 \operatorname{JSD}(p_1 \parallel p_{g_1}) - 2 "
    r"\operatorname{JSD}(p_2 \parallel p_{g_2})",
)
def least_loss(real, fake):
    """4 log 2 minus twice the two Jensen-Shannon divergences; rows are distributions."""
    total = 4 * np.log(2)
    for p, q in zip(real, fake, strict=True):
        middle = (p + q) / 2
        total -= (p * np.log(p / middle)).sum() + (q * np.log(q / middle)).sum()
    return total


def test_the_least_loss_of_the_discriminators():
    real = np.array([[1, 2, 5], [3, 3, 2]])  # how often each of three images comes
    fake = np.array([[4, 2, 2], [3, 3, 2]])  # the second game is at its equilibrium
    best = torch.from_numpy(np.log(real / fake)).requires_grad_()  # scores by domain and image

    def loss_of(table):
        played = [
            torch.stack([table[i].repeat_interleave(torch.from_numpy(c[i])) for i in range(2)])
            for c in (real, fake)
        ]
        return cogan.discriminator_loss(*played)

    assert loss_of(best).item() == pytest.approx(least_loss(real / 8, fake / 8), rel=1e-12)
    (slope,) = torch.autograd.grad(loss_of(best), best)
    assert slope.abs().max() < 1e-12  # and the loss is convex
    zero = torch.zeros(2, 5, dtype=torch.float64)
    at_rest = cogan.discriminator_loss(zero, zero).item()
    assert at_rest == pytest.approx(least_loss(fake / 8, fake / 8), rel=1e-12)
    assert at_rest == pytest.approx(4 * np.log(2), rel=1e-12)


@pytest.mark.parametrize("loss", ["discriminator", "generator"])
def test_no_loss_can_see_which_images_belong_together(loss):
    fake, order = torch.tensor(rows(6)), torch.tensor([3, 0, 5, 1, 2, 4])
    shuffled = torch.stack([fake[0], fake[1, order]])
    real = [torch.tensor(rows(6, seed=1))] if loss == "discriminator" else []
    function = getattr(cogan, f"{loss}_loss")
    torch.testing.assert_close(function(*real, fake), function(*real, shuffled))


# --- what is shared ----------------------------------------------------------------------------


@oracle("COGAN-TIE", r"\nabla_\theta (L_1 + L_2) = \nabla_\theta L_1 + \nabla_\theta L_2")
def tied_gradient(first, second):
    return first + second


def gradients(module, loss):
    return torch.autograd.grad(loss, list(module.parameters()))


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_the_gradient_of_a_shared_parameter_is_the_sum_over_both_networks(player, model):
    """Beside two networks, each with a copy of the shared layers to itself."""
    model.double()
    z = torch.randn(6, SMALL.latent_dim, dtype=torch.float64)
    real = torch.stack([*two_domains().batch(6)]).double()
    network = getattr(model, player)

    def loss_of(shared, domain):
        own = network.own[domain]
        if player == "generator":
            fake = own(shared(z[:, :, None, None]))
            said = model.discriminator.shared(model.discriminator.own[domain](fake))
        else:
            said = shared(own(real[domain]))
        return nn.functional.softplus(-said).mean()

    copies = [deepcopy(network.shared) for _ in range(2)]
    separate = [gradients(copy, loss_of(copy, domain)) for domain, copy in enumerate(copies)]
    if player == "generator":
        loss = cogan.generator_loss(model.discriminator(model.generator(z)))
    else:
        nothing = torch.full((2, 1), -1e4, dtype=torch.float64)  # fakes without a loss
        loss = cogan.discriminator_loss(model.discriminator(real), nothing)
    for both, first, second in zip(gradients(network.shared, loss), *separate, strict=True):
        expected = tied_gradient(first.numpy(), second.numpy())
        np.testing.assert_allclose(both.numpy(), expected, rtol=1e-8, atol=1e-12)


def test_averaged_weights_follow_shared_layers_once():
    """A shared layer that the average met twice in a step would follow twice as fast."""
    config = replace(SMALL, steps=1, batch_size=8)
    run = cogan.train(config, two_domains(), snapshots=0, **QUIET)
    torch.manual_seed(run.seed)
    start = cogan.CoGAN(run.config).generator.shared[0].weight
    now, mean = (m.generator.shared[0].weight for m in (run.model, run.averaged))
    decay = 1 / 11  # of the first step
    torch.testing.assert_close(mean, decay * start + (1 - decay) * now)
    kept = [value for value in run.model.state_dict().values() if value.dim()]
    assert len({value.data_ptr() for value in kept}) == len(kept), "saved once"


# --- the step ----------------------------------------------------------------------------------


def test_each_domain_has_its_own_discriminator(model):
    """The first row goes through the first one, the second through the second."""
    x, y = two_domains().batch(6)
    seen = []
    for own in model.discriminator.own:
        own.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.step(Batch(x, y))
    assert same(seen[0], x)
    assert same(seen[1], y)


def test_the_step_plays_both_games(model):
    said = []
    model.discriminator.register_forward_hook(lambda _m, _i, out: said.append(out.detach()))
    logged = model.step(two_domains().batch(6))
    real, fake, fresh = (score.double().numpy() for score in said)
    assert real.shape == fake.shape == fresh.shape == (2, 6)
    expected = {
        "discriminator_loss": cogan_d(real, fake),
        "generator_loss": cogan_g(fresh),
        "real_score": real.mean(),
        "fake_score": fake.mean(),
    }
    assert {k: v.item() for k, v in logged.items()} == pytest.approx(expected, rel=1e-4, abs=1e-6)


# --- samples -----------------------------------------------------------------------------------


def test_samples_of_either_domain(model):
    z = model.noise(4)
    first, second = (model.sample(z=z, domains=torch.full((4,), k)) for k in range(2))
    assert same(model.sample(z=z), first)
    assert not same(first, second)
    mixed = model.sample(z=z, domains=torch.tensor([0, 1, 1, 0]))
    assert same(mixed, torch.stack([first[0], second[1], second[2], first[3]]))
    assert not mixed.requires_grad
    assert same(model.sample(z=z)[:2], model.sample(z=z[:2])), "in evaluation"


@pytest.mark.parametrize("domains", [[0, 2, 0], [0, -1, 0], [0, 1]])
def test_unknown_domains_are_refused(model, domains):
    with pytest.raises(ValueError, match="domains must be 3 integers, 0 or 1"):
        model.sample(3, domains=torch.tensor(domains))


def test_snapshots_show_pairs_in_two_rows():
    config = replace(SMALL, steps=1, batch_size=8)
    run = cogan.train(config, two_domains(), snapshots=1, **QUIET)
    inputs = run.fixed_inputs
    assert inputs["domains"].view(8, 8).tolist() == [[k % 2] * 8 for k in range(8)]
    z = inputs["z"].view(4, 2, 8, -1)
    assert same(z[:, 0], z[:, 1])
    assert len(inputs["z"].unique(dim=0)) == 32
    assert run.snapshots.shape[1:] == (64, 1, 32, 32)


def test_an_odd_number_of_rows_ends_with_the_first_domain(model):
    inputs = model.fixed_inputs(24, two_domains())
    assert inputs["domains"].view(3, 8)[:, 0].tolist() == [0, 1, 0]
    assert inputs["z"].shape == (24, SMALL.latent_dim)


def test_the_default_data_are_digits_and_negatives(capsys):
    run = cogan.train(replace(SMALL, steps=1), snapshots=0, **QUIET)
    assert run.data_name.endswith("negative")


MUTANTS = mutants(
    "latent.cogan",
    (
        "the two games are averaged, the equation adds them",
        "return (softplus(-real_scores).mean(-1) + softplus(fake_scores).mean(-1)).sum()",
        "return softplus(-real_scores).mean() + softplus(fake_scores).mean()",
        "test_discriminator_loss",
    ),
    (
        "the generators' loss saturates",
        "return softplus(-fake_scores).mean(-1).sum()",
        "return -softplus(fake_scores).mean(-1).sum()",
        "test_generator_loss",
    ),
    (
        "a loss that sees pairs: the larger of the two scores counts",
        "return softplus(-fake_scores).mean(-1).sum()",
        "return 2 * softplus(-fake_scores.amax(0)).mean()",
        "test_no_loss_can_see_which_images_belong_together",
    ),
    (
        "the second game is left out",
        "return softplus(-fake_scores).mean(-1).sum()",
        "return softplus(-fake_scores).mean(-1)[0]",
        "test_the_gradient_of_a_shared_parameter_is_the_sum_over_both_networks",
    ),
    (
        "the domains change places",
        "real = torch.stack([batch.x, batch.y])",
        "real = torch.stack([batch.y, batch.x])",
        "test_each_domain_has_its_own_discriminator",
    ),
    (
        "both discriminators see the first domain",
        "real = torch.stack([batch.x, batch.y])",
        "real = torch.stack([batch.x, batch.x])",
        "test_each_domain_has_its_own_discriminator",
    ),
    (
        "samples of the second domain for the first, and the other way round",
        "return both[domains, torch.arange(len(z), device=z.device)]",
        "return both[1 - domains, torch.arange(len(z), device=z.device)]",
        "test_samples_of_either_domain",
    ),
    (
        "a batch of both domains is of the domain of its first sample",
        "return both[domains, torch.arange(len(z), device=z.device)]",
        "return both[domains[0]]",
        "test_samples_of_either_domain",
    ),
    (
        "a domain below 0 counts from the end",
        "not torch.isin(domains, torch.arange(2).to(domains)).all()",
        "not (domains < 2).all()",
        "test_unknown_domains_are_refused",
    ),
    (
        "each row of the snapshots has a noise of its own: no pairs to see",
        "z.repeat_interleave(2, dim=0)[:rows]",
        "z.repeat(2, 1, 1)[:rows]",
        "test_snapshots_show_pairs_in_two_rows",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
_ROWS = "scores are two rows: dimension 1 is the last one"
_TWO_GAMES = "return (softplus(-real_scores).mean(-1) + softplus(fake_scores).mean(-1)).sum()"
EQUIVALENT = {
    f"discriminator_loss: minus left out in `{_TWO_GAMES}`": _ROWS,
    f"discriminator_loss: minus left out in `{_TWO_GAMES}` (again)": _ROWS,
    "generator_loss: minus left out in `return softplus(-fake_scores).mean(-1).sum()`": _ROWS,
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(cogan, EQUIVALENT))
