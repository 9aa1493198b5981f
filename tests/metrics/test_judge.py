"""The judge: how good it is, what it sees, what it refuses, and the script that trains it."""

import shutil
import sys

import pytest
import torch
import torch.nn.functional as F

from gan_lessons import data, metrics
from gan_lessons.files import read_tensors
from gan_lessons.metrics import judge as module
from tests.helpers import load_script


def test_judge_is_as_good_as_its_file_says(mnist):
    _, test = mnist
    reached = metrics.conditional_accuracy(test.floats(), test.labels)
    assert reached >= 0.99
    assert float(metrics.load_judge().facts["accuracy"]) == pytest.approx(reached, abs=3e-4)


def test_scale_of_the_judge(mnist):
    train, test = mnist
    real = metrics.features(test.floats())
    chosen = torch.randperm(60_000, generator=torch.Generator().manual_seed(0))[:10_000]
    assert 0.3 < metrics.frechet_distance(train.floats(chosen), real) < 1
    assert metrics.frechet_distance(torch.rand(1000, 1, 32, 32) * 2 - 1, real) > 500


def test_judge_file_is_small_and_says_where_it_comes_from(root):
    path = root / "gan_lessons" / "judge.safetensors"
    assert path.stat().st_size < 600_000
    _, facts = read_tensors(path)
    assert facts == metrics.load_judge().facts
    assert float(facts["accuracy"]) >= 0.99
    assert (root / facts["script"]).is_file()
    assert set(facts) == {"accuracy", "data", "seed", "epochs", "torch", "script"}


@pytest.mark.parametrize("place", ["facts", 0.5, 0.99])
def test_one_changed_bit_is_noticed(root, tmp_path, monkeypatch, place):
    whole = (root / "gan_lessons" / module.WEIGHTS).read_bytes()
    path = tmp_path / module.WEIGHTS
    accuracy = metrics.load_judge().facts["accuracy"].encode()
    at = whole.index(accuracy) if place == "facts" else int(place * len(whole))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0b0100_0000]) + whole[at + 1 :])
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        module._load.__wrapped__("cpu")
    shutil.copy(root / "gan_lessons" / module.WEIGHTS, path)
    assert module._load.__wrapped__("cpu").facts == metrics.load_judge().facts


def test_judge_is_frozen_and_the_same_at_every_size(sets):
    judge = metrics.load_judge()
    assert not judge.training
    assert not any(p.requires_grad for p in judge.parameters())
    images = sets.real[:50]
    assert judge(images).shape == (50, 10)
    assert judge.features(images).shape == (50, judge.num_features)
    small = images[:, :, 2:-2, 2:-2]
    torch.testing.assert_close(judge.features(small), judge.features(images))
    large = F.interpolate(images, size=64, mode="bilinear")
    assert (metrics.classify(large) == metrics.classify(images)).double().mean() > 0.9


def test_features_are_float64_and_independent_of_the_batch(sets):
    whole = metrics.features(sets.real[:70])
    assert whole.dtype == torch.float64
    assert (whole >= 0).all()
    torch.testing.assert_close(metrics.features(sets.real[:70], batch=16), whole, rtol=0, atol=1e-4)
    assert torch.equal(metrics.features(whole), whole)
    assert not metrics.features(whole.requires_grad_()).requires_grad
    whole.requires_grad_(False)
    assert torch.equal(metrics.classify(whole), metrics.classify(sets.real[:70]))
    with pytest.raises(ValueError, match="rows have 2 numbers"):
        metrics.classify(torch.zeros(5, 2))


def test_class_coverage_counts_the_classes(sets):
    right = sets.labels == metrics.classify(sets.fake)
    found = metrics.class_coverage(sets.fake[right & (sets.labels < 4)])
    assert found.covered == 4
    assert found.histogram[:4].sum() == pytest.approx(1)
    rare = torch.cat([sets.fake[right & (sets.labels == 0)][:1].repeat(299, 1, 1, 1)])
    with_one = torch.cat([rare, sets.fake[right & (sets.labels == 1)][:1]])
    assert metrics.class_coverage(with_one).covered == 1  # 1 of 300 is below 1 %


# --- errors --------------------------------------------------------------------------------------

IMAGES = torch.zeros(100, 1, 32, 32) - 1


def nan_in_one():
    images = IMAGES.clone()
    images[7, 0, 3, 3] = float("nan")
    return images


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(100, 3, 32, 32), "3 channels.*grey digits only"),
        (IMAGES * 127, r"range from -127 to -127.*\[-1, 1\]"),
        (torch.rand(100, 1, 32, 32).round(), r"look like images in \[0, 1\]"),
        (nan_in_one(), "1 of 100 samples contain NaN"),
        (torch.zeros(100, 1, 16, 16), "16 x 16 pixels.*28 to 64"),
        (torch.zeros(100, 1, 32, 28), "32 x 28 pixels"),
        (torch.zeros(100, 32, 32), "pass images"),
        (torch.zeros(0, 1, 32, 32), "empty"),
        (IMAGES[:64], "samples are 64, too few.*more than 64, better 10,000"),
        (torch.zeros(100, 63), "63 features and reference 64"),
    ],
)
def test_bad_samples(samples, message):
    with pytest.raises(ValueError, match=message):
        metrics.frechet_distance(samples, IMAGES)


@pytest.mark.parametrize("samples", [IMAGES.to(torch.uint8), IMAGES.numpy()])
def test_samples_of_another_type(samples):
    with pytest.raises(TypeError, match=r"x / 127\.5 - 1|as_tensor"):
        metrics.features(samples)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (torch.zeros(99, dtype=torch.int64), ValueError, r"shape \(99,\) for 100 samples"),
        (torch.zeros(100, 10, dtype=torch.int64), ValueError, "one number a sample"),
        (torch.full((100,), 10), ValueError, "range from 10 to 10"),
        (torch.full((100,), -1), ValueError, "numbered 0 to 9"),
        (torch.zeros(100), TypeError, "whole numbers"),
        ([0] * 100, TypeError, "whole numbers, not list"),
    ],
)
def test_bad_labels(labels, error, message):
    with pytest.raises(error, match=message):
        metrics.conditional_accuracy(IMAGES, labels)
    with pytest.raises(error, match=message):
        metrics.within_class_diversity(IMAGES, labels, IMAGES, torch.arange(100) % 10)


# --- the script that trains the judge ------------------------------------------------------------


@pytest.fixture
def script():
    return load_script("train_judge")


def test_disturbed_digits_are_digits(script, sets):
    images = sets.real[:200]
    moved = script.disturbed(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert moved.min() >= -1
    assert moved.max() <= 1
    assert not torch.allclose(moved, images, atol=0.5)
    again = script.disturbed(images, torch.Generator().manual_seed(0))
    assert torch.equal(moved, again)
    same = (metrics.classify(moved) == metrics.classify(images)).double().mean()
    assert same > 0.8


def test_script_writes_the_judge_only_from_99_percent_on(script, monkeypatch, tmp_path, capsys):
    target = tmp_path / "judge.safetensors"
    monkeypatch.setattr(sys, "argv", ["train_judge.py", "--out", str(target), "--seed", "3"])
    with pytest.raises(SystemExit, match="MNIST only"):  # the tests have the built-in digits
        script.main()
    mnist = data.TensorData(torch.zeros(5, 1, 32, 32, dtype=torch.uint8), name="MNIST, five")
    monkeypatch.setattr(script, "digits", lambda split: mnist)
    monkeypatch.setattr(script, "train", lambda *_: (metrics.Judge(), 0.9899))
    with pytest.raises(SystemExit, match=r"98\.99% is below 99%: nothing written"):
        script.main()
    assert not target.exists()
    monkeypatch.setattr(script, "train", lambda *_: (metrics.Judge(), 0.99))
    script.main()
    _, facts = read_tensors(target)
    assert facts["accuracy"] == "0.9900"
    assert facts["seed"] == "3"
    assert "judge.safetensors: 0.43 MB" in capsys.readouterr().out
