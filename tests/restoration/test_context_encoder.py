"""Context Encoder: what is weighed, who sees what, and at whose rate everybody learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gan_lessons.data import ring
from gan_lessons.data.masks import border, composite, masks, mean_colour
from gan_lessons.foundations import gan
from gan_lessons.restoration import context_encoder as ce
from tests.helpers import images, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over

SMALL = ce.PRESETS["smoke"]
KINDS = pytest.mark.parametrize("kind", ["centre", "blocks", "regions"])


@pytest.fixture
def model():
    return ce.ContextEncoder(replace(SMALL, fill=(-0.7,)))


def batch(n=4):
    return images().batch(n).x


# --- equations ---------------------------------------------------------------------------------

taken_over(
    "CE-D",
    "GAN-D",
    r"L_D = \mathbb E_{x, m} \operatorname{softplus}(-D(h_m(x))) + \mathbb E_{x, m} "
    r"\operatorname{softplus}(D(h_m(G(\tilde x))))",
)
taken_over(
    "CE-G",
    "GAN-G",
    r"L_{\text{adv}} = \mathbb E_{x, m} \operatorname{softplus}(-D(h_m(G(\tilde x))))",
)


@oracle(
    "CE-WEIGHT",
    r"w_i = (1 - m_i) + \beta\, m_i \max_{\lVert j - i \rVert_\infty \le k} (1 - m_j)",
)
def weights_of(m, overlap, overlap_weight):
    """Of one mask, pixel by pixel."""
    height, width = m.shape
    w = np.zeros_like(m)
    for i in range(height):
        for j in range(width):
            if m[i, j] == 0:
                w[i, j] = 1
                continue
            near = m[max(0, i - overlap) : i + overlap + 1, max(0, j - overlap) : j + overlap + 1]
            w[i, j] = overlap_weight if (near == 0).any() else 0
    return w


@oracle(
    "CE-REC",
    r"L_{\text{rec}} = \frac{\sum_i w_i \bigl(x_i - G(\tilde x)_i\bigr)^2}{\#\{i : w_i > 0\}}",
)
def ce_rec(fake, target, weights):
    chosen = np.broadcast_to(weights, target.shape) > 0
    w = np.broadcast_to(weights, target.shape)[chosen]
    return np.mean(w * (target[chosen] - fake[chosen]) ** 2)


@oracle("CE-TOTAL", r"L_G = (1 - \lambda)\, L_{\text{rec}} + \lambda\, L_{\text{adv}}")
def ce_total(again, game, share):
    return again + share * (game - again)


@oracle(
    "CE-MODE",
    r"\lambda \bigl( \operatorname{softplus}(-D(0)) - \operatorname{softplus}(-D(s)) \bigr) "
    r"> (1 - \lambda)\, \rho\, s^2",
)
def a_value_pays(share, score_of_grey, score_of_value, hole, s):
    """Whether one of the two values +s, -s is cheaper than grey; `hole` is rho."""

    def total(v, score):
        again = hole * ((s - v) ** 2 + (-s - v) ** 2) / 2  # a fair coin decides the truth
        return (1 - share) * again + share * np.logaddexp(0, -score)

    return total(s, score_of_value) < total(0.0, score_of_grey)


def test_pixel_weights():
    for kind in ("centre", "blocks", "regions"):
        m = masks(kind, 3, 24)
        found = ce.pixel_weights(m, 2, 10.0)
        for one, own in zip(m[:, 0].double().numpy(), found[:, 0], strict=True):
            np.testing.assert_array_equal(own, weights_of(one, 2, 10.0))


def test_without_a_border_the_hole_alone_is_weighed():
    m = masks("regions", 2, 24)
    assert same(ce.pixel_weights(m, 0, 10.0), 1 - m)


@pytest.mark.parametrize("channels", [1, 3])
def test_reconstruction_loss(channels):
    m = masks("centre", 2, 8)
    weights = ce.pixel_weights(m, 1, 10.0).long().numpy()
    fake, target = (scores(2 * channels * 64, seed=s).reshape(2, channels, 8, 8) for s in (0, 1))
    check("CE-REC", ce.reconstruction_loss, fake=fake, target=target, weights=weights)


def test_the_games_belong_to_gan():
    assert ce.discriminator_loss is gan.discriminator_loss
    assert ce.generator_loss is gan.generator_loss


def test_the_generators_step_is_on_the_weighted_sum(monkeypatch):
    def total(again, game, share):
        model = ce.ContextEncoder(replace(SMALL, adversarial_weight=share))
        losses = []
        monkeypatch.setattr(ce, "generator_loss", lambda scores: game)
        monkeypatch.setattr(ce, "reconstruction_loss", lambda *parts: again)
        monkeypatch.setattr(ce, "update", lambda optimizer, loss: losses.append((optimizer, loss)))
        x = batch()
        logged = model.generator_step(x, x, model.masks(len(x)))
        assert (logged["reconstruction_loss"], logged["generator_loss"]) == (again, game)
        assert losses[0][0] is model.generator_optimizer
        return losses[0][1]

    for share in (0.001, 0.4, 1.0):
        check("CE-TOTAL", total, again=np.array(0.3), game=np.array(2.0), share=share)


# --- facts -------------------------------------------------------------------------------------


def total_of(v, s, score, share, side=32):
    """The package's own loss of a filling v for both truths +s and -s, whose score is given."""
    m = masks("centre", 2, side).double()
    truth = torch.zeros(2, 1, side, side, dtype=torch.float64)
    truth = composite(truth, torch.tensor([s, -s]).double()[:, None, None, None], m)
    fake = composite(truth, torch.full_like(truth, v), m)
    again = ce.reconstruction_loss(fake, truth, ce.pixel_weights(m, 2, 10.0))
    game = ce.generator_loss(torch.full((2,), score, dtype=torch.float64))
    return ((1 - share) * again + share * game).item()


def test_when_a_value_pays():
    """rho is the share of the hole in the pixels that count: 256 of 400."""
    for share in (0.001, 0.01, 0.1):
        for score in (-5.0, -14.0, -20.0, -170.0):
            ours = total_of(0.5, 0.5, 0.0, share) < total_of(0.0, 0.5, score, share)
            assert ours == a_value_pays(share, score, 0.0, 256 / 400, 0.5)
    assert not a_value_pays(0.001, -100.0, 0.0, 256 / 400, 0.5), "with the paper's weight: never"
    assert a_value_pays(0.1, -5.0, 0.0, 256 / 400, 0.5)


def test_the_loss_does_not_see_the_output_on_the_context(model):
    """And the border counts: it is context, but it is predicted, too."""
    x, fake = batch(), batch()
    m = model.masks(4)
    weights = ce.pixel_weights(m, 2, 10.0)
    far = (weights == 0).float()
    elsewhere = fake + far * torch.randn_like(fake)
    near = fake + border(m, 2) * torch.randn_like(fake)
    loss = ce.reconstruction_loss(fake, x, weights)
    assert loss == ce.reconstruction_loss(elsewhere, x, weights)
    assert loss != ce.reconstruction_loss(near, x, weights)


def test_an_error_on_the_border_weighs_ten_times_one_in_the_hole(model):
    m = model.masks(1)
    weights = ce.pixel_weights(m, model.config.overlap, model.config.overlap_weight)
    x = torch.zeros(1, 1, 32, 32)
    in_hole, on_border = x.clone(), x.clone()
    in_hole[0, 0, 16, 16] = on_border[0, 0, 16, 7] = 0.5
    one, ten = (ce.reconstruction_loss(v, x, weights) for v in (in_hole, on_border))
    assert ten / one == pytest.approx(10)


# --- a step ------------------------------------------------------------------------------------


@KINDS
def test_the_discriminator_sees_the_hole_alone(model, kind):
    """Of real and made pictures alike: it has no gradient, and no difference, on the context."""
    m = masks(kind, 4, 32)
    x = batch().requires_grad_()
    seen = model.hole_alone(x, m)
    assert same(seen * m, -0.7 * m)
    assert same(seen * (1 - m), (x * (1 - m)).detach())
    (slope,) = torch.autograd.grad(model.discriminator(seen).sum(), x)
    assert not (slope * m).any()
    assert (slope * (1 - m)).any()


def test_what_each_network_is_given(model, monkeypatch):
    """G: pictures without their holes. D: the holes of the same pictures, and of what G made."""
    x, m, given = batch(), masks("regions", 4, 32), {}
    monkeypatch.setattr(model, "masks", lambda n: m)
    made = torch.rand_like(x).requires_grad_()

    def generator(v):
        given["G"] = v
        return made

    def discriminator(v):
        given.setdefault("D", []).append(v)
        return v.flatten(1).mean(1)

    monkeypatch.setattr(model.generator, "forward", generator)
    monkeypatch.setattr(model.discriminator, "forward", discriminator)
    losses = {}
    monkeypatch.setattr(ce, "update", lambda optimizer, loss: losses.setdefault(optimizer, loss))
    logged = model.step(images().batch(4)._replace(x=x))
    fill = torch.tensor(-0.7)
    assert same(given["G"], composite(x, fill, m))
    real, fake, again = given["D"]
    assert same(real, composite(fill, x, m))
    assert same(fake, composite(fill, made, m).detach())
    assert not fake.requires_grad
    assert same(again, fake)
    assert again.requires_grad
    wanted = gan.discriminator_loss(real.flatten(1).mean(1), fake.flatten(1).mean(1))
    torch.testing.assert_close(losses[model.discriminator_optimizer], wanted)
    torch.testing.assert_close(logged["discriminator_loss"], wanted)
    weights = ce.pixel_weights(m, 2, 10.0)
    torch.testing.assert_close(
        logged["reconstruction_loss"], ce.reconstruction_loss(made, x, weights)
    )


def test_the_border_of_the_settings_is_the_border_of_the_step(monkeypatch):
    model, seen = ce.ContextEncoder(replace(SMALL, overlap=3, overlap_weight=4.0)), []
    real = ce.reconstruction_loss
    monkeypatch.setattr(ce, "reconstruction_loss", lambda *a: seen.append(a) or real(*a))
    x, m = batch(), model.masks(4)
    fake = model.generator(x)
    model.generator_step(x, fake, m)
    assert seen[0][0] is fake
    assert seen[0][1] is x
    assert same(seen[0][2], ce.pixel_weights(m, 3, 4.0))


def test_the_generator_learns_ten_times_as_fast():
    model = ce.ContextEncoder(replace(SMALL, learning_rate=3e-3))
    fast, slow = (
        getattr(model, name).param_groups[0]["lr"]
        for name in ("generator_optimizer", "discriminator_optimizer")
    )
    assert (fast, slow) == (3e-3, pytest.approx(3e-4))


def test_without_a_game_the_discriminator_stands_still():
    model = ce.ContextEncoder(replace(SMALL, adversarial_weight=0.0))
    before = {k: v.clone() for k, v in model.discriminator.state_dict().items()}
    logged = model.step(images().batch(4))
    assert list(logged) == ["reconstruction_loss"]
    assert all(same(before[k], v) for k, v in model.discriminator.state_dict().items())


@KINDS
def test_masks_are_of_the_kind_and_size_in_the_settings_and_fresh(kind):
    model = ce.ContextEncoder(replace(SMALL, masks=kind, hole=0.25))
    m = model.masks(6)
    assert m.shape == (6, 1, 32, 32)
    assert (1 - m).mean() <= 1 / 16
    assert same(m, model.masks(6)) == (kind == "centre")


# --- samples and settings ----------------------------------------------------------------------


@KINDS
def test_the_context_is_not_touched_to_the_last_bit_and_the_hole_is_not_looked_at(model, kind):
    x, m = batch(), masks(kind, 4, 32)
    found = model.sample(x=x, m=m)
    assert same(found * m, x * m)
    assert not same(found * (1 - m), x * (1 - m))
    other = composite(x, torch.rand_like(x), m)
    assert same(model.sample(x=other, m=m), found), "what was in the hole changes nothing"


def test_samples_are_drawn_in_evaluation(model):
    x, m = batch(), model.masks(4)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    found = model.sample(x=x, m=m)
    assert all(same(state[k], v) for k, v in model.state_dict().items())
    model.eval()
    with torch.no_grad():
        made = model.generator(composite(x, torch.tensor(-0.7), m))
    torch.testing.assert_close(found, composite(x, made, m))
    torch.testing.assert_close(model.sample(x=x[:1], m=m[:1]), found[:1])


def test_wrong_inputs_are_refused(model):
    with pytest.raises(ValueError, match="fills holes: pass pictures as x=…"):
        model.sample(3)
    with pytest.raises(ValueError, match="x has shape"):
        model.sample(x=torch.zeros(2, 1, 28, 28))
    with pytest.raises(ValueError, match="one mask for each picture"):
        model.sample(x=torch.zeros(2, 1, 32, 32), m=torch.ones(1, 1, 32, 32))
    for wrong in ({"adversarial_weight": 1.5}, {"rate_ratio": 0.0}):
        with pytest.raises(ValueError, match="lies from 0 to 1, and rate_ratio above 0"):
            ce.ContextEncoder(replace(SMALL, **wrong))
    with pytest.raises(ValueError, match="fill has 2 numbers"):
        ce.ContextEncoder(replace(SMALL, fill=(0.1, 0.2)))
    with pytest.raises(ValueError, match="masks are 'circle'"):
        ce.train(replace(SMALL, masks="circle"), images(), device="cpu", progress=False)
    with pytest.raises(ValueError, match="square images"):
        ce.train(SMALL, ring(), device="cpu", progress=False)


def test_the_hole_has_the_mean_colour_of_the_training_unless_told():
    data = images(20, (3, 28, 28))
    options = {"device": "cpu", "progress": False, "snapshots": 0}
    run = ce.train(replace(SMALL, steps=1), data, **options)
    assert run.config.fill == mean_colour(data)
    np.testing.assert_allclose(run.model.fill.flatten(), data.floats().mean((0, 2, 3)), atol=1e-5)
    white = ce.train(replace(SMALL, steps=1, fill=(1.0,)), data, **options)
    assert white.config.fill == (1.0,)


def test_the_numbers_of_the_paper():
    config = ce.Config()
    assert (config.adversarial_weight, config.overlap_weight, config.rate_ratio) == (0.001, 10, 10)
    assert config.betas[0] == 0.5


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "restoration.context_encoder",
    (
        "the loss is over the whole picture",
        "return (1 - m) + overlap_weight * border(m, overlap)",
        "return torch.ones_like(m)",
        "test_pixel_weights",
    ),
    (
        "the weight of the border is applied twice (context_encoder_pytorch)",
        "return (weights * (target - fake).square()).sum() / (weights > 0).sum()",
        "return (weights**2 * (target - fake).square()).sum() / (weights > 0).sum()",
        "test_reconstruction_loss",
    ),
    (
        "the mean is over all pixels, as if the context had been predicted",
        "return (weights * (target - fake).square()).sum() / (weights > 0).sum()",
        "return (weights * (target - fake).square()).sum() / weights.numel()",
        "test_reconstruction_loss",
    ),
    (
        "the distance is absolute (PyTorch-GAN)",
        "return (weights * (target - fake).square()).sum() / (weights > 0).sum()",
        "return (weights * (target - fake).abs()).sum() / (weights > 0).sum()",
        "test_reconstruction_loss",
    ),
    (
        "both weights exchanged: .001 for the reconstruction",
        'loss, logged = (1 - share) * again, {"reconstruction_loss": again}',
        'loss, logged = share * again, {"reconstruction_loss": again}',
        "test_the_generators_step_is_on_the_weighted_sum",
    ),
    (
        "equal rates (PyTorch-GAN, context_encoder_pytorch)",
        "slow = config.learning_rate / config.rate_ratio",
        "slow = config.learning_rate",
        "test_the_generator_learns_ten_times_as_fast",
    ),
    (
        "the discriminator's rate is the larger one",
        "slow = config.learning_rate / config.rate_ratio",
        "slow = config.learning_rate * config.rate_ratio",
        "test_the_generator_learns_ten_times_as_fast",
    ),
    (
        "the discriminator sees the context, too (train_random.lua)",
        "return composite(self.fill, x, m)",
        "return x",
        "test_the_discriminator_sees_the_hole_alone",
    ),
    (
        "real pictures are whole, made ones are holes",
        "real_scores = self.discriminator(self.hole_alone(x, m))",
        "real_scores = self.discriminator(x)",
        "test_what_each_network_is_given",
    ),
    (
        "the generator sees the hole",
        "fake = self.generator(composite(x, self.fill, m))  # once: D and G look at the same ones",
        "fake = self.generator(x)",
        "test_what_each_network_is_given",
    ),
    (
        "a border of the hole is left visible",
        "return composite(x, self.generator(composite(x, self.fill, m)), m)",
        "return composite(x, self.generator(composite(x, self.fill, m + border(1 - m, 2))), m)",
        "test_the_context_is_not_touched_to_the_last_bit_and_the_hole_is_not_looked_at",
    ),
    (
        "the composite is left out of what is shown",
        "return composite(x, self.generator(composite(x, self.fill, m)), m)",
        "return self.generator(composite(x, self.fill, m))",
        "test_the_context_is_not_touched_to_the_last_bit_and_the_hole_is_not_looked_at",
    ),
    (
        "the hole is white (PyTorch-GAN)",
        "fill=config.fill or mean_colour(data)",
        "fill=config.fill or (1.0,)",
        "test_the_hole_has_the_mean_colour_of_the_training_unless_told",
    ),
    (
        "samples in training mode",
        "with evaluating(self):",
        "with torch.no_grad():",
        "test_samples_are_drawn_in_evaluation",
    ),
    (
        "the training always has the centre, whatever the settings",
        "return masks(c.masks, n, c.shape[-1], c.hole, device=device).to(self.fill)",
        'return masks("centre", n, c.shape[-1], c.hole, device=device).to(self.fill)',
        "test_masks_are_of_the_kind_and_size_in_the_settings_and_fresh",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(ce))
