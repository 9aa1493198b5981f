"""DCGAN: its equations against oracles, its five rules, and what each step moves."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_lessons.data import folder
from gan_lessons.foundations import dcgan
from tests.helpers import images, moved, same
from tests.oracles import check, oracle, scores, sigmoid

SMALL = dcgan.PRESETS["smoke"]
SIZES = [(1, 28, 28), (1, 32, 32), (3, 32, 32), (1, 40, 40), (3, 48, 48), (3, 64, 64)]


@pytest.fixture
def model():
    return dcgan.DCGAN(SMALL)


# --- equations -------------------------------------------------------------------------------


@oracle("DCGAN-D")
def dcgan_d(real_scores, fake_scores):
    p_real, p_fake = sigmoid(real_scores), sigmoid(fake_scores)
    return -np.mean(np.log(p_real)) - np.mean(np.log(1 - p_fake))


@dcgan_d.gradient
def _(real_scores, fake_scores):
    return {
        "real_scores": (sigmoid(real_scores) - 1) / real_scores.size,
        "fake_scores": sigmoid(fake_scores) / fake_scores.size,
    }


@oracle("DCGAN-G")
def dcgan_g(fake_scores):
    return -np.mean(np.log(sigmoid(fake_scores)))


@dcgan_g.gradient
def _(fake_scores):
    return {"fake_scores": (sigmoid(fake_scores) - 1) / fake_scores.size}


@oracle("DCGAN-CONV")
def convolution_side(n, k, s, p):
    """The places of a kernel on a padded row, counted one by one."""
    return sum(1 for start in range(0, n + 2 * p, s) if start + k <= n + 2 * p)


@oracle("DCGAN-SIZE")
def transposed_side(n, k, s, p):
    """Zeros between the entries, a full convolution, and p entries cut off at both ends."""
    spread = np.zeros((n - 1) * s + 1)
    spread[::s] = 1
    full = np.convolve(spread, np.ones(k))
    return full[p : len(full) - p].size


@oracle("DCGAN-OVERLAP")
def overlap(i, k, s, p):
    """How many inputs write to output i, far from the border: the writes, one by one."""
    writes = np.zeros(40 * s + k + p)
    for j in range(40):
        writes[j * s : j * s + k] += 1
    middle = 20 * s + p  # a multiple of s, plus the part that the padding cuts off
    return writes[middle + i]


def test_discriminator_loss():
    check("DCGAN-D", dcgan.discriminator_loss, real_scores=scores(6), fake_scores=scores(5, seed=1))


def test_generator_loss():
    check("DCGAN-G", dcgan.generator_loss, fake_scores=scores(6))


def test_losses_do_not_saturate_in_single_precision():
    far = torch.tensor([-200.0, 200.0], requires_grad=True)
    loss = dcgan.discriminator_loss(far, far) + dcgan.generator_loss(far)
    loss.backward()
    assert loss.isfinite()
    assert far.grad.isfinite().all()
    assert far.grad[0] == pytest.approx(-1.0)  # the worst scores still pull with full strength


GEOMETRIES = [(k, s, p) for k in range(1, 7) for s in range(1, 4) for p in range((k + 1) // 2)]


@pytest.mark.parametrize(("k", "s", "p"), GEOMETRIES)
def test_sides(k, s, p):
    for n in (k, k + 1, 9):
        row = torch.zeros(1, 1, n, n)
        smaller = nn.Conv2d(1, 1, k, s, p)(row).shape[-1]
        larger = nn.ConvTranspose2d(1, 1, k, s, p)(row).shape[-1]
        assert smaller == convolution_side(n, k, s, p) == (n + 2 * p - k) // s + 1
        assert larger == transposed_side(n, k, s, p) == (n - 1) * s - 2 * p + k


@pytest.mark.parametrize(("k", "s", "p"), GEOMETRIES)
def test_overlap(k, s, p):
    layer = nn.ConvTranspose2d(1, 1, k, s, p, bias=False)
    nn.init.ones_(layer.weight)
    counts = layer(torch.ones(1, 1, 12, 12))[0, 0].detach()
    first = 6 * s  # a multiple of s, away from the border
    for i in range(first, first + s):
        expected = [overlap(i, k, s, p) * overlap(j, k, s, p) for j in range(first, first + s)]
        assert counts[i, first : first + s].tolist() == expected
        closed = math.ceil((k - (i + p) % s) / s) if k > (i + p) % s else 0
        assert overlap(i, k, s, p) == closed


@pytest.mark.parametrize(("k", "expected"), [(3, {1, 2, 4}), (4, {4}), (5, {4, 6, 9})])
def test_checkerboard_iff_the_stride_does_not_divide_the_kernel(k, expected):
    counts = {int(overlap(i, k, 2, 0) * overlap(j, k, 2, 0)) for i in (0, 1) for j in (0, 1)}
    assert counts == expected


# --- the five rules --------------------------------------------------------------------------


def networks(shape=(1, 32, 32)):
    model = dcgan.DCGAN(replace(SMALL, shape=shape))
    return model.generator, model.discriminator


@pytest.mark.parametrize("shape", SIZES)
def test_shapes_and_ranges(shape):
    generator, discriminator = networks(shape)
    samples = generator(torch.randn(3, SMALL.latent_dim))
    assert samples.shape == (3, *shape)
    assert samples.abs().max() <= 1
    assert discriminator(samples).shape == (3,)


@pytest.mark.parametrize(
    ("side", "expected"),
    [(28, [7, 14, 28]), (32, [4, 8, 16, 32]), (40, [5, 10, 20, 40]), (64, [4, 8, 16, 32, 64])],
)
def test_layer_sizes(side, expected):
    assert dcgan.layer_sizes((1, side, side)) == expected


def test_the_maps_have_the_sizes_that_are_announced():
    generator, _ = networks((3, 64, 64))
    x, sides = torch.randn(2, SMALL.latent_dim, 1, 1), []
    for layer in generator.layers:
        x = layer(x)
        if isinstance(layer, nn.ConvTranspose2d):
            sides.append(x.shape[-1])
    assert sides == dcgan.layer_sizes((3, 64, 64))


@pytest.mark.parametrize("shape", SIZES)
def test_rule_1_strides_and_no_pooling(shape):
    for network in networks(shape):
        kinds = {type(m) for m in network.modules()}
        assert not {k for k in kinds if "Pool" in k.__name__ or "Upsample" in k.__name__}
    generator, discriminator = networks(shape)
    up = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    down = [m for m in discriminator.features.modules() if isinstance(m, nn.Conv2d)]
    assert len(up) == len(down) + 1
    for layer in [*up[1:], *down]:
        assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))


@pytest.mark.parametrize("shape", SIZES)
def test_rule_2_batch_norm_but_at_the_image(shape):
    generator, discriminator = networks(shape)
    kinds = [type(m) for m in generator.layers]
    pairs = list(pairwise(kinds))
    after = [b for a, b in pairs if a is nn.ConvTranspose2d]
    assert after == [nn.BatchNorm2d] * (len(after) - 1) + [nn.Tanh]
    kinds = [type(m) for m in discriminator.features]
    pairs = list(pairwise(kinds))
    after = [b for a, b in pairs if a is nn.Conv2d]
    assert after == [nn.LeakyReLU] + [nn.BatchNorm2d] * (len(after) - 1)


def test_rule_3_no_fully_connected_layer():
    for network in networks():
        assert not [m for m in network.modules() if isinstance(m, nn.Linear)]


def test_rules_4_and_5_activations():
    generator, discriminator = networks()
    kinds = [type(m) for m in generator.layers]
    assert kinds[-1] is nn.Tanh
    assert kinds.count(nn.ReLU) == kinds.count(nn.BatchNorm2d)
    leaky = [m for m in discriminator.modules() if isinstance(m, nn.LeakyReLU)]
    assert {m.negative_slope for m in leaky} == {0.2}
    assert not [m for m in discriminator.modules() if isinstance(m, nn.ReLU | nn.Sigmoid)]


def test_batch_norm_has_the_usual_numbers():
    """BatchNorm2d(n, 0.8) would set eps, the second positional argument, and shrink the signal."""
    for network in networks():
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert (layer.eps, layer.momentum) == (1e-5, 0.1)


def test_start():
    torch.manual_seed(0)
    model = dcgan.DCGAN(replace(SMALL, width=64))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            if layer.weight.numel() > 5000:  # the sample's own error is then well below 2 %
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
            assert layer.weight.mean().abs() < 0.002
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert 0.01 < layer.weight.std().item() < 0.03
            assert not layer.bias.any()


# --- the steps -------------------------------------------------------------------------------


def test_each_step_moves_one_network(model):
    real = images(8).floats()
    assert moved(model, lambda: model.discriminator_step(real)) == {"discriminator"}
    assert moved(model, lambda: model.generator_step(8)) == {"generator"}
    assert moved(model, lambda: model.step(images().batch(8))) == {"discriminator", "generator"}


def test_the_discriminator_step_leaves_no_gradient_in_the_generator(model):
    model.discriminator_step(images(8).floats())
    assert all(p.grad is None for p in model.generator.parameters())


def test_the_generator_step_leaves_no_gradient_in_the_discriminator(model):
    model.generator_step(8)
    assert all(p.grad is None for p in model.discriminator.parameters())
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_a_step_draws_fresh_noise_for_the_generator(model, monkeypatch):
    drawn, noise = [], model.noise
    monkeypatch.setattr(model, "noise", lambda n: drawn.append(noise(n)) or drawn[-1])
    model.step(images().batch(8))
    assert [z.shape for z in drawn] == [(8, SMALL.latent_dim)] * 2
    assert not same(*drawn)


def test_the_step_reports_the_loss_of_the_two_batches_apart(model):
    """Batch normalisation must not see real and generated images in one batch."""
    real, seen = images(8).floats(), []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    losses = model.discriminator_step(real)
    assert [len(x) for x in seen] == [8, 8]
    assert same(seen[0], real)
    at_the_means = dcgan.discriminator_loss(losses["real_score"], losses["fake_score"])
    assert losses["discriminator_loss"] >= at_the_means - 1e-6  # softplus is convex


def test_samples_do_not_depend_on_their_batch(model):
    z = torch.randn(6, SMALL.latent_dim)
    together = model.sample(z=z)
    alone = torch.cat([model.sample(z=row[None]) for row in z])
    assert torch.allclose(together, alone, atol=1e-6)
    assert model.generator.training
    assert not together.requires_grad


# --- training --------------------------------------------------------------------------------


def test_train_in_colour_from_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(12):
        pixels = rng.integers(0, 256, (30 + k, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    run = dcgan.train("smoke", folder(tmp_path, 32), device="cpu", progress=False)
    assert run.sample(5).shape == (5, 3, 32, 32)
    assert run.config.shape == (3, 32, 32)


def test_train_on_real_pictures(real_data):
    pictures = folder(real_data / "apple2orange" / "trainA", 64, limit=64)
    config = replace(SMALL, steps=2)
    run = dcgan.train(config, pictures, device="cpu", progress=False)
    assert run.sample(2).shape == (2, 3, 64, 64)


def test_same_seed_same_samples():
    config = replace(SMALL, steps=3)
    a, b, other = (
        dcgan.train(config, images(), seed=seed, device="cpu", progress=False).sample(4, seed=0)
        for seed in (1, 1, 2)
    )
    assert same(a, b)
    assert not same(a, other)


@pytest.mark.parametrize("shape", [(1, 32, 28), (1, 30, 30), (1, 24, 24), (3, 68, 68), (2,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="square images whose side is a multiple of 4"):
        dcgan.DCGAN(replace(SMALL, shape=shape))


def test_unknown_presets_are_refused():
    with pytest.raises(ValueError, match="smoke"):
        dcgan.train("huge", images())
