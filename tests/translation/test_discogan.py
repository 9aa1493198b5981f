"""DiscoGAN: the paper's loss and its code's, what a single reconstruction misses, who does what."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.foundations import gan
from gan_lessons.translation import discogan
from tests.helpers import same, two_domains
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over
from tests.two_way import (
    GENERATORS,
    SHAPE,
    batch,
    check_who_translates_and_judges,
    judged,
    points,
    stubbed,
    translators_that_learn,
)

SMALL = discogan.PRESETS["smoke"]
POINTS = replace(SMALL, shape=(2,))
BOTH = pytest.mark.parametrize("cls", [discogan.DiscoGAN, discogan.CodeDiscoGAN])


@pytest.fixture
def model():
    return discogan.DiscoGAN(SMALL)


# --- equations ---------------------------------------------------------------------------------

taken_over(
    "DISCO-D",
    "GAN-D",
    r"L_{D_Y} = \mathbb E_y \operatorname{softplus}(-D_Y(y)) + \mathbb E_x "
    r"\operatorname{softplus}(D_Y(G(x)))",
)
taken_over("DISCO-G", "GAN-G", r"L_{G} = \mathbb E_x \operatorname{softplus}(-D_Y(G(x)))")


@oracle(
    "DISCO-CONST",
    r"L_{\text{const}} = \mathbb E_x \bigl\lVert F(G(x)) - x \bigr\rVert^2 + \mathbb E_y "
    r"\bigl\lVert G(F(y)) - y \bigr\rVert^2",
)
def disco_const(x, x_again, y, y_again):
    return np.square(x_again - x).sum() / x.size + np.square(y_again - y).sum() / y.size


@oracle("DISCO-SUM", r"L = L_G + L_F + \lambda L_{\text{const}}")
def disco_sum(games, again, weight):
    return games[0] + games[1] + weight * again


@oracle(
    "DISCO-FM",
    r"L_{\text{FM}} = \sum_l \bigl\lVert \mathbb E_y f_l(y) - \mathbb E_x f_l(G(x)) \bigr\rVert^2",
)
def disco_fm(real, fake, second_real, second_fake):
    """Two layers; the square is a mean over the features of a layer."""
    gaps = real.mean(axis=0) - fake.mean(axis=0), second_real.mean(0) - second_fake.mean(0)
    return sum((gap**2).sum() / gap.size for gap in gaps)


@oracle(
    "DISCO-CODE",
    r"L = (1 - r) \bigl( (1 - a)\, (L_G + L_F) + a\, L_{\text{FM}} \bigr) + r\, L_{\text{const}}",
)
def disco_code(game, matching, again, rate, share):
    return rate * again + (1 - rate) * (game + share * (matching - game))


@oracle("DISCO-RATE", r"r_t = 0.01 \quad (t < t_0), \qquad r_t = 0.5 \quad (t \ge t_0)")
def disco_rate(steps, switch):
    return np.where(np.arange(steps) < switch, 0.01, 0.5)


def maps(n, seed=0):
    return scores(n * 9, seed=seed).reshape(n, 3, 3)


def test_reconstruction_loss():
    x, x_again = maps(4), maps(4, seed=1)
    y, y_again = maps(6, seed=2), maps(6, seed=3)
    inputs = {"x": x, "x_again": x_again, "y": y, "y_again": y_again}
    check("DISCO-CONST", discogan.reconstruction_loss, **inputs)


def test_feature_matching():
    def matched(real, fake, second_real, second_fake):
        return discogan.feature_matching([real, second_real], [fake, second_fake])

    layers = {"real": maps(5), "fake": maps(5, 1), "second_real": maps(5, 2)}
    check("DISCO-FM", matched, **layers, second_fake=maps(5, 3))


def test_the_loss_of_the_code():
    parts = {"game": np.array(0.7), "matching": np.array(0.2), "again": np.array(0.4)}
    for rate in (0.01, 0.5):
        check("DISCO-CODE", discogan.blend, **parts, rate=rate, share=0.9)


def test_the_rate_jumps_once():
    config = discogan.Config(switch=5, steps=9)
    found = [discogan.rate_at(t, config) for t in range(9)]
    np.testing.assert_array_equal(found, disco_rate(9, 5))


def test_the_translators_step_is_on_the_sum(monkeypatch):
    def total(games, again, weight):
        model = discogan.DiscoGAN(replace(POINTS, reconstruction_weight=weight))
        queue, losses = iter(games), []
        monkeypatch.setattr(discogan, "generator_loss", lambda scores: next(queue))
        monkeypatch.setattr(discogan, "reconstruction_loss", lambda *parts: again)
        monkeypatch.setattr(discogan, "update", lambda optimizer, loss: losses.append(loss))
        logged = model.generator_step(*points().batch(4))
        assert logged["generator_loss"] == games.sum()
        return losses[0]

    check("DISCO-SUM", total, games=scores(2), again=np.array(0.3), weight=2.0)


@pytest.mark.parametrize("done", [0, 4, 7])
def test_the_codes_step_is_on_the_blend_with_the_rate_of_the_moment(monkeypatch, done):
    model = discogan.CodeDiscoGAN(replace(POINTS, switch=4, steps=8))
    model.steps_done.fill_(done)
    games, matched, losses = iter([0.3, 0.5]), iter([0.1, 0.4]), []
    monkeypatch.setattr(discogan, "generator_loss", lambda scores: next(games))
    monkeypatch.setattr(discogan, "feature_matching", lambda *parts: next(matched))
    monkeypatch.setattr(discogan, "reconstruction_loss", lambda *parts: 0.2)
    monkeypatch.setattr(discogan, "update", lambda optimizer, loss: losses.append(loss))
    model.generator_step(*points().batch(4))
    expected = disco_code(0.8, 0.5, 0.2, disco_rate(8, 4)[done], 0.9)
    assert losses[0] == pytest.approx(expected, rel=1e-12)


def test_the_games_belong_to_gan():
    assert discogan.discriminator_loss is gan.discriminator_loss
    assert discogan.generator_loss is gan.generator_loss


# --- facts -------------------------------------------------------------------------------------


@oracle(
    "DISCO-FIBRE",
    r"\min_F\, \mathbb E_x \bigl\lVert F(G(x)) - x \bigr\rVert^2 = \mathbb E_x "
    r"\operatorname{Var}(x \mid G(x))",
)
def variance_within(values, groups):
    """The mean squared distance to the mean of the own group: what a lost part costs at least."""
    total = 0.0
    for group in set(groups.tolist()):
        own = values[groups == group]
        total += ((own - own.sum() / len(own)) ** 2).sum()
    return total / len(values)


def test_a_map_that_joins_two_modes_cannot_be_undone_for_less_than_their_variance():
    """The package's loss for the best way back, and for ways beside it."""
    x = torch.tensor([0.0, 1.0, 4.0, 5.0], dtype=torch.float64)[:, None]
    groups = np.array([0, 1, 1, 2])  # the second and the third go to one place

    def error(guesses):
        again = torch.tensor(guesses, dtype=torch.float64)[groups][:, None]
        return discogan.reconstruction_loss(x, again, x, x).item()

    least = variance_within(x[:, 0].numpy(), groups)
    assert error([0.0, 2.5, 5.0]) == pytest.approx(least)
    assert least > 1
    for nudge in (0.1, -0.1):
        assert error([0.0, 2.5 + nudge, 5.0]) > least


def test_feature_matching_does_not_see_the_order_of_a_batch():
    """It compares means: any permutation of the fakes costs the same, and of the reals nothing."""
    real = torch.randn(6, 4, 2, 2, dtype=torch.float64)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    assert discogan.feature_matching([real], [real[order]]) < 1e-25
    moved = discogan.feature_matching([real], [real + 1])
    assert moved.item() == pytest.approx(1)


def test_the_features_are_those_of_the_layers_before_the_score(model):
    x = torch.rand(3, *SHAPE)
    model.eval()
    found, score = discogan.features(model.discriminator_x, x)
    assert [f.shape[-1] for f in found] == [16, 8, 4]
    assert same(score, model.discriminator_x(x))
    assert score.shape == (3,), "one score for an image"
    assert not [m for m in model.discriminator_x.modules() if m._forward_hooks]


# --- a step ------------------------------------------------------------------------------------


@pytest.fixture
def stub(monkeypatch):
    """Makes a model whose networks are known functions, and what its losses are given."""
    return lambda cls: stubbed(monkeypatch, cls(SMALL), discogan, "reconstruction_loss")


@BOTH
def test_who_translates_what_and_who_judges_whom(stub, cls):
    check_who_translates_and_judges(*stub(cls), "reconstruction_loss")


def test_each_discriminator_sees_its_own_domain(stub):
    model, given = stub(discogan.DiscoGAN)
    x, y = batch()
    result = model.discriminator_step(x, y)
    expected = [(judged(x, 100), judged(y + 3, 100)), (judged(y, 200), judged(2 * x, 200))]
    for pair, wanted in zip(given["discriminator_loss"], expected, strict=True):
        torch.testing.assert_close(pair, wanted)
    both = sum(gan.discriminator_loss(*pair) for pair in expected)
    torch.testing.assert_close(given["total"], both)
    torch.testing.assert_close(result["discriminator_loss"], both)


def test_features_are_matched_with_the_real_ones_of_the_same_domain(monkeypatch):
    model, seen = discogan.CodeDiscoGAN(SMALL), []
    real_features = discogan.features

    def watched(discriminator, samples):
        which = "x" if discriminator is model.discriminator_x else "y"
        seen.append((which, samples.detach().clone()))
        return real_features(discriminator, samples)

    monkeypatch.setattr(discogan, "features", watched)
    x, y = batch()
    fake_x, fake_y = model.generator_yx(y).detach(), model.generator_xy(x).detach()
    model.generator_step(x, y)
    assert [which for which, _ in seen] == ["x", "x", "y", "y"]
    for (_, found), expected in zip(seen, (x, fake_x, y, fake_y), strict=True):
        torch.testing.assert_close(found, expected)


@BOTH
@pytest.mark.parametrize("trip", [1, 3])
def test_each_reconstruction_moves_both_translators(trip, monkeypatch, cls):
    found = translators_that_learn(monkeypatch, cls(SMALL), discogan, "reconstruction_loss", trip)
    assert found == set(GENERATORS)


def test_the_codes_discriminators_learn_in_every_third_iteration():
    model, seen = discogan.CodeDiscoGAN(SMALL), []
    for name in ("discriminator_step", "generator_step"):
        step = getattr(model, name)

        def watched(x, y, step=step, name=name):
            seen.append((name, x, y))
            return step(x, y)

        setattr(model, name, watched)
    size = SMALL.batch_size
    assert model.samples_per_step == 3 * size
    data = two_domains(shape=SHAPE).batch(3 * size)
    model.step(data)
    names = [name for name, *_ in seen]
    assert names == ["discriminator_step", "generator_step", "generator_step"]
    for k, (_, x, y) in enumerate(seen):
        assert same(x, data.x[k * size : (k + 1) * size])
        assert same(y, data.y[k * size : (k + 1) * size])


def test_the_paper_trains_both_in_every_iteration(model):
    seen, data = [], batch()
    for name in ("discriminator_step", "generator_step"):
        step = getattr(model, name)

        def watched(x, y, step=step, name=name):
            seen.append(name)
            assert same(x, data.x)
            assert same(y, data.y)
            return step(x, y)

        setattr(model, name, watched)
    model.step(data)
    assert seen == ["discriminator_step", "generator_step"]


# --- samples and settings ----------------------------------------------------------------------


def test_there_is_no_way_around_the_bottleneck_and_no_noise(model):
    for translator in (model.generator_xy, model.generator_yx):
        assert not translator.skips
        assert all(m.p == 0 for m in translator.modules() if isinstance(m, nn.Dropout))


def test_points_are_translated_too():
    config = replace(POINTS, steps=3, batch_size=64)
    run = discogan.train(config, points(), device="cpu", progress=False, snapshots=2)
    assert run.snapshots.shape == (2, 64, 2)


def test_the_numbers_of_the_authors():
    config = discogan.Config()
    assert (config.early_rate, config.late_rate, config.matching_share) == (0.01, 0.5, 0.9)
    assert config.reconstruction_weight == 1


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = [
    *mutants(
        "translation.discogan",
        (
            "DiscoGAN: the curriculum never switches",
            "config.early_rate if step < config.switch else config.late_rate",
            "config.early_rate",
            "test_the_rate_jumps_once",
        ),
        (
            "DiscoGAN: both rates exchanged",
            "config.early_rate if step < config.switch else config.late_rate",
            "config.late_rate if step < config.switch else config.early_rate",
            "test_the_rate_jumps_once",
        ),
        (
            "DiscoGAN: the reconstruction is compared with the other domain",
            "return (x_again - x).square().mean() + (y_again - y).square().mean()",
            "return (y_again - x).square().mean() + (x_again - y).square().mean()",
            "test_reconstruction_loss",
        ),
        (
            "DiscoGAN: one reconstruction only, as in the paper's baseline",
            "return (x_again - x).square().mean() + (y_again - y).square().mean()",
            "return (x_again - x).square().mean() + 0 * (y_again - y).square().mean()",
            "test_reconstruction_loss",
        ),
        (
            "DiscoGAN: absolute differences, which are CycleGAN's",
            "return (x_again - x).square().mean() + (y_again - y).square().mean()",
            "return (x_again - x).abs().mean() + (y_again - y).abs().mean()",
            "test_reconstruction_loss",
        ),
        (
            "DiscoGAN: the discriminators learn in two of three iterations, the translators in one",
            "        logged = self.discriminator_step(x, y)\n        for pair in others:\n"
            "            logged |= self.generator_step(*pair)",
            "        logged = self.generator_step(x, y)\n        for pair in others:\n"
            "            logged |= self.discriminator_step(*pair)",
            "test_the_codes_discriminators_learn_in_every_third_iteration",
        ),
        (
            "DiscoGAN: features are matched with the other domain's",
            "sides = (self.discriminator_x, x, fake_x), (self.discriminator_y, y, fake_y)",
            "sides = (self.discriminator_x, y, fake_x), (self.discriminator_y, x, fake_y)",
            "test_features_are_matched_with_the_real_ones_of_the_same_domain",
        ),
        (
            "DiscoGAN: features are matched sample by sample, as if there were pairs",
            "gaps = (r.mean(0) - f.mean(0) for r, f in zip(real, fake, strict=True))",
            "gaps = (r - f for r, f in zip(real, fake, strict=True))",
            "test_feature_matching_does_not_see_the_order_of_a_batch",
        ),
        (
            "DiscoGAN: the share of the games and that of the matching exchanged",
            "(1 - share) * game + share * matching",
            "share * game + (1 - share) * matching",
            "test_the_loss_of_the_code",
        ),
        (
            "DiscoGAN: without its factor 1 - r",
            "return (1 - rate) * ((1 - share)",
            "return 1 * ((1 - share)",
            "test_the_loss_of_the_code",
        ),
        (
            "DiscoGAN: a U-Net with its skip connections",
            "dropout=0.0, skips=False)",
            "dropout=0.0, skips=True)",
            "test_there_is_no_way_around_the_bottleneck_and_no_noise",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    equivalent = {
        "generator_step: of_real and of_fake exchanged in `matching = matching + "
        "feature_matching(of_real, of_fake)`": "a squared difference has no order"
    }
    assert not survivors(__file__, generated(discogan, equivalent))
