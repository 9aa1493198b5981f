"""pix2pix: its equations, who sees what in a step, and the noise that stays on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import Batch
from gan_lessons.networks.patches import receptive_field
from gan_lessons.translation import pix2pix
from tests.helpers import moved, pairs, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, sigmoid, taken_over

SMALL = pix2pix.PRESETS["smoke"]
COLOUR = (3, 32, 32)


@pytest.fixture
def model():
    return pix2pix.Pix2Pix(SMALL)


def batch(n=6):
    return pairs(40, COLOUR).batch(n, torch.Generator().manual_seed(0))


# --- equations ---------------------------------------------------------------------------------


@oracle(
    "PIX2PIX-V",
    r"V = \mathbb E_{x, y} \log \sigma(D(x, y)) + \mathbb E_{x, z} \log\bigl(1 - \sigma(D(x, "
    r"G(x, z)))\bigr)",
)
def value(real_scores, fake_scores):
    """The paper's value of the conditional game, in probabilities."""
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


@oracle(
    "PIX2PIX-D",
    r"L_D = \tfrac12 \mathbb E_{x, y} \operatorname{softplus}(-D(x, y)) + \tfrac12 \mathbb "
    r"E_{x, z} \operatorname{softplus}(D(x, G(x, z)))",
)
def pix2pix_d(real_scores, fake_scores):
    real, fake = np.logaddexp(0, -real_scores), np.logaddexp(0, fake_scores)
    return 0.5 * real.sum() / real.size + 0.5 * fake.sum() / fake.size


taken_over("PIX2PIX-G", "GAN-G", r"L_G = \mathbb E_{x, z} \operatorname{softplus}(-D(x, G(x, z)))")


@oracle("PIX2PIX-L1", r"L_1 = \mathbb E_{x, y, z} \lvert y - G(x, z) \rvert")
def pix2pix_l1(fake, target):
    return sum(abs(a - b) for a, b in zip(fake.ravel(), target.ravel(), strict=True)) / fake.size


@oracle("PIX2PIX-TOTAL", r"L = L_G + \lambda L_1")
def pix2pix_total(fake_scores, fake, target, weight):
    game = np.logaddexp(0, -fake_scores).sum() / fake_scores.size
    return game + weight * pix2pix_l1(fake, target)


def map_of_scores(n, seed=0):
    return scores(n * 9, seed=seed).reshape(n, 3, 3)


def test_discriminator_loss():
    real, fake = map_of_scores(4), map_of_scores(2, seed=1)
    check("PIX2PIX-D", pix2pix.discriminator_loss, real_scores=real, fake_scores=fake)


def test_l1_loss():
    fake, target = (scores(24, seed=s).reshape(2, 3, 2, 2) for s in range(2))
    check("PIX2PIX-L1", pix2pix.l1_loss, fake=fake, target=target)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_generator_s_step_is_on_the_total(share, monkeypatch):
    """What reaches its optimiser; both weights in the same ratio give a share of it."""

    def total(fake_scores, fake, target, weight):
        config = replace(SMALL, l1_weight=share * weight, adversarial_weight=share)
        model, losses = pix2pix.Pix2Pix(config), []
        monkeypatch.setattr(model.discriminator, "forward", lambda x, picture: fake_scores)
        monkeypatch.setattr(pix2pix, "update", lambda optimizer, loss: losses.append(loss))
        model.generator_step(torch.full_like(target, 9.0), target, fake)
        return losses[0] / share

    fake, target = (scores(8, seed=s).reshape(2, 1, 2, 2) for s in range(2))
    judged = map_of_scores(2)
    check("PIX2PIX-TOTAL", total, fake_scores=judged, fake=fake, target=target, weight=100.0)


def test_the_discriminator_minimises_minus_half_the_value_of_the_paper():
    def twice_minus_loss(real_scores, fake_scores):
        return -2 * pix2pix.discriminator_loss(real_scores, fake_scores)

    real, fake = map_of_scores(2), map_of_scores(2, seed=1)
    check("PIX2PIX-V", twice_minus_loss, real_scores=real, fake_scores=fake)


@oracle("PIX2PIX-OPT", r"D^*(x, y) = \log p(y \mid x) - \log p_G(y \mid x)")
def best_score(real, fake):
    """For each input (row) and each picture (column), from both conditional distributions."""
    return np.log(real) - np.log(fake)


def test_the_best_discriminator_weighs_pictures_given_the_input():
    real = np.array([[6, 1, 1], [1, 1, 6]])  # how often each of 3 pictures belongs to an input
    fake = np.array([[1, 1, 6], [1, 1, 6]])  # the generator ignores the input
    best = best_score(real / 8, fake / 8)
    values = torch.tensor(best, requires_grad=True)
    drawn = [values.flatten().repeat_interleave(torch.tensor(n).flatten()) for n in (real, fake)]
    (slope,) = torch.autograd.grad(pix2pix.discriminator_loss(*drawn), values)
    assert slope.abs().max() < 1e-12, "no score can be improved"
    assert best[0, 2] < -1.5, "a good picture of the wrong input is a fake"
    assert not best[1].any()


def test_a_discriminator_that_cannot_tell_pays_log_2():
    nothing = torch.zeros(3, 3, dtype=torch.float64)
    assert pix2pix.discriminator_loss(nothing, nothing).item() == pytest.approx(np.log(2))


# --- the distance ------------------------------------------------------------------------------


@oracle("PIX2PIX-MEDIAN", r"\arg\min_c \mathbb E \lvert y - c \rvert = \operatorname{median}(y)")
def middle_value(values):
    ordered = np.sort(values)
    return ordered[len(ordered) // 2]


@oracle("PIX2PIX-MEAN", r"\arg\min_c \mathbb E (y - c)^2 = \mathbb E\, y")
def average_value(values):
    return values.sum() / values.size


@pytest.mark.parametrize("values", [[1.0] * 7 + [-1.0] * 3, [-0.8, 0.1, 0.2, 0.7, 0.9]])
def test_l1_is_least_at_the_median_and_l2_at_the_mean(values):
    values = np.array(values)
    candidates = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    target = torch.from_numpy(values)
    l1 = torch.stack([pix2pix.l1_loss(c.expand(len(values)), target) for c in candidates])
    l2 = torch.stack([nn.functional.mse_loss(c.expand(len(values)), target) for c in candidates])
    assert candidates[l1.argmin()].item() == pytest.approx(middle_value(values), abs=1e-3)
    assert candidates[l2.argmin()].item() == pytest.approx(average_value(values), abs=1e-3)


def test_l1_does_not_care_between_two_halves():
    target = torch.tensor([1.0, -1.0])
    losses = [pix2pix.l1_loss(torch.full((2,), c), target) for c in (-1.0, -0.3, 0.0, 0.6, 1.0)]
    assert all(loss == 1 for loss in losses)


@pytest.mark.parametrize("start", [-0.6, 0.0, 0.6])
def test_on_fair_coins_l1_stays_where_it_starts_and_l2_goes_to_the_mean(start):
    ends = {}
    for name, loss in (("L1", pix2pix.l1_loss), ("L2", nn.functional.mse_loss)):
        torch.manual_seed(0)
        c = torch.tensor(start, requires_grad=True)
        optimizer = torch.optim.SGD([c], lr=0.02)
        for _ in range(500):
            coins = 2.0 * torch.randint(2, (16,)) - 1
            optimizer.zero_grad()
            loss(c.expand(16), coins).backward()
            optimizer.step()
        ends[name] = c.item()
    assert ends["L1"] == pytest.approx(start, abs=0.2)
    assert ends["L2"] == pytest.approx(0, abs=0.15)


def test_half_of_a_loss_makes_no_difference_to_adam():
    """The half in [PIX2PIX-D] slows plain gradient descent down, and not Adam."""
    kinds = {"Adam": torch.optim.Adam, "SGD": torch.optim.SGD}
    real, fake, found = torch.tensor([[0.5]]), torch.tensor([[-0.3]]), {}
    for name, kind in kinds.items():
        for factor in (1, 2):
            judge = nn.Linear(1, 1).double()
            nn.init.zeros_(judge.weight)
            nn.init.zeros_(judge.bias)
            optimizer = kind(judge.parameters(), lr=1e-3)
            for _ in range(200):
                optimizer.zero_grad()
                scores_of = judge(real.double()), judge(fake.double())
                (factor * pix2pix.discriminator_loss(*scores_of)).backward()
                optimizer.step()
            found[name, factor] = judge.weight.item()
    assert abs(found["Adam", 1]) > 0.1
    assert found["Adam", 1] == pytest.approx(found["Adam", 2], abs=1e-5)
    assert found["SGD", 2] == pytest.approx(2 * found["SGD", 1], rel=0.05)


# --- a step ------------------------------------------------------------------------------------


@pytest.fixture
def one_step(model):
    """A step's batch, picture and numbers, and (input, picture, scores) of each judgement."""
    judged, made = [], []
    model.generator.register_forward_hook(lambda *call: made.append(call[1:]))
    model.discriminator.register_forward_hook(
        lambda _, inputs, output: judged.append((*inputs, output.detach().double().numpy()))
    )
    x, y = batch()
    logged = model.step(Batch(x, y))
    (((given,), fake),) = made  # one pass, so D and G look at the same pictures
    assert same(given, x)
    return x, y, fake, logged, judged


def test_each_pair_is_the_input_first_and_then_the_picture_that_belongs_to_it(one_step):
    x, y, fake, _, judged = one_step
    for (first, second, _), picture in zip(judged, [y, fake, fake], strict=True):
        assert same(first, x)
        assert same(second, picture)


def test_the_numbers_of_a_step_are_those_of_the_equations(one_step):
    _, y, fake, logged, judged = one_step
    real, before, after = (scored for *_, scored in judged)
    expected = {
        "discriminator_loss": pix2pix_d(real, before),
        "real_score": real.mean(),
        "fake_score": before.mean(),
        "l1_loss": pix2pix_l1(fake.detach().double().numpy(), y.double().numpy()),
        "generator_loss": np.logaddexp(0, -after).mean(),  # by the discriminator that has moved
    }
    assert {name: v.item() for name, v in logged.items()} == pytest.approx(expected, rel=1e-5)


def test_without_the_adversarial_term_there_is_no_game():
    model = pix2pix.Pix2Pix(replace(SMALL, adversarial_weight=0))
    assert moved(model, lambda: model.step(batch())) == {"generator"}
    assert set(model.step(batch())) == {"l1_loss"}


def test_without_l1_the_target_reaches_the_discriminator_only():
    results = []
    for change in (0.0, 0.5):
        torch.manual_seed(0)
        model = pix2pix.Pix2Pix(replace(SMALL, l1_weight=0))
        x, y = batch()
        model.generator_step(x, y + change, model.generator(x))
        results.append([p.detach().clone() for p in model.generator.parameters()])
    assert all(same(a, b) for a, b in zip(*results, strict=True))


# --- the noise, and what is made from it -------------------------------------------------------


def test_two_pictures_of_one_input_differ(model):
    x = batch(4).x
    first, second = model.sample(x=x), model.sample(x=x)
    assert first.shape == x.shape
    assert not same(first, second), "dropout is the noise z, and stays on"
    assert not first.requires_grad
    assert all(m.training for m in model.modules()), "the modes come back"


def test_a_picture_depends_on_its_own_input_alone():
    """Dropout stays on, but batch normalisation uses what it has learnt."""
    model = pix2pix.Pix2Pix(replace(SMALL, dropout=0.0))
    model.step(batch())
    x = batch(4).x
    together, alone = model.sample(x=x), model.sample(x=x[:1])
    torch.testing.assert_close(together[:1], alone)
    assert same(model.sample(x=x), together), "without dropout there is no noise"


def test_there_is_nothing_to_translate_without_an_input(model):
    with pytest.raises(ValueError, match="pass the inputs as x="):
        model.sample(3)
    for wrong in (torch.zeros(3, 1, 32, 32), torch.zeros(3, 32, 32)):
        with pytest.raises(ValueError, match=r"but must be \(n, 3, any, any\)"):
            model.sample(x=wrong)


def test_snapshots_are_made_from_inputs_of_the_data(model):
    data = pairs(12, COLOUR)
    (x,) = model.fixed_inputs(20, data).values()
    known = {bytes(image.numpy()) for image in data.inputs.floats()}
    assert len(x) == 20
    assert all(bytes(image.numpy()) in known for image in x)


# --- settings ----------------------------------------------------------------------------------


def test_the_settings_reach_the_networks():
    model = pix2pix.Pix2Pix(replace(SMALL, skips=False, dropout=0.3, halvings=2))
    joined = [m.in_channels for m in model.generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert joined == [16, 8, 4], "without skips"
    assert {m.p for m in model.generator.modules() if isinstance(m, nn.Dropout)} == {0.3}
    assert receptive_field(model.discriminator) == 34


def test_the_numbers_of_the_paper():
    assert {(c.l1_weight, c.adversarial_weight) for c in pix2pix.PRESETS.values()} == {(100, 1)}
    assert {(c.dropout, c.skips) for c in pix2pix.PRESETS.values()} == {(0.5, True)}


def test_two_weights_of_zero_are_refused():
    with pytest.raises(ValueError, match="Both weights are 0"):
        pix2pix.train(replace(SMALL, l1_weight=0, adversarial_weight=0), pairs())


# --- what is learned -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "name"), [((1.0, 0.0), "l1_loss"), ((0.0, 1.0), "generator_loss")]
)
def test_the_generator_lowers_each_term_alone(weights, name):
    config = replace(SMALL, learning_rate=0.02)
    config = replace(config, l1_weight=weights[0], adversarial_weight=weights[1])
    model, (x, y) = pix2pix.Pix2Pix(config), batch()
    found = [model.generator_step(x, y, model.generator(x))[name].item() for _ in range(12)]
    assert found[-1] < 0.99 * found[0]


def test_only_a_discriminator_that_sees_the_input_finds_out_the_wrong_picture():
    """The fakes are true pictures of other inputs: alone, both kinds are the same set."""
    config = replace(SMALL, shape=(3, 28, 28), width=8, learning_rate=0.01)
    model = pix2pix.Pix2Pix(config)
    x = torch.rand(16, 3, 1, 1).mul(2).sub(1).expand(-1, *config.shape).contiguous()
    y, fake = -x, -x.roll(7, 0)

    def last_losses(steps):
        logged = [model.discriminator_step(x, y, fake) for _ in range(steps)]
        return [numbers["discriminator_loss"].item() for numbers in logged[-5:]]

    sees = model.discriminator.forward
    assert np.mean(last_losses(40)) < 0.45
    assert sees(x, y).mean() > sees(x.roll(1, 0), y).mean() + 1, "as real, but not for this input"
    model.discriminator.forward = lambda drawing, picture: sees(torch.zeros_like(drawing), picture)
    assert min(last_losses(15)) > np.log(2) - 1e-4, "and no training can get below"


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = [
    *mutants(
        "translation.pix2pix",
        (
            "pix2pix: the discriminator's loss is not halved",
            "return gan.discriminator_loss(real_scores, fake_scores) / 2",
            "return gan.discriminator_loss(real_scores, fake_scores)",
            "test_discriminator_loss",
        ),
        (
            "pix2pix: the distance is squared",
            "(target - fake).abs().mean()",
            "((target - fake) ** 2).mean()",
            "test_l1_is_least_at_the_median_and_l2_at_the_mean",
        ),
        (
            "pix2pix: the distance is to the input",
            "l1 = l1_loss(fake, y)",
            "l1 = l1_loss(fake, x)",
            "test_the_generator_s_step_is_on_the_total",
        ),
        (
            "pix2pix: lambda is left out",
            "self.config.l1_weight * l1,",
            "l1,",
            "test_the_generator_s_step_is_on_the_total",
        ),
        (
            "pix2pix: the weight of the game is there, and nothing reads it",
            "loss + self.config.adversarial_weight * adversarial",
            "loss + adversarial",
            "test_the_generator_s_step_is_on_the_total",
        ),
        (
            "pix2pix: lambda is 10, as CycleGAN's",
            "l1_weight: float = 100.0",
            "l1_weight: float = 10.0",
            "test_the_numbers_of_the_paper",
        ),
        (
            "pix2pix: the input comes second where the picture is real",
            "self.discriminator(x, y)",
            "self.discriminator(y, x)",
            "test_each_pair_is_the_input_first_and_then_the_picture_that_belongs_to_it",
        ),
        (
            "pix2pix: fakes come with the input of another pair",
            "self.discriminator(x, fake.detach())",
            "self.discriminator(x.roll(1, 0), fake.detach())",
            "test_each_pair_is_the_input_first_and_then_the_picture_that_belongs_to_it",
        ),
        (
            "pix2pix: the discriminator does not see the input of a fake",
            "generator_loss(self.discriminator(x, fake))",
            "generator_loss(self.discriminator(fake, fake))",
            "test_each_pair_is_the_input_first_and_then_the_picture_that_belongs_to_it",
        ),
        (
            "pix2pix: the generator is judged by a second picture with another noise",
            "return played | self.generator_step(x, y, fake)",
            "return played | self.generator_step(x, y, self.generator(x))",
            "test_each_pair_is_the_input_first_and_then_the_picture_that_belongs_to_it",
        ),
        (
            "pix2pix: the discriminator climbs where it should descend",
            "update(self.discriminator_optimizer, loss)",
            "update(self.discriminator_optimizer, -loss)",
            "test_only_a_discriminator_that_sees_the_input_finds_out_the_wrong_picture",
        ),
        (
            "pix2pix: the noise is switched off in samples",
            "noise_on(self.generator)",
            "pass",
            "test_two_pictures_of_one_input_differ",
        ),
        (
            "pix2pix: samples share the statistics of their batch",
            "with evaluating(self):",
            "with evaluating(self.discriminator):",
            "test_a_picture_depends_on_its_own_input_alone",
        ),
        (
            "pix2pix: the skip connections cannot be left out",
            "config.dropout, config.skips)",
            "config.dropout)",
            "test_the_settings_reach_the_networks",
        ),
    ),
    *mutants(
        "foundations.gan",
        (
            "pix2pix: the loss is summed over the patches",
            "return softplus(-fake_scores).mean()",
            "return softplus(-fake_scores).sum() / len(fake_scores)",
            "test_the_generator_s_step_is_on_the_total",
        ),
        (
            "pix2pix: the generator minimises the saturating form",
            "return softplus(-fake_scores).mean()",
            "return -softplus(fake_scores).mean()",
            "test_the_generator_s_step_is_on_the_total",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


# What changes nothing, and why.
EQUIVALENT = {
    "generator_step: fake and y exchanged in `l1 = l1_loss(fake, y)`": "a distance is the same "
    "from both ends",
}


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(pix2pix, EQUIVALENT))
