"""BiGAN: its equations against oracles, the game on finite sets, and what each step moves."""

import inspect
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import Batch, TensorData
from gan_lessons.latent import bigan
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores, sigmoid

SMALL = replace(bigan.PRESETS["smoke"], width=8)  # wide enough for no layer to start dead
POINTS = replace(SMALL, shape=(2,), hidden=(16,), latent_dim=3, pair_width=16)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return bigan.BiGAN(SMALL)


# --- equations ---------------------------------------------------------------------------------


@oracle("BIGAN-V")
def value_of_the_game(real_scores, fake_scores):
    """E log f(x, E(x)) + E log(1 - f(G(z), z)), with the probability f = sigmoid of the score."""
    return np.mean(np.log(sigmoid(real_scores))) + np.mean(np.log(1 - sigmoid(fake_scores)))


@oracle("BIGAN-D")
def bigan_d(real_scores, fake_scores):
    return np.logaddexp(0, -real_scores).mean() + np.logaddexp(0, fake_scores).mean()


@bigan_d.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -sigmoid(-real_scores) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("BIGAN-E")
def bigan_e(real_scores):
    return np.logaddexp(0, real_scores).mean()


@bigan_e.gradient
def _(real_scores):
    return {"real_scores": sigmoid(real_scores) / real_scores.size}


@oracle("BIGAN-G")
def bigan_g(fake_scores):
    return np.logaddexp(0, -fake_scores).mean()


@bigan_g.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.size}


def test_discriminator_loss():
    real, fake = scores(6), scores(9, seed=1)
    check("BIGAN-D", bigan.discriminator_loss, real_scores=real, fake_scores=fake)


def test_the_discriminator_maximises_the_value():
    def value(real_scores, fake_scores):
        return -bigan.discriminator_loss(real_scores, fake_scores)

    check("BIGAN-V", value, real_scores=scores(6), fake_scores=scores(9, seed=1))


def test_encoder_loss():
    check("BIGAN-E", bigan.encoder_loss, real_scores=scores(7))


def test_generator_loss():
    check("BIGAN-G", bigan.generator_loss, fake_scores=scores(7))


def test_both_labels_are_swapped():
    """What D wants lower in its loss, E and G want higher: the slopes have opposite signs."""
    real, fake = torch.randn(2, 8).requires_grad_().unbind()
    of_d = torch.autograd.grad(bigan.discriminator_loss(real, fake), [real, fake])
    loss = bigan.encoder_loss(real) + bigan.generator_loss(fake)
    of_eg = torch.autograd.grad(loss, [real, fake])
    assert all((a * b < 0).all() for a, b in zip(of_d, of_eg, strict=True))


def test_no_infinity_far_out():
    far = torch.tensor([-200.0, 200.0])
    for loss in (
        bigan.discriminator_loss(far, far),
        bigan.encoder_loss(far),
        bigan.generator_loss(far),
    ):
        assert loss.isfinite()


@oracle("BIGAN-RATIO")
def ratio_of_errors(x, redrawn, others):
    def error(v):
        return np.mean([np.sqrt(((a - b) ** 2).sum()) for a, b in zip(v, redrawn, strict=True)])

    return error(x) / error(others)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 5), (2,)])
def test_error_ratio(shape):
    x, redrawn, others = (scores(5 * np.prod(shape), seed=k).reshape(5, *shape) for k in range(3))
    check("BIGAN-RATIO", bigan.error_ratio, x=x, redrawn=redrawn, others=others)


def test_error_ratio_is_0_for_an_inverse_and_1_for_one_answer_to_all():
    x = torch.randn(50, 1, 4, 4)
    assert bigan.error_ratio(x, x, bigan.shuffled(x)) == 0
    constant = torch.zeros_like(x) + 0.3
    assert bigan.error_ratio(x, constant, bigan.shuffled(x)) == pytest.approx(1, abs=1e-6)


def test_shuffled_is_a_fixed_permutation_that_leaves_the_stream_alone():
    x, state = torch.arange(100), torch.get_rng_state()
    assert same(bigan.shuffled(x), bigan.shuffled(x))
    assert not same(bigan.shuffled(x), bigan.shuffled(x, seed=1))
    assert same(bigan.shuffled(x).sort().values, x)
    assert same(state, torch.get_rng_state())


# --- facts about the game, on finite sets ------------------------------------------------------


def best_value(encoder, generator):
    """The package's loss at the optimal scores, for uniform x and z and maps given as lists."""
    real, fake = list(enumerate(encoder)), [(x, z) for z, x in enumerate(generator)]

    def score(pair):
        p, q = real.count(pair) / len(real), fake.count(pair) / len(fake)
        return np.log(p) - np.log(q) if p and q else (np.inf if p else -np.inf)

    both = (torch.tensor([score(pair) for pair in pairs]).double() for pairs in (real, fake))
    return -bigan.discriminator_loss(*both).item()


@oracle("BIGAN-TOY")
def value_with_matches(matches, n):
    """n equally likely points, `matches` of which are encoded to where they came from."""
    return -matches / n * np.log(4)


def test_of_all_encoders_of_three_points_only_the_inverse_is_optimal():
    for generator in permutations(range(3)):
        values = {}
        for encoder in permutations(range(3)):
            matches = sum(encoder[x] == z for z, x in enumerate(generator))
            values[encoder] = best_value(encoder, generator)
            assert values[encoder] == pytest.approx(value_with_matches(matches, 3), abs=1e-12)
        rounded = sorted(round(v, 3) for v in values.values())
        assert rounded == [-1.386, -0.462, -0.462, -0.462, 0.0, 0.0]
        assert min(values, key=values.get) == tuple(np.argsort(generator))


@oracle("BIGAN-JSD")
def value_from_divergence(p, q):
    """2 JSD(p, q) - log 4, with the divergence from its definition by two KLs."""
    middle = (p + q) / 2

    def kl(a):
        there = a > 0
        return np.sum(a[there] * np.log(a[there] / middle[there]))

    return kl(p) + kl(q) - np.log(4)


@oracle("BIGAN-L0")
def value_from_exact_hits(encoder, generator, p_x, p_z):
    """Only x that come back exactly count, and z that do: sums over the two sets."""
    by_x = sum(
        p_x[x] * np.log(p_x[x] / (p_x[x] + p_z[z]))
        for x, z in enumerate(encoder)
        if generator[z] == x
    )
    by_z = sum(
        p_z[z] * np.log(1 - p_x[x] / (p_x[x] + p_z[z]))
        for z, x in enumerate(generator)
        if encoder[x] == z
    )
    return by_x + by_z


@pytest.mark.parametrize("seed", range(5))
def test_the_best_judge_measures_a_divergence_and_counts_exact_hits(seed):
    rng = np.random.default_rng(seed)
    n_x, n_z = rng.integers(2, 7, size=2)
    encoder, generator = rng.integers(n_z, size=n_x), rng.integers(n_x, size=n_z)
    generator[0] = 0
    encoder[0] = 0  # at least one hit
    p, q = np.zeros((n_x, n_z)), np.zeros((n_x, n_z))
    p[np.arange(n_x), encoder], q[generator, np.arange(n_z)] = 1 / n_x, 1 / n_z
    value = best_value([int(z) for z in encoder], [int(x) for x in generator])
    assert value == pytest.approx(value_from_divergence(p, q), abs=1e-12)
    uniform = np.full(n_x, 1 / n_x), np.full(n_z, 1 / n_z)
    assert value == pytest.approx(value_from_exact_hits(encoder, generator, *uniform), abs=1e-12)
    assert -np.log(4) <= value < 0


def test_hits_and_divergence_agree_for_unequal_probabilities():
    p_x, p_z = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.6, 0.3])
    encoder, generator = [1, 2, 0], [2, 0, 0]
    p, q = np.zeros((3, 3)), np.zeros((3, 3))
    p[np.arange(3), encoder], q[generator, np.arange(3)] = p_x, p_z
    hits = value_from_exact_hits(encoder, generator, p_x, p_z)
    assert hits == pytest.approx(value_from_divergence(p, q), abs=1e-12)


# --- networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64), (2,)])
def test_shapes(shape):
    model = bigan.BiGAN(replace(SMALL, shape=shape, latent_dim=5))
    x, z = torch.rand(4, *shape), model.noise(4)
    assert model.generator(z).shape == x.shape
    assert model.encoder(x).shape == z.shape == (4, 5)
    assert model.discriminator(x, z).shape == (4,)
    assert model.sample(4).shape == x.shape


def test_codes_reach_as_far_as_the_prior(model):
    last = [m for m in model.encoder.modules() if isinstance(m, nn.Conv2d)][-1]
    with torch.no_grad():
        last.bias.fill_(5.0)
    codes = model.encoder(images(8).floats(slice(8)))
    assert codes.max() > 3, "a bounded code cannot follow a normal prior"


@pytest.mark.parametrize("config", [SMALL, POINTS], ids=["images", "points"])
def test_the_discriminator_judges_pairs(config):
    """No sum of a score for the sample and a score for the code could do this."""
    torch.manual_seed(0)
    D = bigan.BiGAN(config).discriminator
    x, z = torch.randn(6, *config.shape), torch.randn(6, config.latent_dim)
    as_they_are, crossed = D(x, z), D(x, z.roll(1, 0))
    sums = as_they_are + as_they_are.roll(1, 0), crossed + D(x.roll(1, 0), z)
    assert not torch.allclose(*sums, atol=1e-5)


def test_the_score_of_a_pair_does_not_depend_on_its_company(model):
    D, x, z = model.discriminator, images(8).floats(slice(8)), model.noise(8)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in D.modules())
    torch.testing.assert_close(D(x, z)[:2], D(x[:2], z[:2]), atol=1e-6, rtol=1e-5)


# --- steps -------------------------------------------------------------------------------------


def test_each_step_moves_one_network(model):
    real = images().floats(slice(16))
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.encoder_step(real)) == {"encoder"}
    assert moved(model, lambda: model.generator_step(16)) == {"generator"}
    everything = {"discriminator", "encoder", "generator"}
    assert moved(model, lambda: model.step(images().batch(16))) == everything


def test_each_loss_leaves_gradients_at_one_network_only(model):
    networks = {"discriminator", "encoder", "generator"}
    real = images().floats(slice(16))
    for own, action in {
        "discriminator": lambda: model.discriminator_step(real),
        "encoder": lambda: model.encoder_step(real),
        "generator": lambda: model.generator_step(16),
    }.items():
        model.zero_grad(set_to_none=True)
        action()
        for name in networks:
            reached = [p.grad is not None for p in getattr(model, name).parameters()]
            assert all(reached) if name == own else not any(reached), (own, name)
        assert all(p.requires_grad for p in model.parameters()), "a network stays frozen"


def test_the_steps_report_the_losses_of_the_equations():
    """Each loss from its own pairs: (x, E(x)) for the encoder, (G(z), z) for the generator."""
    torch.manual_seed(0)
    model, real = bigan.BiGAN(POINTS), torch.randn(16, 2)
    drawn, draw = [], model.noise
    model.noise = lambda n: drawn.append(draw(n)) or drawn[-1]
    before = bigan.BiGAN(POINTS)
    before.load_state_dict(model.state_dict())
    result = model.step(Batch(real, None))
    assert [len(z) for z in drawn] == [16, 16]
    assert not same(*drawn), "the generator gets fresh noise"

    def pairs(D, z):
        both = D(real, before.encoder(real)), D(before.generator(z), z)
        return [s.detach().double().numpy() for s in both]

    expected = bigan_d(*pairs(before.discriminator, drawn[0]))
    assert result["discriminator_loss"].item() == pytest.approx(expected, rel=1e-5)
    real_scores, fake_scores = pairs(model.discriminator, drawn[1])  # D has learned by then
    assert result["encoder_loss"].item() == pytest.approx(bigan_e(real_scores), rel=1e-5)
    assert result["generator_loss"].item() == pytest.approx(bigan_g(fake_scores), rel=1e-5)


def test_nothing_compares_an_image_with_its_reconstruction():
    """In a step nobody encodes a generated sample or generates from a code."""
    torch.manual_seed(0)
    model, real = bigan.BiGAN(POINTS), torch.randn(16, 2)
    seen = {"encoder": [], "generator": []}
    for name, inputs in seen.items():
        getattr(model, name).register_forward_pre_hook(lambda _, x, i=inputs: i.append(x[0]))
    drawn, draw = [], model.noise
    model.noise = lambda n: drawn.append(draw(n)) or drawn[-1]
    model.step(Batch(real, None))
    assert len(seen["encoder"]) == len(seen["generator"]) == 2
    assert all(x is real for x in seen["encoder"])
    assert all(z is noise for z, noise in zip(seen["generator"], drawn, strict=True))


def test_sample_and_encode_take_what_they_are_given(model):
    z, x = model.noise(4), images(4).floats()
    assert same(model.sample(z=z), model.sample(z=z))
    assert same(model.sample(z=z)[:2], model.sample(z=z[:2])), "in evaluation"
    assert same(model.encode(x)[:2], model.encode(x[:2])), "in evaluation"
    assert not same(model.sample(4), model.sample(4))
    assert not model.sample(4).requires_grad
    assert not model.encode(x).requires_grad
    assert model.training


# --- measuring ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    return bigan.train(replace(SMALL, steps=2), images(), device="cpu", progress=False, snapshots=1)


def test_codes_and_reconstructions_come_from_the_averaged_networks(run):
    x = images(7).floats()
    expected = run.averaged.encode(x)
    assert same(bigan.codes(run, x), expected)
    torch.testing.assert_close(bigan.codes(run, x, chunk=3), expected)
    torch.testing.assert_close(bigan.reconstruct(run, x), run.averaged.sample(z=expected))


def test_measure(run):
    train, test = images(60), images(40)
    result = bigan.measure(run, train, test)
    x = test.floats()
    ratio = bigan.error_ratio(x, bigan.reconstruct(run, x), bigan.shuffled(x))
    assert result["ratio"] == pytest.approx(ratio.item(), rel=1e-5)
    assert set(result) == {"ratio", "code_ratio", "class_kept", "neighbour_accuracy"}
    assert 0 <= result["class_kept"] <= 1
    assert result == bigan.measure(run, train, test), "the same numbers again"
    again = bigan.measure(run, test, test)
    assert again["neighbour_accuracy"] == 1, "each image is its own nearest neighbour"


# --- train -------------------------------------------------------------------------------------


def test_it_learns_the_inverse_on_points_without_a_reconstruction_term():
    torch.manual_seed(0)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
    values = torch.randn(4000, 2) @ torch.diag(torch.tensor([1.5, 0.5])) @ turn
    config = replace(
        POINTS,
        hidden=(64, 64),
        latent_dim=2,
        pair_width=64,
        batch_size=128,
        steps=600,
        average_decay=0.98,
    )
    run = bigan.train(config, TensorData(values), device="cpu", progress=False, snapshots=1)
    x = values[:1000]
    assert bigan.error_ratio(x, bigan.reconstruct(run, x), bigan.shuffled(x)) < 0.4


def test_unknown_presets_and_foreign_configs_are_refused():
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        bigan.train("large", images())
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.latent\.bigan\.Config"):
        bigan.train(replace(SMALL).__dict__, images())


def test_train_looks_at_no_label():
    assert "labels" not in inspect.getsource(bigan.BiGAN)
    data = replace(images(), labels=None, classes=())
    run = bigan.train(replace(SMALL, steps=1), data, device="cpu", progress=False, snapshots=1)
    assert run.finished
