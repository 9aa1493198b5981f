"""What codes are worth: planted encoders, from an exact inverse to one that says nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gan_lessons import metrics
from gan_lessons.data import Pairs, digits
from gan_lessons.evaluation.codes import (
    encode,
    error_ratio,
    measure_codes,
    measure_inverse,
    reconstruct,
    shuffled,
)
from gan_lessons.latent import aae, bigan
from gan_lessons.model import LabelledModel
from gan_lessons.training import fit
from tests.helpers import images, same
from tests.mutants import mutants, survivors
from tests.oracles import check, oracle, scores
from tests.variants import MODELS, data_for, name_of

TEST = digits("test").subset(slice(200))
X, LABELS = TEST.floats(), TEST.labels
LEGIBLE = metrics.conditional_accuracy(X, LABELS)
ENCODERS = [
    (module, cls)
    for module, cls in MODELS
    if hasattr(cls, "encode")
    and not issubclass(cls, LabelledModel)  # theirs encodes labels
    and Pairs not in cls.takes  # a translator's code alone draws nothing
]
encoders = pytest.mark.parametrize(
    ("module", "cls"), ENCODERS, ids=[name_of(cls) for _, cls in ENCODERS]
)


def trained(module, cls):
    config = replace(module.PRESETS["smoke"], steps=2, batch_size=8)
    return fit(cls, config, data_for(cls), device="cpu", progress=False, snapshots=0)


# --- codes and what comes back -----------------------------------------------------------------


def test_there_are_encoders():
    assert {cls.__name__ for _, cls in ENCODERS} >= {"AAE", "GaussianAAE", "BiGAN", "ClusterGAN"}


@encoders
def test_codes_come_from_averaged_weights_and_are_what_samples_take(module, cls):
    run, x = trained(module, cls), images(7).floats()
    torch.manual_seed(0)
    codes = encode(run, x)
    torch.manual_seed(0)
    assert same(codes, run.averaged.encode(x))
    torch.manual_seed(0)
    assert not same(codes, run.model.encode(x))
    assert codes.shape == run.averaged.noise(7).shape
    assert not codes.requires_grad
    assert run.model.training, "the model is as it was"
    torch.manual_seed(0)
    torch.testing.assert_close(reconstruct(run, x), run.sample(7, z=codes))


@encoders
def test_a_code_does_not_depend_on_its_company(module, cls):
    run, x = trained(module, cls), images(7).floats()
    parts = encode(run, x, chunk=3)
    if cls is aae.GaussianAAE:  # it draws them, with the random numbers of the caller
        assert parts.shape == encode(run, x).shape
        assert not same(encode(run, x), encode(run, x))
    else:
        torch.testing.assert_close(parts, encode(run, x), atol=1e-5, rtol=1e-5)


@oracle(
    "BIGAN-RATIO",
    r"R = \frac{\mathbb E\, \lVert x - G(E(x)) \rVert}{\mathbb E\, \lVert x' - G(E(x)) "
    r"\rVert}",
)
def ratio_of_errors(x, redrawn, others):
    def error(v):
        return np.mean([np.sqrt(((a - b) ** 2).sum()) for a, b in zip(v, redrawn, strict=True)])

    return error(x) / error(others)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 5), (2,)])
def test_error_ratio(shape):
    x, redrawn, others = (scores(5 * np.prod(shape), seed=k).reshape(5, *shape) for k in range(3))
    check("BIGAN-RATIO", error_ratio, x=x, redrawn=redrawn, others=others)


def test_error_ratio_is_0_for_an_inverse_and_1_for_one_answer_to_all():
    x = torch.randn(50, 1, 4, 4)
    assert error_ratio(x, x, shuffled(x)) == 0
    constant = torch.zeros_like(x) + 0.3
    assert error_ratio(x, constant, shuffled(x)) == pytest.approx(1, abs=1e-6)


def test_shuffled_is_a_fixed_permutation_that_leaves_the_stream_alone():
    x, state = torch.arange(100), torch.get_rng_state()
    assert same(shuffled(x), shuffled(x))
    assert not same(shuffled(x), shuffled(x, seed=1))
    assert same(shuffled(x).sort().values, x)
    assert same(state, torch.get_rng_state())


# --- measures on planted encoders --------------------------------------------------------------


class Planted:
    """In the place of a run and of its model: pixels are codes, and codes are pixels."""

    device = "cpu"

    def __init__(self):
        self.averaged, self.asked = self, []

    def noise(self, n):
        return torch.randn(n, 1024)

    def encode(self, x):
        self.asked.append(len(x))
        return x.flatten(1)

    def sample(self, n, *, z, seed=None):
        assert len(z) == n
        return z.view(n, *TEST.shape)


class Mute(Planted):
    """Its codes say nothing, and its samples are all alike."""

    def encode(self, x):
        return torch.zeros(len(x), 1024)


class Faint(Planted):
    """Its samples have four fifths of the contrast."""

    def sample(self, n, *, z, seed=None):
        return 0.8 * super().sample(n, z=z)


def test_an_exact_inverse_is_at_one_end_of_the_scales():
    found = measure_inverse(Planted(), TEST, TEST)
    assert found == {
        "ratio": 0,
        "code_ratio": 0,
        "class_kept": LEGIBLE,
        "neighbour_accuracy": 1,  # each image is its own nearest neighbour
    }


def test_an_encoder_that_says_nothing_is_at_the_other():
    found = measure_inverse(Mute(), TEST, TEST)
    assert found["ratio"] == pytest.approx(1, abs=1e-5)
    assert found["code_ratio"] == pytest.approx(1, abs=1e-5)
    assert found["class_kept"] < 0.25
    assert found["neighbour_accuracy"] < 0.25


def test_both_ways_round_are_measured_apart():
    """From images through codes, and from noise through samples."""

    class Deaf(Planted):
        def encode(self, x):  # it knows images, and mistakes noise
            return x.flatten(1) if x.abs().max() <= 1 else torch.zeros(len(x), 1024)

    found = measure_inverse(Deaf(), TEST, TEST)
    assert found["ratio"] == 0
    assert found["code_ratio"] == pytest.approx(1, abs=1e-5)


def test_neighbours_are_training_images_with_their_own_labels():
    run, wrong = Planted(), replace(TEST, labels=(TEST.labels + 1) % 10)
    assert measure_inverse(run, wrong, TEST)["neighbour_accuracy"] == 0
    many = TEST.subset(torch.arange(200).repeat(51))
    run.asked = []
    measure_inverse(run, many, TEST)
    assert sum(run.asked) == 200 + 10_000 + 200, "test images, training images, samples"


def test_the_error_of_a_pixel_is_on_a_scale_from_black_to_white():
    found = measure_codes(Faint(), TEST, few=50)
    pixels = (X + 1) / 2
    again = (0.8 * X + 1) / 2
    assert found["test_error"] == pytest.approx(((pixels - again) ** 2).mean().item(), rel=1e-5)
    assert found["class_kept"] == metrics.conditional_accuracy(0.8 * X, LABELS)
    assert measure_codes(Planted(), TEST, few=50)["test_error"] == 0


class Dealt(Planted):
    """Its noise are two sets in turn, and its codes a third one."""

    def __init__(self, noise, codes):
        super().__init__()
        self.noises, self.codes, self.given = noise, codes, 0

    def noise(self, n):
        self.given += 1
        return self.noises[self.given % 2][:n]

    def encode(self, x):
        return self.codes[: len(x)]

    def sample(self, n, *, z, seed=None):
        return X[:n]


def test_codes_are_compared_with_noise_and_noise_with_noise():
    """The distance of two sets may be below 0: it is the size of it that sampling makes."""
    generator = torch.Generator().manual_seed(4)
    a, b, codes = torch.randn(3, 200, 4, generator=generator)
    between = metrics.gaussian_kernel_distance(a[:100], b[:100]).item()
    assert between < 0
    found = measure_codes(Dealt([a, b], codes + 1), TEST, few=100)
    assert found["prior_distance"] == pytest.approx(-between, rel=1e-6)
    expected = metrics.gaussian_kernel_distance(codes[:100] + 1, b[:100]).item()
    assert found["code_distance"] == pytest.approx(expected, rel=1e-6)
    assert found["code_distance"] > 10 * found["prior_distance"]


def test_codes_that_follow_the_noise_are_as_near_as_noise():
    class Perfect(Planted):
        def encode(self, x):
            return torch.randn(len(x), 4)

        def noise(self, n):
            return torch.randn(n, 4)

        def sample(self, n, *, z, seed=None):
            return X[:n]

    found = measure_codes(Perfect(), TEST, few=200)
    assert abs(found["code_distance"]) < 4 * found["prior_distance"]


@pytest.mark.parametrize("cls", [aae.GaussianAAE, bigan.BiGAN], ids=name_of)
def test_the_numbers_do_not_depend_on_the_moment(cls):
    run = trained(aae if issubclass(cls, aae.AAE) else bigan, cls)
    state = torch.get_rng_state()
    first = measure_codes(run, TEST, few=50)
    assert same(state, torch.get_rng_state())
    torch.randn(5)
    assert measure_codes(run, TEST, few=50) == first
    assert measure_codes(run, TEST, seed=2, few=50) != first
    if cls is bigan.BiGAN:
        first = measure_inverse(run, TEST, TEST)
        torch.randn(5)
        assert measure_inverse(run, TEST, TEST) == first


MUTANTS = mutants(
    "evaluation.codes",
    (
        "codes from the last weights, samples from averaged ones",
        "run.averaged.encode(part.to(run.device))",
        "run.model.encode(part.to(run.device))",
        "test_codes_come_from_averaged_weights_and_are_what_samples_take",
    ),
    (
        "the codes of the last part only",
        "for part in x.split(chunk)]",
        "for part in x.split(chunk)[-1:]]",
        "test_a_code_does_not_depend_on_its_company",
    ),
    (
        "the ratio of the errors is upside down",
        "return own / random",
        "return random / own",
        "test_error_ratio",
    ),
    (
        "one norm over the whole batch in the ratio",
        "(v - redrawn).flatten(1).norm(dim=1).mean()",
        "(v - redrawn).norm()",
        "test_error_ratio",
    ),
    (
        "squared errors in the ratio: half the error is a quarter",
        "norm(dim=1).mean()",
        "norm(dim=1).square().mean()",
        "test_error_ratio",
    ),
    (
        "other digits in another order every time",
        "generator=torch.Generator().manual_seed(seed))]",
        "generator=torch.Generator().manual_seed(torch.seed() % 99))]",
        "test_shuffled_is_a_fixed_permutation_that_leaves_the_stream_alone",
    ),
    (
        "the way from noise starts at codes of images",
        "back = encode(run, run.sample(len(z), z=z))",
        "back = encode(run, redrawn)",
        "test_an_exact_inverse_is_at_one_end_of_the_scales",
    ),
    (
        "the way from noise is compared with images' codes",
        '"code_ratio": error_ratio(z, back, shuffled(z))',
        '"code_ratio": error_ratio(of_test, of_test, shuffled(z))',
        "test_both_ways_round_are_measured_apart",
    ),
    (
        "the judge sees the originals, not what came back",
        "metrics.conditional_accuracy(redrawn, labels)",
        "metrics.conditional_accuracy(x, labels)",
        "test_an_encoder_that_says_nothing_is_at_the_other",
    ),
    (
        "the nearest of the test codes, which is the code itself",
        "metrics.nearest_neighbours(of_test, of_train)",
        "metrics.nearest_neighbours(of_test, of_test)",
        "test_an_exact_inverse_is_at_one_end_of_the_scales",
    ),
    (
        "the whole training set, which takes minutes",
        "shuffled(torch.arange(len(train)))[:10_000]",
        "shuffled(torch.arange(len(train)))",
        "test_neighbours_are_training_images_with_their_own_labels",
    ),
    (
        "pixels from -1 to 1 in an error that is said to be of [0, 1]",
        "((again - x) / 2).square()",
        "(again - x).square()",
        "test_the_error_of_a_pixel_is_on_a_scale_from_black_to_white",
    ),
    (
        "the distance of noise to noise is a mean around 0, not a size",
        "apart(model.noise(few), model.noise(few)).abs()",
        "apart(model.noise(few), model.noise(few))",
        "test_codes_are_compared_with_noise_and_noise_with_noise",
    ),
    (
        "noise is compared with noise, and no code with any",
        "apart(codes[:few].to(run.device), model.noise(few))",
        "apart(model.noise(few), model.noise(few))",
        "test_codes_are_compared_with_noise_and_noise_with_noise",
    ),
    (
        "more codes than noise",
        "codes[:few].to(run.device)",
        "codes.to(run.device)",
        "test_codes_are_compared_with_noise_and_noise_with_noise",
    ),
    (
        "drawn codes are others at every measurement",
        "with own_randomness(torch.device(run.device), seed):\n        codes",
        "with own_randomness(torch.device(run.device)):\n        codes",
        "test_the_numbers_do_not_depend_on_the_moment",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
