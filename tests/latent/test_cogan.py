"""CoGAN: its equations against oracles, what is shared and what is not, samples and pairs."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import Batch, TwoDomains, digits, digits_in_two_styles, edges
from gan_lessons.foundations import dcgan
from gan_lessons.latent import cogan
from gan_lessons.metrics import agreement
from gan_lessons.training import load_run
from tests.helpers import images, moved, same, two_domains
from tests.oracles import check, oracle, scores, sigmoid

SMALL = cogan.PRESETS["smoke"]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return cogan.CoGAN(SMALL)


def real_pair(n=8):
    x, y = two_domains().batch(n)
    return torch.stack([x, y])


# --- equations ---------------------------------------------------------------------------------


@oracle("COGAN-V")
def value(real_scores, fake_scores):
    """The paper's sum of two values, in probabilities."""
    total = 0.0
    for real, fake in zip(sigmoid(real_scores), sigmoid(fake_scores), strict=True):
        total += np.log(real).mean() + np.log(1 - fake).mean()
    return total


@oracle("COGAN-D")
def cogan_d(real_scores, fake_scores):
    (r1, r2), (f1, f2) = real_scores, fake_scores
    softplus = [np.logaddexp(0, t).sum() / t.size for t in (-r1, f1, -r2, f2)]
    return softplus[0] + softplus[1] + softplus[2] + softplus[3]


@cogan_d.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.shape[1],
        "fake_scores": sigmoid(fake_scores) / fake_scores.shape[1],
    }


@oracle("COGAN-G")
def cogan_g(fake_scores):
    return sum(np.logaddexp(0, -row).sum() / row.size for row in fake_scores)


@cogan_g.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.shape[1]}


@oracle("COGAN-OPT")
def least_loss(real, fake):
    """4 log 2 minus twice the two Jensen-Shannon divergences; rows are distributions."""
    total = 4 * np.log(2)
    for p, q in zip(real, fake, strict=True):
        middle = (p + q) / 2
        total -= (p * np.log(p / middle)).sum() + (q * np.log(q / middle)).sum()
    return total


@oracle("COGAN-TIE")
def tied_gradient(first, second):
    return first + second


def rows(n, seed=0):
    return scores(2 * n, seed=seed).reshape(2, n)


def test_discriminator_loss():
    check("COGAN-D", cogan.discriminator_loss, real_scores=rows(6), fake_scores=rows(9, seed=1))


def test_generator_loss():
    check("COGAN-G", cogan.generator_loss, fake_scores=rows(7))


def test_the_discriminators_minimise_minus_the_value_of_the_paper():
    def minus_loss(real_scores, fake_scores):
        return -cogan.discriminator_loss(real_scores, fake_scores)

    check("COGAN-V", minus_loss, real_scores=rows(5), fake_scores=rows(5, seed=1))


def test_the_least_loss_of_the_discriminators():
    real = np.array([[1, 2, 5], [3, 3, 2]])  # how often each of three images comes
    fake = np.array([[4, 2, 2], [3, 3, 2]])  # the second game is at its equilibrium
    best = np.log(real / fake)
    loss = cogan.discriminator_loss(
        *(
            torch.tensor(np.stack([np.repeat(s, n) for s, n in zip(best, counts, strict=True)]))
            for counts in (real, fake)
        )
    )
    assert loss.item() == pytest.approx(least_loss(real / 8, fake / 8), rel=1e-12)
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


def shapes(module):
    return [tuple(m.weight.shape) for m in module.modules() if hasattr(m, "kernel_size")]


def test_the_generators_share_their_first_layers_and_the_discriminators_their_last():
    model = cogan.CoGAN(replace(SMALL, width=4, latent_dim=5))
    G, D = model.generator, model.discriminator
    up = [(5, 16, 4, 4), (16, 8, 4, 4), (8, 4, 4, 4), (4, 2, 4, 4)]
    assert shapes(G.shared) == up, "from noise to maps as large as the image"
    assert [shapes(own) for own in G.own] == [[(1, 2, 5, 5)]] * 2, "only what paints the image"
    assert G.shared(torch.randn(3, 5, 1, 1)).shape == (3, 2, 32, 32)
    assert [shapes(own) for own in D.own] == [[(4, 1, 4, 4)]] * 2, "from the image on"
    assert shapes(D.shared) == [(8, 4, 4, 4), (16, 8, 4, 4), (1, 16, 4, 4)], "down to the score"


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_what_is_shared_comes_first_in_one_and_last_in_the_other(name, model):
    network, order = getattr(model, name), []
    network.shared.register_forward_hook(lambda *_: order.append("shared"))
    for own in network.own:
        own.register_forward_hook(lambda *_: order.append("own"))
    network(model.noise(4) if name == "generator" else real_pair(4))
    expected = {
        "generator": ["shared", "own", "own"],
        "discriminator": ["own", "shared", "own", "shared"],
    }
    assert order == expected[name]


def test_a_shared_parameter_is_counted_once(model):
    for network, optimizer in (
        (model.generator, model.generator_optimizer),
        (model.discriminator, model.discriminator_optimizer),
    ):
        held = [p for group in optimizer.param_groups for p in group["params"]]
        wanted = [*network.shared.parameters(), *network.own.parameters()]
        assert len(held) == len({id(p) for p in held}) == len(wanted)
        assert {id(p) for p in held} == {id(p) for p in wanted}
        assert not same(*(next(own.parameters()) for own in network.own)), "own layers are own"


@pytest.mark.parametrize("own", [1, 2, 3, 4])
def test_how_much_is_shared_is_a_choice(own):
    config = replace(SMALL, own_generator_layers=own, own_discriminator_layers=own)
    model = cogan.CoGAN(config)
    for network, layers in ((model.generator, 5), (model.discriminator, 4)):
        assert [len(shapes(part)) for part in network.own] == [own, own]
        assert len(shapes(network.shared)) == layers - own
    assert model.sample(3).shape == (3, 1, 32, 32)
    assert model.discriminator(real_pair(3)).shape == (2, 3)


def test_discriminators_are_dcgans_and_generators_dcgans_with_a_layer_more(model):
    whole = dcgan.DCGAN(dcgan.PRESETS["smoke"])
    discriminator = [*map(str, whole.discriminator.features), str(whole.discriminator.score)]
    generator = [str(layer) for layer in whole.generator.layers]
    G, D = model.generator, model.discriminator
    for domain in range(2):
        assert [str(layer) for layer in (*D.own[domain], *D.shared)] == discriminator
        drawing = [str(layer) for layer in (*G.shared, *G.own[domain])]
        assert drawing[:9] == generator[:9]
        assert drawing[-1] == generator[-1] == "Tanh()"


def test_nothing_is_shared_where_all_layers_are_own():
    config = replace(SMALL, own_generator_layers=5, own_discriminator_layers=4)
    model = cogan.CoGAN(config)
    for network in (model.generator, model.discriminator):
        assert list(network.shared.parameters()) == []
        first, second = (list(own.parameters()) for own in network.own)
        assert not any(a is b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("own", [0, 6, -1])
@pytest.mark.parametrize("name", ["own_generator_layers", "own_discriminator_layers"])
def test_impossible_cuts_are_refused(name, own):
    with pytest.raises(ValueError, match=r"own layers are not possible.*Choose from 1 to"):
        cogan.CoGAN(replace(SMALL, **{name: own}))


def gradients(module, loss):
    return torch.autograd.grad(loss, list(module.parameters()))


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_the_gradient_of_a_shared_parameter_is_the_sum_over_both_networks(player, model):
    model.double()
    z, real = model.noise(6).double(), real_pair(6).double()
    network = getattr(model, player)

    def loss_of(shared, domain):
        own = network.own[domain]
        if player == "generator":
            scores = model.discriminator.shared(model.discriminator.own[domain](own(shared(z))))
            return nn.functional.softplus(-scores).mean()
        return nn.functional.softplus(-shared(own(real[domain]))).mean()

    z = z[:, :, None, None]
    separate = []
    for domain in range(2):
        shared = deepcopy(network.shared)  # two networks that only start alike
        separate.append(gradients(shared, loss_of(shared, domain)))
    if player == "generator":
        fake_scores = model.discriminator(model.generator(z[:, :, 0, 0]))
        together = gradients(network.shared, cogan.generator_loss(fake_scores))
    else:
        nothing = torch.full((2, 1), -1e4, dtype=torch.float64)  # fakes without a loss
        loss = cogan.discriminator_loss(model.discriminator(real), nothing)
        together = gradients(network.shared, loss)
    for both, first, second in zip(together, *separate, strict=True):
        expected = tied_gradient(first.numpy(), second.numpy())
        np.testing.assert_allclose(both.numpy(), expected, rtol=1e-8, atol=1e-12)


def test_one_noise_goes_to_both_generators(model):
    z = model.noise(5)
    meaning = model.generator.shared.eval()(z[:, :, None, None])
    first, second = (own(meaning) for own in model.generator.own)
    both = torch.stack([first, second])
    model.generator.eval()
    torch.testing.assert_close(model.generator(z), both)
    assert not same(first, second)


def test_batch_normalisation_never_mixes_the_domains(model):
    pair = real_pair()
    scores = model.discriminator(pair)
    other = torch.stack([pair[0], pair[1] * 0.1])
    torch.testing.assert_close(model.discriminator(other)[0], scores[0], rtol=1e-5, atol=1e-6)


# --- steps -------------------------------------------------------------------------------------


def test_each_step_moves_one_kind_of_player(model):
    real = real_pair()
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(8)) == {"generator"}
    everybody = {"discriminator", "generator"}
    assert moved(model, lambda: model.step(two_domains().batch(8))) == everybody


def test_no_loss_leaves_a_gradient_at_the_other_network(model):
    model.discriminator_step(real_pair())
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    model.generator_step(8)
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in model.discriminator.parameters()), "D stays frozen"


def test_every_update_has_noise_of_its_own(model):
    drawn, draw = [], model.noise
    model.noise = lambda n: drawn.append(draw(n)) or drawn[-1]
    model.step(two_domains().batch(8))
    assert [tuple(z.shape) for z in drawn] == [(8, SMALL.latent_dim)] * 2
    assert not same(*drawn)


def test_each_domain_has_its_own_discriminator(model):
    """The first row goes through the first one, the second through the second."""
    x, y = two_domains().batch(6)
    seen = []
    for own in model.discriminator.own:
        own.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.step(Batch(x, y))
    assert same(seen[0], x)
    assert same(seen[1], y)


def test_the_step_reports_the_losses_of_the_equations(model):
    before, (x, y) = deepcopy(model), two_domains().batch(6)
    drawn, draw = [], model.noise
    model.noise = lambda n: drawn.append(draw(n)) or drawn[-1]
    result = model.step(Batch(x, y))
    fake = before.generator(drawn[0])
    real_scores = np.stack(
        [
            before.discriminator.shared(own(v)).flatten().detach().double().numpy()
            for own, v in zip(before.discriminator.own, (x, y), strict=True)
        ]
    )
    fake_scores = before.discriminator(fake).detach().double().numpy()
    expected = cogan_d(real_scores, fake_scores)
    assert result["discriminator_loss"].item() == pytest.approx(expected, rel=1e-4)
    assert result["real_score"].item() == pytest.approx(real_scores.mean(), rel=1e-3, abs=1e-5)
    assert result["generator_loss"] > 0


# --- samples and pairs -------------------------------------------------------------------------


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


@pytest.fixture(scope="module")
def run():
    config = replace(SMALL, steps=4, batch_size=8)
    return cogan.train(config, two_domains(), device="cpu", progress=False, snapshots=2)


def test_a_pair_comes_from_one_noise(run):
    first, second = cogan.pairs(run, 700, seed=3)  # more than one chunk
    assert first.shape == second.shape == (700, 1, 32, 32)
    assert same(first, run.sample(700, seed=3))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        z = [run.averaged.noise(500), run.averaged.noise(200)]
    run.averaged.eval()
    with torch.no_grad():
        expected = torch.cat([run.averaged.generator(part)[1] for part in z])
    torch.testing.assert_close(second, expected)


def test_snapshots_show_pairs_in_two_rows(run):
    inputs = run.fixed_inputs
    assert inputs["domains"].view(8, 8).tolist() == [[k % 2] * 8 for k in range(8)]
    z = inputs["z"].view(4, 2, 8, -1)
    assert same(z[:, 0], z[:, 1])
    assert len(inputs["z"].unique(dim=0)) == 32
    assert run.snapshots.shape[1:] == (64, 1, 32, 32)


def test_averaged_weights_follow_shared_layers_once(tmp_path):
    """A shared layer that the average met twice in a step would follow twice as fast."""
    config = replace(SMALL, steps=1, batch_size=8)
    run = cogan.train(config, two_domains(), device="cpu", progress=False, snapshots=0)
    torch.manual_seed(run.seed)
    start = cogan.CoGAN(run.config).generator.shared[0].weight
    now, mean = (m.generator.shared[0].weight for m in (run.model, run.averaged))
    decay = 1 / 11  # of the first step
    torch.testing.assert_close(mean, decay * start + (1 - decay) * now)
    keys = run.model.state_dict()
    assert len({v.data_ptr() for k, v in keys.items() if v.dim()}) == sum(
        v.dim() > 0 for v in keys.values()
    )
    again = load_run(run.save(tmp_path), device="cpu")
    assert same(cogan.pairs(again, 3)[1], cogan.pairs(run, 3)[1])


def test_data_without_two_domains_are_refused():
    with pytest.raises(
        TypeError, match=r"two domains, not TensorData: TwoDomains\(first, second\)"
    ):
        cogan.train(SMALL, images())


# --- the measurement ---------------------------------------------------------------------------


def test_measure_compares_pairs_of_the_run(run):
    test = digits("test")
    result = cogan.measure(run, test, n=100, seed=2)
    first, second = cogan.pairs(run, 100, seed=2)
    assert result == agreement.compare_pairs(first, second, test.floats())
    blind = {"restyle": edges, "undo": None, "read": lambda x: torch.zeros(len(x), dtype=int)}
    assert "second distance" not in cogan.measure(run, test, n=100, **blind)


def test_the_default_data_are_digits_and_negatives(capsys):
    run = cogan.train(replace(SMALL, steps=1), device="cpu", progress=False, snapshots=0)
    assert run.data_name.endswith("negative")
    assert isinstance(digits_in_two_styles("negative"), TwoDomains)
