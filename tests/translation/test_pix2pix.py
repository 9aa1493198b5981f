"""pix2pix: its equations against oracles, who sees and moves what, the noise, the numbers."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.data import Batch, Pairs, TensorData, toy_facades
from gan_lessons.steps import update
from gan_lessons.translation import pix2pix
from gan_lessons.translation.networks import PatchDiscriminator
from tests.helpers import images, moved, pairs, same, two_domains
from tests.oracles import check, oracle, scores, sigmoid

SMALL = pix2pix.PRESETS["smoke"]
COLOUR = (3, 32, 32)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return pix2pix.Pix2Pix(SMALL)


def batch(n=6, seed=0):
    return pairs(40, COLOUR).batch(n, torch.Generator().manual_seed(seed))


# --- equations ---------------------------------------------------------------------------------


@oracle("PIX2PIX-V")
def value(real_scores, fake_scores):
    """The paper's value of the conditional game, in probabilities."""
    return np.log(sigmoid(real_scores)).mean() + np.log(1 - sigmoid(fake_scores)).mean()


@oracle("PIX2PIX-D")
def pix2pix_d(real_scores, fake_scores):
    real, fake = np.logaddexp(0, -real_scores), np.logaddexp(0, fake_scores)
    return 0.5 * real.sum() / real.size + 0.5 * fake.sum() / fake.size


@pix2pix_d.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": -0.5 * sigmoid(-real_scores) / real_scores.size,
        "fake_scores": 0.5 * sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("PIX2PIX-G")
def pix2pix_g(fake_scores):
    return np.logaddexp(0, -fake_scores).sum() / fake_scores.size


@pix2pix_g.gradient
def _(fake_scores):
    return {"fake_scores": -sigmoid(-fake_scores) / fake_scores.size}


@oracle("PIX2PIX-L1")
def pix2pix_l1(fake, target):
    return sum(abs(a - b) for a, b in zip(fake.ravel(), target.ravel(), strict=True)) / fake.size


@pix2pix_l1.gradient
def _(fake, target):
    sign = np.where(fake > target, 1.0, -1.0) / fake.size
    return {"fake": sign, "target": -sign}


@oracle("PIX2PIX-TOTAL")
def pix2pix_total(fake_scores, fake, target, weight):
    return pix2pix_g(fake_scores) + weight * pix2pix_l1(fake, target)


@oracle("PIX2PIX-OPT")
def best_score(real, fake):
    """For each input (row) and each picture (column), from both conditional distributions."""
    return np.log(real) - np.log(fake)


@oracle("PIX2PIX-MEDIAN")
def middle_value(values):
    ordered = np.sort(values)
    return ordered[len(ordered) // 2]


@oracle("PIX2PIX-MEAN")
def average_value(values):
    return values.sum() / values.size


def map_of_scores(n, seed=0):
    return scores(n * 9, seed=seed).reshape(n, 3, 3)


def test_discriminator_loss():
    check(
        "PIX2PIX-D",
        pix2pix.discriminator_loss,
        real_scores=map_of_scores(4),
        fake_scores=map_of_scores(2, seed=1),
    )


def test_generator_loss():
    check("PIX2PIX-G", pix2pix.generator_loss, fake_scores=map_of_scores(3))


def test_l1_loss():
    fake, target = (scores(24, seed=s).reshape(2, 3, 2, 2) for s in range(2))
    check("PIX2PIX-L1", pix2pix.l1_loss, fake=fake, target=target)


def test_the_total():
    def total(fake_scores, fake, target, weight):
        adversarial = pix2pix.generator_loss(fake_scores)
        return adversarial + weight * pix2pix.l1_loss(fake, target)

    fake, target = (scores(8, seed=s).reshape(2, 1, 2, 2) for s in range(2))
    scored = map_of_scores(2)
    check("PIX2PIX-TOTAL", total, fake_scores=scored, fake=fake, target=target, weight=100.0)


def test_the_discriminator_minimises_minus_half_the_value_of_the_paper():
    def twice_minus_loss(real_scores, fake_scores):
        return -2 * pix2pix.discriminator_loss(real_scores, fake_scores)

    real, fake = map_of_scores(2), map_of_scores(2, seed=1)
    check("PIX2PIX-V", twice_minus_loss, real_scores=real, fake_scores=fake)


def test_the_best_discriminator_weighs_pictures_given_the_input():
    real = np.array([[6, 1, 1], [1, 1, 6]])  # how often each of 3 pictures belongs to an input
    fake = np.array([[1, 1, 6], [1, 1, 6]])  # the generator ignores the input
    best = best_score(real / 8, fake / 8)
    values = torch.tensor(best, requires_grad=True)

    def loss():
        parts = [
            torch.cat(
                [
                    row.repeat_interleave(torch.tensor(n))
                    for row, n in zip(values, counts, strict=True)
                ]
            )
            for counts in (real, fake)
        ]
        return pix2pix.discriminator_loss(*parts)

    (slope,) = torch.autograd.grad(loss(), values)
    assert slope.abs().max() < 1e-12, "no score can be improved"
    assert best[0, 2] < -1.5, "a good picture of the wrong input is a fake"
    assert best[1, 2] == 0
    nothing = torch.zeros(3, 3, dtype=torch.float64)
    at_rest = pix2pix.discriminator_loss(nothing, nothing).item()
    assert at_rest == pytest.approx(np.log(2), rel=1e-12)


@pytest.mark.parametrize("values", [[1.0] * 7 + [-1.0] * 3, [-0.8, 0.1, 0.2, 0.7, 0.9]])
def test_l1_is_least_at_the_median_and_l2_at_the_mean(values):
    values = np.array(values)
    candidates = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    target = torch.from_numpy(values)
    l1 = torch.stack([pix2pix.l1_loss(c.expand(len(values)), target) for c in candidates])
    l2 = torch.stack([((target - c) ** 2).mean() for c in candidates])
    assert candidates[l1.argmin()].item() == pytest.approx(middle_value(values), abs=1e-3)
    assert candidates[l2.argmin()].item() == pytest.approx(average_value(values), abs=1e-3)


def test_l1_does_not_care_between_two_halves():
    target = torch.tensor([1.0, -1.0])
    losses = [pix2pix.l1_loss(torch.full((2,), c), target) for c in (-1.0, -0.3, 0.0, 0.6, 1.0)]
    assert all(loss == 1 for loss in losses)


# --- steps -------------------------------------------------------------------------------------


def test_each_step_moves_one_player(model):
    x, y = batch()
    fake = model.generator(x)
    assert moved(model, lambda: model.discriminator_step(x, y, fake)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(x, y, fake)) == {"generator"}
    assert moved(model, lambda: model.step(batch())) == {"discriminator", "generator"}


def test_no_loss_leaves_a_gradient_at_the_other_player(model):
    x, y = batch()
    fake = model.generator(x)
    model.discriminator_step(x, y, fake)
    assert all(p.grad is None for p in model.generator.parameters()), "detach is missing"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    model.generator_step(x, y, fake)
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(same(a, b) for a, b in zip(after, before, strict=True)), "D is not frozen"
    assert all(p.requires_grad for p in model.discriminator.parameters()), "D stays frozen"


def test_the_discriminator_always_sees_the_input_first_and_the_picture_that_belongs_to_it(model):
    x, y = batch()
    seen, made = [], []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    model.generator.register_forward_hook(lambda _, inputs, output: made.append((*inputs, output)))
    model.step(Batch(x, y))
    ((given, fake),) = made  # one pass, so D and G look at the same pictures
    assert same(given, x)
    for (first, second), picture in zip(seen, [y, fake, fake], strict=True):
        assert same(first, x)
        assert same(second, picture)


def test_the_generator_follows_the_gradient_of_the_total(model):
    model.double()
    x, y = (t.double() for t in batch())
    fake = model.generator(x).detach().requires_grad_()
    scored = model.discriminator(x, fake)
    expected_scores = pix2pix_g.formula(scored.detach().numpy())["fake_scores"]
    (adversarial,) = torch.autograd.grad(scored, fake, torch.from_numpy(expected_scores))
    distance = pix2pix_l1.formula(fake.detach().numpy(), y.numpy())["fake"]
    expected = adversarial.numpy() + SMALL.l1_weight * distance
    picture = fake.detach().clone().requires_grad_()
    result = model.generator_step(x, y, picture)
    np.testing.assert_allclose(picture.grad.numpy(), expected, rtol=1e-9, atol=1e-14)
    assert result["l1_loss"].item() == pytest.approx(
        pix2pix_l1(picture.detach().numpy(), y.numpy())
    )
    assert result["generator_loss"].item() == pytest.approx(pix2pix_g(scored.detach().numpy()))


def test_the_discriminator_s_step_reports_the_loss_of_the_equation(model):
    before, (x, y) = deepcopy(model), batch()
    fake = model.generator(x)
    result = model.discriminator_step(x, y, fake)
    real_scores, fake_scores = (
        before.discriminator(x, picture).detach().double().numpy() for picture in (y, fake)
    )
    expected = pix2pix_d(real_scores, fake_scores)
    assert result["discriminator_loss"].item() == pytest.approx(expected, rel=1e-5)
    assert result["real_score"].item() == pytest.approx(real_scores.mean(), abs=1e-5)
    assert result["fake_score"].item() == pytest.approx(fake_scores.mean(), abs=1e-5)


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


def test_the_loss_of_a_map_is_its_mean(model):
    """Twice as many patches of the same scores are not twice the loss."""
    once = torch.tensor(map_of_scores(1))
    twice = once.repeat(1, 2, 1)
    assert pix2pix.generator_loss(once) == pytest.approx(pix2pix.generator_loss(twice))


def test_a_trained_discriminator_misses_the_right_input_and_a_blind_one_cannot():
    torch.manual_seed(0)
    colours = torch.rand(64, 3, 1, 1).mul(2).sub(1).expand(-1, 3, 28, 28).contiguous()
    x, y, fake = colours, -colours, -colours.roll(7, 0)  # the fakes ignore the input
    sees, blind = PatchDiscriminator(6, 8, norm=None), PatchDiscriminator(3, 8, norm=None)
    optimizer = torch.optim.Adam(sees.parameters(), lr=3e-3)
    for _ in range(80):
        update(optimizer, pix2pix.discriminator_loss(sees(x, y), sees(x, fake)))
    own, shuffled = sees(x, y), sees(x.roll(1, 0), y)
    assert own.mean() > 0.5
    assert shuffled.mean() < own.mean() - 1, "y is as real as before, but not for this x"
    assert same(blind(y), blind(y)), "D(y) has no x to be shuffled"
    assert blind.layers[0].in_channels == 3


# --- the noise and the pictures ----------------------------------------------------------------


def test_two_pictures_of_one_input_differ(model):
    x, _ = batch(4)
    first, second = model.sample(x=x), model.sample(x=x)
    assert first.shape == x.shape
    assert not same(first, second), "dropout is the noise z, and stays on"
    assert not first.requires_grad
    assert all(m.training for m in model.modules()), "the modes come back"


def test_a_picture_depends_on_its_own_input_alone():
    """Dropout stays on, but batch normalisation uses what it has learnt."""
    torch.manual_seed(0)
    model = pix2pix.Pix2Pix(replace(SMALL, dropout=0.0))
    model.step(batch())
    x, _ = batch(4)
    together, alone = model.sample(x=x), model.sample(x=x[:1])
    torch.testing.assert_close(together[:1], alone)
    assert same(model.sample(x=x), together), "without dropout there is no noise"


def test_there_is_nothing_to_translate_without_an_input(model):
    with pytest.raises(ValueError, match="pass the inputs as x="):
        model.sample(3)
    for wrong in (torch.zeros(3, 1, 32, 32), torch.zeros(3, 32, 32)):
        with pytest.raises(ValueError, match=r"like those of the training, \(n, 3, 32, 32\)"):
            model.sample(x=wrong)


@pytest.fixture(scope="module")
def run():
    data = toy_facades(40)
    config = replace(SMALL, steps=3, batch_size=4)
    return pix2pix.train(config, data, device="cpu", progress=False, snapshots=2)


def test_translations_come_from_averaged_weights_and_from_a_seed(run):
    x = toy_facades(6, split="test").inputs.floats()
    first = pix2pix.translate(run, x)
    assert first.shape == (6, *COLOUR)
    assert same(first, pix2pix.translate(run, x))
    assert not same(first, pix2pix.translate(run, x, seed=1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = torch.cat([run.averaged.sample(x=part) for part in x.split(4)])
    torch.testing.assert_close(pix2pix.translate(run, x, chunk=4), expected)


def test_snapshots_show_inputs_of_the_training_data(run):
    inputs = run.fixed_inputs["x"]
    assert inputs.shape == (64, *COLOUR)
    known = {tuple(image.flatten().tolist()) for image in toy_facades(40).inputs.floats()}
    assert all(tuple(image.flatten().tolist()) in known for image in inputs)
    assert run.snapshots.shape == (2, 64, *COLOUR)


def test_augmented_pairs_are_trained_on():
    data = pairs(12, (3, 36, 36)).augmented(flip=True, crop=32)
    run = pix2pix.train(replace(SMALL, steps=1), data, device="cpu", progress=False, snapshots=1)
    assert run.config.shape == COLOUR
    assert run.snapshots.shape[1:] == (64, *COLOUR)


def test_wrong_data_and_weights_are_refused():
    for data in (images(), two_domains()):
        with pytest.raises(TypeError, match=r"pix2pix needs pairs.*CycleGAN"):
            pix2pix.train(SMALL, data)
    with pytest.raises(ValueError, match="Both weights are 0"):
        pix2pix.train(replace(SMALL, l1_weight=0, adversarial_weight=0), pairs())


# --- numbers -----------------------------------------------------------------------------------


def test_the_numbers_of_known_pictures():
    data = toy_facades(24)
    x, y = data.inputs.floats(), data.targets.floats()
    found = pix2pix.compare(y, x, y, looks=1)
    assert found["L1"] == 0
    assert found["sharpness"] == 1
    assert found["told apart"] == 0.5
    shifted = pix2pix.compare((y + 0.25).clamp(-1, 1), x, y, looks=1)
    assert 0.2 < shifted["L1"] <= 0.25
    half = pix2pix.compare(y / 2, x, y, looks=1)
    assert half["sharpness"] == pytest.approx(0.5, abs=1e-5)


def test_measure_compares_with_held_out_targets(run):
    test = toy_facades(20, split="test")
    found = pix2pix.measure(run, test, looks=1)
    pictures = pix2pix.translate(run, test.inputs.floats())
    expected = pix2pix_l1(pictures.double().numpy(), test.targets.floats().double().numpy())
    assert found["L1"] == pytest.approx(expected, rel=1e-5)
    again = pix2pix.translate(run, test.inputs.floats(), seed=1)
    assert found["noise"] == pytest.approx((again - pictures).abs().mean().item(), rel=1e-5)
    assert found["noise"] > 0
    assert list(found) == ["L1", "sharpness", "told apart", "noise"]


def test_baselines():
    train, test = toy_facades(30), toy_facades(20, split="test")
    found = pix2pix.baselines(train, test, looks=1)
    x, y = test.inputs.floats(), test.targets.floats()
    mean = train.targets.floats().mean(0)
    assert found["copy the input"]["L1"] == pytest.approx((x - y).abs().mean().item(), rel=1e-5)
    assert found["mean image"]["L1"] == pytest.approx((mean - y).abs().mean().item(), rel=1e-5)
    assert found["truth"]["L1"] == 0
    known = pix2pix.baselines(train, train, looks=1)["nearest training pair"]
    assert known["L1"] == 0, "the nearest input is the input itself"
    assert known["sharpness"] == 1
    strangers = Pairs(TensorData(255 - train.inputs.values), train.targets)
    assert pix2pix.baselines(strangers, train, looks=1)["nearest training pair"]["L1"] > 0.1


def test_a_network_without_skips_can_be_chosen():
    model = pix2pix.Pix2Pix(replace(SMALL, skips=False))
    joined = [m.in_channels for m in model.generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert joined == [16, 8, 4]
    assert model.sample(x=batch(2).x).shape == (2, *COLOUR)
