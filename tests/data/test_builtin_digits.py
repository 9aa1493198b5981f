"""The digits inside scikit-learn, which stand in for MNIST where there is no disk or network."""

import pytest
import torch

from gan_lessons.data import digits

FALLBACK = "Using the 1,797 8x8 digits of scikit-learn ("


@pytest.mark.parametrize(
    ("split", "n", "kind"), [("train", 1_437, "training"), ("test", 360, "test")]
)
def test_smoke_uses_the_built_in_digits_and_says_so(split, n, kind, monkeypatch, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    data = digits(split)
    assert capsys.readouterr().out == f"{FALLBACK}smoke budget: no disk, no network).\n"
    assert data.name == f"scikit-learn digits, {n:,} {kind} images, enlarged from 8 x 8"
    assert data.values.shape == (n, 1, 32, 32)
    assert (data.values.min(), data.values.max()) == (0, 255)
    counts = data.labels.bincount(minlength=10)
    assert counts.min() >= 0.09 * n
    assert torch.equal(digits(split).values, data.values)


def test_built_in_splits_share_no_image():
    from sklearn.datasets import load_digits

    targets = torch.from_numpy(load_digits().target)
    train, test = digits("train", 28), digits("test", 28)
    both = torch.cat([train.values, test.values]).flatten(1)
    assert len(both.unique(dim=0)) == 1_797
    assert torch.equal(torch.cat([train.labels, test.labels]).bincount(), targets.long().bincount())


def test_built_in_digits_look_like_mnist(real_data):
    ours = digits("test", 28)
    real = digits("test", 28, data_dir=real_data, download=False)
    assert ours.values[:, :, [0, -1]].max() == 0
    assert abs(ours.floats().mean() - real.floats().mean()) < 0.02
    # Even the nearest of MNIST's ten class means reads them far better than chance.
    means = torch.stack([real.floats(real.labels == k).flatten(1).mean(0) for k in range(10)])
    read = torch.cdist(ours.floats().flatten(1), means).argmin(1)
    assert (read == ours.labels).double().mean() > 0.35


@pytest.mark.parametrize("size", [28, 31, 32, 48, 64])
def test_built_in_digits_come_in_every_size(size):
    assert digits("test", size).shape == (1, size, size)
