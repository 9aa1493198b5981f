"""DCGAN: the arithmetic of its layers, what batch normalisation does, and what its step plays for.

The losses are the GAN's; the five rules are tested with the networks.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gan_lessons.data import Batch, TensorData, folder
from gan_lessons.foundations import dcgan, gan
from gan_lessons.networks.convolutions import layer_sizes
from tests.helpers import images, same
from tests.mutants import generated, mutants, survivors
from tests.oracles import oracle, taken_over

SMALL = dcgan.PRESETS["smoke"]
QUIET = {"device": "cpu", "progress": False}

taken_over(
    "DCGAN-D",
    "GAN-D",
    r"L_D = \mathbb E_{x}\,\operatorname{softplus}(-D(x)) + \mathbb "
    r"E_{z}\,\operatorname{softplus}(D(G(z)))",
)
taken_over("DCGAN-G", "GAN-G", r"L_G = \mathbb E_{z}\,\operatorname{softplus}(-D(G(z)))")


# --- sides and stamps --------------------------------------------------------------------------


@oracle("DCGAN-CONV", r"n_\text{out} = \left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1")
def convolution_side(n, k, s, p):
    """The places of a kernel on a padded row, counted one by one."""
    return sum(1 for start in range(0, n + 2 * p, s) if start + k <= n + 2 * p)


@oracle("DCGAN-SIZE", r"n_\text{out} = (n - 1)\,s - 2p + k")
def transposed_side(n, k, s, p):
    """Zeros between the entries, a full convolution, and p entries cut off at both ends."""
    spread = np.zeros((n - 1) * s + 1)
    spread[::s] = 1
    full = np.convolve(spread, np.ones(k))
    return full[p : len(full) - p].size


@oracle("DCGAN-OVERLAP", r"c(i) = \left\lceil \frac{k - (i + p) \bmod s}{s} \right\rceil")
def overlap(i, k, s, p):
    """How many inputs write to output i, far from the border: the writes, one by one."""
    writes = np.zeros(40 * s + k + p)
    for j in range(40):
        writes[j * s : j * s + k] += 1
    middle = 20 * s + p  # a multiple of s, plus the part that the padding cuts off
    return writes[middle + i]


GEOMETRIES = [(k, s, p) for k in range(1, 7) for s in range(1, 4) for p in range((k + 1) // 2)]


@pytest.mark.parametrize(("k", "s", "p"), GEOMETRIES)
def test_the_formulas_hold_for_all_kernels_strides_and_paddings(k, s, p):
    row = torch.zeros(1, 1, 9, 9)
    assert nn.Conv2d(1, 1, k, s, p)(row).shape[-1] == convolution_side(9, k, s, p)
    assert convolution_side(9, k, s, p) == (9 + 2 * p - k) // s + 1
    layer = nn.ConvTranspose2d(1, 1, k, s, p, bias=False)
    nn.init.ones_(layer.weight)
    stamps = layer(torch.ones(1, 1, 12, 12))[0, 0].detach()
    assert len(stamps) == transposed_side(12, k, s, p) == (12 - 1) * s - 2 * p + k
    for i in range(s):
        row = [overlap(i, k, s, p) * overlap(j, k, s, p) for j in range(s)]
        assert stamps[6 * s + i, 6 * s : 7 * s].tolist() == row, "away from the border"
        assert overlap(i, k, s, p) == max(0, math.ceil((k - (i + p) % s) / s))


def sides(layers, x, known):
    """The side behind each convolution, by the layer itself and by the oracle."""
    for layer in layers:
        before, x = x.shape[-1], layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            geometry = (layer.kernel_size[0], layer.stride[0], layer.padding[0])
            yield x.shape[-1], known(before, *geometry)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 32, 32), (3, 64, 64)])
def test_the_maps_of_both_players_have_the_sides_of_the_formulas(shape):
    model = dcgan.DCGAN(replace(SMALL, shape=shape))
    noise = torch.randn(2, SMALL.latent_dim, 1, 1)
    up = list(sides(model.generator.layers, noise, transposed_side))
    down = list(sides(model.discriminator.layers, torch.randn(2, *shape), convolution_side))
    assert len(up) == len(down) == len(layer_sizes(shape))
    assert all(found == expected for found, expected in up + down)


def test_the_generator_starts_without_a_checkerboard():
    """As many stamps at every pixel, since the stride divides the kernel: not so with 3 or 5."""
    doubling = [m for m in dcgan.DCGAN(SMALL).generator.layers if hasattr(m, "stride")][1:]
    for layer in doubling:
        k, s, p = layer.kernel_size[0], layer.stride[0], layer.padding[0]
        nn.init.ones_(layer.weight)
        stamps = layer(torch.ones(1, layer.in_channels, 8, 8))[0, 0, 4:-4, 4:-4]
        assert (stamps == layer.in_channels * overlap(0, k, s, p) * overlap(1, k, s, p)).all()
    counts = {k: {overlap(i, k, 2, 0) for i in (0, 1)} for k in (3, 4, 5)}
    assert counts == {3: {1, 2}, 4: {2}, 5: {2, 3}}


# --- batch normalisation -----------------------------------------------------------------------


def test_the_same_noise_gives_another_image_in_other_company_but_in_evaluation():
    model = dcgan.DCGAN(SMALL)
    z, others = torch.randn(2, 4, SMALL.latent_dim)
    mixed = torch.cat([z[:1], others[1:]])
    assert not torch.allclose(model.generator(z)[0], model.generator(mixed)[0], atol=1e-3)
    torch.testing.assert_close(model.sample(z=z)[0], model.sample(z=mixed)[0])


def test_batch_norm_in_the_discriminator_is_a_setting():
    for wanted in (True, False):
        model = dcgan.DCGAN(replace(SMALL, batch_norm=wanted))
        found = any(isinstance(m, nn.BatchNorm2d) for m in model.discriminator.modules())
        assert found is wanted
        assert any(isinstance(m, nn.BatchNorm2d) for m in model.generator.modules())


def test_each_network_passes_only_what_it_has_to():
    """Two passes of D apart and one of G in the one update, one pass of each in the other."""
    model, real, passes = dcgan.DCGAN(SMALL), images(8).floats(), []
    for name, network in model.named_children():
        network.register_forward_hook(lambda _m, i, _o, name=name: passes.append((name, i[0])))
    model.step(Batch(real, None))
    order = ["generator", "discriminator", "discriminator", "generator", "discriminator"]
    assert [name for name, _ in passes] == order
    assert [len(x) for _, x in passes] == [8] * 5
    assert same(passes[1][1], real)


# --- the step ----------------------------------------------------------------------------------


def test_the_step_plays_for_the_losses_of_the_gan():
    model, said = dcgan.DCGAN(SMALL), []
    model.discriminator.register_forward_hook(lambda _m, _i, out: said.append(out.detach()))
    logged = model.step(images(16).batch(16))
    real, fake, fresh = said
    torch.testing.assert_close(logged["discriminator_loss"], gan.discriminator_loss(real, fake))
    torch.testing.assert_close(logged["generator_loss"], gan.generator_loss(fresh))
    torch.testing.assert_close(logged["real_score"], real.mean())
    torch.testing.assert_close(logged["fake_score"], fake.mean())


def test_the_players_pull_the_score_of_the_fakes_apart():
    config = replace(SMALL, learning_rate=5e-3)
    model, real = dcgan.DCGAN(config), torch.zeros(32, 1, 32, 32)
    real[:, :, 8:24, 8:24] = 1.0
    for _ in range(10):
        logged = model.discriminator_step(real)
    assert logged["fake_score"] < -1 < 1 < logged["real_score"]
    before, losses = logged["discriminator_loss"], [model.generator_step(32) for _ in range(10)]
    assert losses[-1]["generator_loss"] < losses[0]["generator_loss"]
    assert model.discriminator_step(real)["discriminator_loss"] > before


def test_the_papers_numbers():
    gpu = dcgan.PRESETS["gpu"]
    assert gpu.batch_size == 128
    assert dcgan.Config().betas[0] == gpu.betas[0] == 0.5
    assert dcgan.Config().batch_norm


# --- other data --------------------------------------------------------------------------------


def test_train_in_colour_from_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(12):
        pixels = rng.integers(0, 256, (30 + k, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    run = dcgan.train(replace(SMALL, steps=2), folder(tmp_path, 32), **QUIET)
    assert run.sample(5).shape == (5, 3, 32, 32)
    assert run.config.shape == (3, 32, 32)


def test_train_on_points():
    data = TensorData(torch.randn(100, 2), name="one Gaussian")
    run = dcgan.train(replace(SMALL, steps=2), data, **QUIET)
    assert run.sample(5).shape == (5, 2)


@pytest.mark.parametrize("shape", [(1, 32, 28), (1, 30, 30), (3, 68, 68)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="square images whose side is a multiple of 4"):
        dcgan.DCGAN(replace(SMALL, shape=shape))


MUTANTS = [
    *mutants(
        "foundations.dcgan",
        (
            "real and generated images go through batch normalisation in one batch",
            "real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)",
            "real_scores, fake_scores = self.discriminator(torch.cat([real, fake])).chunk(2)",
            "test_each_network_passes_only_what_it_has_to",
        ),
        (
            "fakes are scored as real ones, and real ones as fakes",
            "self.discriminator(real), self.discriminator(fake)",
            "self.discriminator(fake), self.discriminator(real)",
            "test_the_players_pull_the_score_of_the_fakes_apart",
        ),
        (
            "the generator descends where it should climb",
            "loss = generator_loss(fake_scores)",
            "loss = -generator_loss(fake_scores)",
            "test_the_players_pull_the_score_of_the_fakes_apart",
        ),
        (
            "no batch normalisation in the discriminator, whatever the settings say",
            "Discriminator(config, config.batch_norm)",
            "Discriminator(config)",
            "test_batch_norm_in_the_discriminator_is_a_setting",
        ),
        (
            "the generator's loss is halved",
            "loss = generator_loss(fake_scores)",
            "loss = generator_loss(fake_scores) / 2",
            "test_the_step_plays_for_the_losses_of_the_gan",
        ),
        (
            "one-sided smoothing of the labels that no equation has",
            "loss = discriminator_loss(real_scores, fake_scores)",
            "loss = discriminator_loss(0.9 * real_scores, fake_scores)",
            "test_the_step_plays_for_the_losses_of_the_gan",
        ),
        (
            "rule 2 is off by default",
            "batch_norm: bool = True",
            "batch_norm: bool = False",
            "test_the_papers_numbers",
        ),
    ),
    *mutants(
        "model",
        (
            "samples are drawn in training mode: each depends on its batch",
            "            return self.generator(self.noise_or(z, n))",
            "            self.train()\n            return self.generator(z)",
            "test_the_same_noise_gives_another_image_in_other_company_but_in_evaluation",
        ),
    ),
    *mutants(
        "networks.convolutions",
        (
            "kernel 3 with stride 2: a checkerboard",
            "nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=bias)]",
            "nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, 1, bias=bias)]",
            "test_the_generator_starts_without_a_checkerboard",
        ),
        (
            "padding left out: each map is two pixels too large",
            "nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=bias)]",
            "nn.ReLU(), nn.ConvTranspose2d(n_in, n_out, 4, 2, 0, bias=bias)]",
            "test_train_in_colour_from_a_folder",
        ),
    ),
]


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)


def test_generated_mistakes_are_caught():
    assert not survivors(__file__, generated(dcgan))
