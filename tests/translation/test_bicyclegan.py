"""BicycleGAN: the code, what it must say, and which network each of its terms moves."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch

from gan_lessons.data import Batch
from gan_lessons.networks import autoencoders
from gan_lessons.objectives import lsgan
from gan_lessons.translation import bicyclegan, cyclegan, pix2pix
from tests.helpers import pairs, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import check, oracle, scores, taken_over

SMALL = bicyclegan.PRESETS["smoke"]
COLOUR = (3, 32, 32)
ALL = [bicyclegan.BicycleGAN, bicyclegan.CVAEGAN, bicyclegan.CLRGAN]


@pytest.fixture
def model():
    return bicyclegan.BicycleGAN(SMALL)


def batch(n=8):
    return pairs(40, COLOUR).batch(n, torch.Generator().manual_seed(0))


# --- equations ---------------------------------------------------------------------------------

taken_over(
    "BICYCLE-D",
    "LSGAN-D",
    r"L_D = \tfrac12 \mathbb E_{x, y} (D(x, y) - 1)^2 + \tfrac12 \mathbb E_{x, z} D(x, G(x, z))^2",
)
taken_over("BICYCLE-G", "CYCLEGAN-G", r"L_G = \mathbb E_{x, z} (D(x, G(x, z)) - 1)^2")
taken_over("BICYCLE-L1", "PIX2PIX-L1", r"L_1 = \mathbb E_{x, y} \lvert y - G(x, \hat z) \rvert")


taken_over(
    "BICYCLE-Z",
    "AAE-Z",
    r"\hat z = \mu(y) + \sigma(y)\, \varepsilon, \qquad \varepsilon \sim N(0, I)",
)


@oracle(
    "BICYCLE-KL",
    r"L_{\text{KL}} = \mathbb E_y \sum_d \tfrac12 \bigl( \mu_d^2 + \sigma_d^2 - \log \sigma_d^2 - "
    r"1 \bigr)",
)
def bicycle_kl(mean, log_variance):
    deviation = np.sqrt(np.exp(log_variance))
    parts = mean**2 / 2 + deviation**2 / 2 - np.log(deviation) - 0.5
    return parts.sum() / len(parts)


@oracle("BICYCLE-LAT", r"L_{\text{lat}} = \mathbb E_{x, z} \lvert z - \mu(G(x, z)) \rvert")
def bicycle_lat(z, mean):
    return np.abs(mean - z).sum() / z.size


@oracle(
    "BICYCLE-VAE",
    r"L_{\text{VAE}} = L_G(\hat z) + \lambda L_1 + \lambda_{\text{KL}} L_{\text{KL}}",
)
def bicycle_vae(judged, encoded, target, mean, log_variance):
    game = ((judged - 1) ** 2).sum() / judged.size
    return game + 10 * np.abs(encoded - target).mean() + 0.01 * bicycle_kl(mean, log_variance)


@oracle("BICYCLE-LR", r"L_{\text{LR}} = L_G(z) + \lambda_{\text{lat}} L_{\text{lat}}")
def bicycle_lr(judged, z, again):
    return ((judged - 1) ** 2).sum() / judged.size + bicycle_lat(z, again) / 2


@oracle("BICYCLE-SUM", r"L = L_{\text{VAE}} + L_{\text{LR}}")
def bicycle_sum(first, second):
    return first + second


@oracle("BICYCLE-FLOOR", r"\min_c \mathbb E \lvert z - c \rvert = \sqrt{2 / \pi} \approx 0.798")
def ignored():
    return np.sqrt(2 / np.pi)


@oracle(
    "BICYCLE-QUARTER",
    r"\min_c \mathbb E \bigl\lvert \lvert z \rvert - c \bigr\rvert = 4 \varphi(m) - "
    r"\sqrt{2 / \pi} \approx 0.473, \qquad m = \Phi^{-1}(\tfrac34)",
)
def quarter():
    m = NormalDist().inv_cdf(0.75)
    return 4 * NormalDist().pdf(m) - np.sqrt(2 / np.pi)


def codes(seed=0):
    return scores(12, seed=seed, scale=1.0).reshape(4, 3)


def test_kl_loss():
    check("BICYCLE-KL", bicyclegan.kl_loss, mean=codes(), log_variance=codes(1))


def test_latent_loss():
    check("BICYCLE-LAT", bicyclegan.latent_loss, z=codes(), mean=codes(1))


def test_the_encoded_branch(monkeypatch, model):
    def loss(judged, encoded, target, mean, log_variance):
        monkeypatch.setattr(model.discriminator_encoded, "forward", lambda x, y: judged)
        return model.encoded_step(encoded, target, encoded, mean, log_variance)[0]

    pictures = {"encoded": scores(24).reshape(4, 6), "target": scores(24, seed=1).reshape(4, 6)}
    check(
        "BICYCLE-VAE",
        loss,
        judged=scores(8),
        **pictures,
        mean=codes(),
        log_variance=codes(1),
    )


def test_the_random_branch(monkeypatch, model):
    def loss(judged, z, again):
        monkeypatch.setattr(model.discriminator_random, "forward", lambda x, y: judged)
        monkeypatch.setattr(model.encoder, "forward", lambda y: (again, None))
        return model.random_step(z, z, z)[0]

    check("BICYCLE-LR", loss, judged=scores(8), z=codes(), again=codes(1))


def test_both_branches_add_up(monkeypatch, model):
    def total(first, second):
        given = []
        monkeypatch.setattr(model, "encoded_step", lambda *parts: (first, {}))
        monkeypatch.setattr(model, "random_step", lambda *parts: (second, {}))
        monkeypatch.setattr(bicyclegan, "update", lambda optimizer, loss: given.append(loss))
        model.step(batch())
        return given[-1]

    check("BICYCLE-SUM", total, first=np.array(0.7), second=np.array(0.4))


def test_losses_with_an_owner():
    assert bicyclegan.reparametrise is autoencoders.reparametrise
    assert bicyclegan.discriminator_loss is lsgan.discriminator_loss
    assert bicyclegan.generator_loss is cyclegan.generator_loss
    assert bicyclegan.l1_loss is pix2pix.l1_loss


# --- facts -------------------------------------------------------------------------------------


def test_the_divergence_is_what_sampling_says():
    """The closed form, against log q - log p in the mean over samples of q."""
    mean = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    log_variance = torch.tensor([-0.5, 0.3, 0.0], dtype=torch.float64)
    torch.manual_seed(0)
    noise = torch.randn(400_000, 3, dtype=torch.float64)
    z = mean + (log_variance / 2).exp() * noise
    logs = (z**2 - noise**2 - log_variance).sum(1) / 2
    closed = bicyclegan.kl_loss(mean[None], log_variance[None]).item()
    assert closed == pytest.approx(2.7032, abs=1e-3)
    assert logs.mean().item() == pytest.approx(closed, abs=4 * logs.std().item() / 400_000**0.5)


def test_the_weight_of_the_divergence_does_not_depend_on_the_batch():
    mean, log_variance = torch.randn(2, 3), torch.randn(2, 3)
    once = bicyclegan.kl_loss(mean, log_variance)
    torch.testing.assert_close(
        bicyclegan.kl_loss(mean.repeat(4, 1), log_variance.repeat(4, 1)), once
    )


def test_the_floor_of_a_code_that_nobody_shows():
    torch.manual_seed(0)
    z = torch.randn(200_000, 2, dtype=torch.float64)
    losses = {c: bicyclegan.latent_loss(z, torch.full_like(z, c)).item() for c in (-0.2, 0.0, 0.2)}
    assert losses[0.0] == pytest.approx(ignored(), abs=4e-3)
    assert min(losses, key=losses.get) == 0


def test_a_code_of_a_picture_has_the_deviation_that_E_reads(model, monkeypatch):
    used = []
    mean, log_variance = torch.zeros(2_000, 2), torch.tensor([-2.0, 1.0]).expand(2_000, 2)
    monkeypatch.setattr(model.encoder, "forward", lambda y: (mean, log_variance))
    monkeypatch.setattr(model.generator, "forward", lambda x, z: used.append(z))
    model.encode_and_draw(mean, mean)
    torch.testing.assert_close(
        used[0].std(0), torch.tensor([math.exp(-1), math.exp(0.5)]), rtol=0.1, atol=0
    )


def test_the_floor_of_a_code_of_which_four_hues_show_the_quarter():
    """Quadrants, and quarters between the diagonals: the least error is the same."""
    torch.manual_seed(0)
    z = torch.randn(400_000, 2, dtype=torch.float64)
    quadrants = 2 * (z[:, 0] > 0) + (z[:, 1] > 0)
    flat = z[:, 0].abs() > z[:, 1].abs()
    wedges = torch.where(flat, (z[:, 0] > 0).long(), 2 + (z[:, 1] > 0).long())
    for quarters in (quadrants, wedges):
        best = torch.zeros_like(z)
        for k in range(4):
            best[quarters == k] = z[quarters == k].median(0).values
        least = bicyclegan.latent_loss(z, best).item()
        assert least == pytest.approx(quarter(), abs=4e-3)
        assert bicyclegan.latent_loss(z, best + 0.1).item() > least
        for _ in range(20):  # move the borders, too, as in k-means with medians
            centres = torch.stack([best[quarters == k][0] for k in range(4)])
            quarters = torch.cdist(z, centres, p=1).argmin(1)
            for k in range(4):
                best[quarters == k] = z[quarters == k].median(0).values
        assert bicyclegan.latent_loss(z, best).item() == pytest.approx(quarter(), abs=0.01)


# --- a step ------------------------------------------------------------------------------------


def test_the_code_that_is_read_again_moves_the_generator_alone(model):
    x, z = batch(4).x, model.noise(4)
    bicyclegan.latent_loss(z, model.read_again(model.generator(x, z))).backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.generator.parameters())
    assert all(p.requires_grad for p in model.encoder.parameters()), "and E learns afterwards"


def test_alone_the_random_branch_must_teach_the_encoder():
    model = bicyclegan.CLRGAN(SMALL)
    x, z = batch(4).x, model.noise(4)
    bicyclegan.latent_loss(z, model.read_again(model.generator(x, z))).backward()
    for network in (model.encoder, model.generator):
        assert any(p.grad is not None and p.grad.any() for p in network.parameters())


def test_a_network_may_be_frozen_after_the_pass_through_it(model):
    """As in the authors' code: where gradients gather, the flag of that moment counts."""
    loss = model.encoder(model.generator(batch(4).x, model.noise(4)))[0].sum()
    model.encoder.requires_grad_(False)
    loss.backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert any(p.grad is not None for p in model.generator.parameters())


def test_a_code_is_compared_with_the_mean_and_every_picture_has_its_own(model, monkeypatch):
    seen = []
    given = bicyclegan.latent_loss
    monkeypatch.setattr(
        bicyclegan, "latent_loss", lambda z, mean: seen.append((z, mean)) or given(z, mean)
    )
    drawn = []
    model.generator.register_forward_hook(lambda _, inputs, out: drawn.append((inputs[1], out)))
    read = []
    model.encoder.register_forward_hook(lambda _, inputs, out: read.append((inputs[0], out)))
    model.step(batch())
    ((z, mean),) = seen
    (code, _), (used, random) = drawn
    assert z is used
    assert same(read[1][0], random)
    assert mean.data_ptr() == read[1][1][0].data_ptr(), "mu, and not a draw around it"
    assert len(z) == 4
    assert len({tuple(row.tolist()) for row in z}) == 4
    mu, log_variance = read[0][1]
    noise = (code - mu) / (log_variance / 2).exp()
    assert len({tuple(row.tolist()) for row in noise}) == 4
    assert noise.abs().min() > 0


def test_who_judges_what(model, monkeypatch):
    data, games, drawn = batch(), [], []
    model.generator.register_forward_hook(lambda _, inputs, out: drawn.append((inputs[0], out)))
    step = model.discriminator_step
    monkeypatch.setattr(
        model, "discriminator_step", lambda *played: games.extend(played) or step(*played)
    )
    model.step(data)
    (x, other_x), (y, other_y) = data.x.chunk(2), data.y.chunk(2)
    assert [judge for judge, *_ in games] == [
        model.discriminator_encoded,
        model.discriminator_random,
    ]
    for (_, real, fake), wanted, (given, made) in zip(
        games, [(x, y), (other_x, other_y)], drawn, strict=True
    ):
        assert same(real.x, wanted[0])
        assert same(real.y, wanted[1])
        assert same(given, x)
        assert same(fake.x, x)
        assert fake.y is made


def test_the_input_stands_before_the_picture_that_is_to_deceive(model):
    data, seen, drawn = batch(), {}, []
    model.generator.register_forward_hook(lambda _, inputs, out: drawn.append(out))
    judges = model.discriminator_encoded, model.discriminator_random
    for judge in judges:
        judge.register_forward_hook(lambda judge, inputs, _: seen.update({judge: inputs}))
    model.step(data)
    for judge, made in zip(judges, drawn, strict=True):
        assert same(seen[judge][0], data.x[:4])
        assert seen[judge][1] is made, "with its graph"


def test_the_discriminators_loss_is_the_sum_of_both_games(model):
    """Every fake is what is scored as one, and no gradient comes back to G."""
    x, y = batch(4)
    fake = Batch(x, model.generator(x, model.noise(4)))
    judges = model.discriminator_encoded, model.discriminator_random
    with torch.no_grad():
        wanted = sum(lsgan.discriminator_loss(judge(x, y), judge(*fake)) for judge in judges)
    logged = model.discriminator_step(*((judge, Batch(x, y), fake) for judge in judges))
    torch.testing.assert_close(logged["discriminator_loss"], wanted)
    assert all(p.grad is None for p in model.generator.parameters())


def test_the_target_has_no_part_in_the_random_branch(model):
    assert model.random_step.__code__.co_varnames[1:4] == ("x", "z", "random")
    x, z = batch(4).x, model.noise(4)
    assert set(model.random_step(x, z, model.generator(x, z))[1]) == {"random_loss", "latent_loss"}


@pytest.mark.parametrize("cls", ALL[1:])
def test_one_branch_alone(cls):
    model, data = cls(SMALL), batch(4)
    games, drawn = [], []
    model.generator.register_forward_hook(lambda _, inputs, out: drawn.append((inputs[0], out)))
    step = model.discriminator_step
    model.discriminator_step = lambda *played: games.extend(played) or step(*played)
    logged = model.step(data)
    ((_, real, fake),), ((given, made),) = games, drawn
    for one, other in ((real.x, data.x), (real.y, data.y), (given, data.x), (fake.x, data.x)):
        assert same(one, other)
    assert fake.y is made
    own = {"encoded_loss", "l1_loss", "kl_loss"}
    own = own if cls is bicyclegan.CVAEGAN else {"random_loss", "latent_loss"}
    assert set(logged) == own | {"discriminator_loss"}
    assert model.samples_per_step == SMALL.batch_size


@pytest.mark.parametrize("cls", ALL)
def test_each_branch_is_given_its_own_parts(cls, monkeypatch):
    """Input and target in this order, mu before log sigma^2, and the code before its picture."""
    model, given = cls(SMALL), {}
    for name in ("encoded_step", "random_step"):
        step = getattr(model, name)

        def watched(*parts, step=step, name=name):
            given[name] = parts
            return step(*parts)

        monkeypatch.setattr(model, name, watched)
    read, drawn = [], []
    model.encoder.register_forward_hook(lambda _, inputs, out: read.append((*inputs, *out)))
    model.generator.register_forward_hook(lambda _, inputs, out: drawn.append((*inputs, out)))
    data = batch(len(cls.branches) * 4)
    x, y = data.x[:4], data.y[:4]
    model.step(data)
    if "encoded" in cls.branches:
        seen, mean, log_variance = read[0]
        assert same(seen, y)
        wanted = (x, y, drawn[0][2], mean, log_variance)
        assert all(same(a, b) for a, b in zip(given["encoded_step"], wanted, strict=True))
    if "random" in cls.branches:
        wanted = (x, drawn[-1][1], drawn[-1][2])
        assert all(same(a, b) for a, b in zip(given["random_step"], wanted, strict=True))


# --- samples -----------------------------------------------------------------------------------


def test_a_code_decides_and_fresh_ones_differ(model):
    x, z = batch(4).x, torch.randn(4, 2)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    assert same(model.sample(x=x, z=z), model.sample(x=x, z=z)), "no other noise"
    assert all(same(state[k], v) for k, v in model.state_dict().items()), "no statistics move"
    assert not same(model.sample(x=x, z=z), model.sample(x=x, z=z + 1))
    assert not same(model.sample(x=x), model.sample(x=x))
    assert model.training


def test_what_cannot_be_drawn(model):
    with pytest.raises(ValueError, match="pass the inputs as x="):
        model.sample(3)
    with pytest.raises(ValueError, match="z has 2 rows"):
        model.sample(x=batch(4).x, z=torch.zeros(2, 2))


def test_a_picture_has_the_mean_as_its_code(model):
    y = batch(4).y
    with torch.no_grad():
        assert same(model.encode(y), model.encoder(y)[0])


def test_snapshots_are_inputs_times_codes(model):
    inputs = model.fixed_inputs(20, pairs(12, COLOUR))
    x, z = inputs["x"], inputs["z"]
    assert len(x) == len(z) == 20
    assert all(same(x[8], row) for row in x[8:16])
    assert not same(x[7], x[8])
    assert same(z[:8], z[8:16])


def test_the_numbers_of_the_paper():
    weights = {(c.l1_weight, c.latent_weight, c.kl_weight) for c in bicyclegan.PRESETS.values()}
    assert weights == {(10.0, 0.5, 0.01)}


def test_the_code_reaches_every_halving_and_the_encoder_sees_the_colour():
    model = bicyclegan.BicycleGAN(replace(SMALL, latent_dim=3))
    widths = [layer[-2 if len(layer) == 3 else -1].in_channels for layer in model.generator.down]
    assert widths == [3 + 3, 4 + 3, 8 + 3]
    names = {type(m).__name__ for m in model.encoder.modules()}
    assert not [name for name in names if "Norm" in name]


# --- planted mistakes --------------------------------------------------------------------------

MUTANTS = mutants(
    "translation.bicyclegan",
    (
        "BicycleGAN: the latent loss reaches E",
        "        with frozen(self.encoder):\n            return self.encoder(random)[0]",
        "        return self.encoder(random)[0]",
        "test_the_code_that_is_read_again_moves_the_generator_alone",
    ),
    (
        "BicycleGAN: a code is compared with a sample instead of the mean",
        "        with frozen(self.encoder):\n            return self.encoder(random)[0]",
        "        with frozen(self.encoder):\n            mean, log_variance = "
        "self.encoder(random)\n"
        "            return reparametrise(mean, log_variance)",
        "test_a_code_is_compared_with_the_mean_and_every_picture_has_its_own",
    ),
    (
        "BicycleGAN: the fake is detached before E, so that nothing learns from the code",
        "        with frozen(self.encoder):\n            return self.encoder(random)[0]",
        "        with frozen(self.encoder):\n            return self.encoder(random.detach())[0]",
        "test_the_code_that_is_read_again_moves_the_generator_alone",
    ),
    (
        "BicycleGAN: one z for the whole batch",
        "        z = self.noise(len(x))\n        random = self.generator(x, z)\n        logged",
        "        z = self.noise(1).expand(len(x), -1)\n        random = self.generator(x, z)\n"
        "        logged",
        "test_a_code_is_compared_with_the_mean_and_every_picture_has_its_own",
    ),
    (
        "BicycleGAN: the log-variance is read as a deviation",
        "code = reparametrise(mean, log_variance)",
        "code = mean + log_variance * torch.randn_like(mean)",
        "test_a_code_of_a_picture_has_the_deviation_that_E_reads",
    ),
    (
        "BicycleGAN: the divergence is summed over the batch",
        "/ 2).sum(-1).mean()",
        "/ 2).sum()",
        "test_the_weight_of_the_divergence_does_not_depend_on_the_batch",
    ),
    (
        "BicycleGAN: the divergence is averaged over the code",
        "/ 2).sum(-1).mean()",
        "/ 2).mean()",
        "test_kl_loss",
    ),
    (
        "BicycleGAN: both critics see the same real pairs",
        "Batch(other_x, other_y)",
        "Batch(x, y)",
        "test_who_judges_what",
    ),
    (
        "BicycleGAN: the real pictures of the other half with the inputs of this one",
        "Batch(other_x, other_y)",
        "Batch(x, other_y)",
        "test_who_judges_what",
    ),
    (
        "BicycleGAN: one discriminator for both branches",
        "(self.discriminator_random, Batch(other",
        "(self.discriminator_encoded, Batch(other",
        "test_who_judges_what",
    ),
    (
        "BicycleGAN: L1 on the random branch",
        "second, of_random = self.random_step(x, z, random)",
        "second, of_random = self.random_step(x, z, random)\n"
        "        second = second + 10 * l1_loss(random, y)",
        "test_both_branches_add_up",
    ),
    (
        "BicycleGAN: the code of a target is its mean, without noise",
        "code = reparametrise(mean, log_variance)",
        "code = mean",
        "test_a_code_is_compared_with_the_mean_and_every_picture_has_its_own",
    ),
    (
        "BicycleGAN: E is frozen where nothing else would teach it",
        "        return self.encoder(random)[0]\n\n    def step(self, batch: Batch) -> "
        "dict[str, Tensor]:\n        x, z",
        "        return self.encoder(random)[0].detach()\n\n    def step(self, batch: Batch) -> "
        "dict[str, Tensor]:\n        x, z",
        "test_alone_the_random_branch_must_teach_the_encoder",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    equivalent = {
        "kl_loss: minus left out in `return ((mean ** 2 + log_variance.exp() - log_variance - 1) "
        "/ 2).sum(-1).mean()`": "the last dimension of a batch of codes is the second",
        "encoded_step: encoded and y exchanged in `l1, divergence = (l1_loss(encoded, y), "
        "kl_loss(mean, log_variance))`": "a distance is the same from both sides",
    }
    assert not survivors(__file__, generated(bicyclegan, equivalent))
