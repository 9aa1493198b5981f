"""Two domains: independent draws, styles, halves without a common image, and USPS."""

import bz2
import shutil
from functools import partial

import numpy as np
import pytest
import torch

from gan_lessons.data import (
    TensorData,
    TwoDomains,
    USPSUnavailable,
    digits,
    digits_and_usps,
    digits_in_two_styles,
    edges,
    halves,
    negative,
    restyled,
    ring,
    usps,
)
from tests.helpers import images, same, two_domains

# --- two domains -------------------------------------------------------------------------------


def numbered(n, start=0):
    """Images that say which they are: all pixels of image i have the value start + i."""
    values = (start + torch.arange(n, dtype=torch.uint8)).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    return TensorData(values.clone(), name=f"{n} from {start}")


def test_a_batch_has_the_first_domain_as_x_and_the_second_as_y():
    data = TwoDomains(numbered(100), numbered(50, start=150))
    x, y = data.batch(64)
    assert x.shape == y.shape == (64, 1, 2, 2)
    assert x.max() < 0.0 < y.min()
    assert (len(data), data.shape, data.is_images) == (50, (1, 2, 2), True)
    assert data.device == torch.device("cpu")
    assert data.name == "100 from 0 / 50 from 150"
    assert repr(data).startswith("TwoDomains('100 from 0 / 50 from 150', shape=(1, 2, 2)")


def test_the_domains_are_drawn_independently():
    data = TwoDomains(numbered(100), numbered(100))
    x, y = data.batch(4000)
    pairs = torch.stack([x[:, 0, 0, 0], y[:, 0, 0, 0]])
    assert abs(torch.corrcoef(pairs)[0, 1]) < 0.06
    assert (pairs[0] == pairs[1]).double().mean() < 0.03


def test_a_generator_makes_batches_repeatable():
    data = two_domains()
    first, second = (data.batch(9, torch.Generator().manual_seed(4)) for _ in range(2))
    assert same(first.x, second.x)
    assert same(first.y, second.y)


def test_moving_moves_both():
    moved = TwoDomains(numbered(3), numbered(2)).to("meta")
    assert moved.first.device.type == moved.second.device.type == moved.device.type == "meta"


def test_each_image_of_each_domain_has_its_own_coin_and_place():
    ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
    data = TwoDomains(TensorData(ramp), TensorData(ramp + 100)).augmented(crop=6)
    assert data.shape == (1, 6, 6)
    x, y = data.batch(3000, torch.Generator().manual_seed(0))
    assert x.shape == y.shape == (3000, 1, 6, 6)
    flips = torch.stack([v[:, 0, 0, 0] > v[:, 0, 0, 1] for v in (x, y)]).double()
    corners = torch.stack([x.amin((1, 2, 3)), y.amin((1, 2, 3))])
    assert (flips.mean(1) - 0.5).abs().max() < 0.05
    assert abs(torch.corrcoef(flips)[0, 1]) < 0.08
    assert abs(torch.corrcoef(corners)[0, 1]) < 0.08


def test_without_flips_the_batches_are_what_they_were():
    """Nothing more is drawn, so that the other chapters keep their numbers."""
    data, generator = two_domains(), torch.Generator().manual_seed(4)
    x, y = data.batch(9, torch.Generator().manual_seed(4))
    first, second = (torch.randint(40, (9,), generator=generator) for _ in range(2))
    assert same(x, data.first.floats(first))
    assert same(y, data.second.floats(second))


def test_settings_survive_a_move_and_are_checked():
    data = TwoDomains(numbered(3), numbered(2), flip=True, crop=1).to("meta")
    assert (data.flip, data.crop, data.shape) == (True, 1, (1, 1, 1))
    with pytest.raises(ValueError, match="crop is 3, and the images are 2 x 2"):
        TwoDomains(numbered(3), numbered(2), crop=3)
    with pytest.raises(ValueError, match="flip and crop are for images"):
        TwoDomains(ring(8, n=80), ring(4, n=40)).augmented()


def test_points_may_be_two_domains():
    data = TwoDomains(ring(8, n=80), ring(4, n=40))
    assert data.batch(5).y.shape == (5, 2)
    assert not data.is_images


def test_domains_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 32, 32\), those of the second \(3, 28, 28\)"):
        TwoDomains(images(), images(4, (3, 28, 28)))
    with pytest.raises(TypeError, match="second must be a TensorData, not Tensor"):
        TwoDomains(images(), images().values)
    with pytest.raises(ValueError, match="on cpu, the second on meta"):
        TwoDomains(numbered(3), numbered(3).to("meta"))


# --- styles ------------------------------------------------------------------------------------


def test_negative_exchanges_black_and_white():
    x = images(6).floats()
    assert same(negative(negative(x)), x)
    data = restyled(images(6), "negative")
    assert same(data.values, 255 - images(6).values)
    assert same(data.labels, images(6).labels)


def test_edges_are_bright_beside_what_is_bright():
    x = torch.full((1, 1, 7, 7), -1.0)
    x[0, 0, 3, 3] = 1.0
    drawn = edges(x)
    expected = torch.full((7, 7), -1.0)
    expected[2:5, 2:5] = 1.0
    expected[3, 3] = -1.0
    assert same(drawn[0, 0], expected)
    assert (edges(torch.rand(2, 1, 5, 5).sub(0.5)) >= -1).all()


def test_edges_in_bytes_are_dilated_minus_original():
    from scipy.ndimage import grey_dilation

    data = images(3, (1, 28, 28))
    original = data.values.numpy().astype(int)
    dilated = np.stack([grey_dilation(x[0], size=(3, 3), mode="nearest")[None] for x in original])
    assert np.array_equal(restyled(data, "edges").values.numpy(), dilated - original)


def test_unknown_styles_and_points_are_refused():
    with pytest.raises(ValueError, match='style is \'sepia\': choose "negative" or "edges"'):
        restyled(images(), "sepia")
    with pytest.raises(ValueError, match="are points, and a style is for images"):
        restyled(ring(n=10), "edges")


@pytest.mark.parametrize("n", [10, 11])
def test_halves_share_nothing_and_lose_nothing(n):
    data = numbered(n)
    first, second = halves(data)
    values = torch.cat([first.values, second.values])[:, 0, 0, 0]
    assert sorted(values.tolist()) == list(range(n))
    assert abs(len(first) - len(second)) <= 1
    assert first.values[:, 0, 0, 0].tolist() != list(range(len(first))), "drawn at random"
    assert same(halves(data)[0].values, first.values)


def test_no_digit_is_in_both_domains():
    data, whole = digits_in_two_styles("negative"), digits()
    first, second = data.first.values.flatten(1), (255 - data.second.values).flatten(1)
    together = torch.cat([first, second])
    assert len(together) == len(whole)
    unique = len(whole.values.flatten(1).unique(dim=0))
    assert len(first.unique(dim=0)) + len(second.unique(dim=0)) == unique
    assert len(together.unique(dim=0)) == unique


def test_digits_in_two_styles_keep_labels_and_split(capsys):
    data = digits_in_two_styles("edges", "test", 28)
    assert data.shape == (1, 28, 28)
    assert data.second.name.endswith("360 test images, enlarged from 8 x 8, edges")
    for domain in (data.first, data.second):
        assert domain.labels.bincount(minlength=10).min() > 5
    assert capsys.readouterr().out.count("\n") == 1, "one line says what was loaded"


# --- USPS --------------------------------------------------------------------------------------


@pytest.fixture
def made_up_usps(tmp_path, monkeypatch):
    """A test file in USPS's format, with fewer images."""
    monkeypatch.setitem(usps.__globals__["USPS_FILES"], "test", ("usps.t.bz2", 20))
    pixels = np.random.default_rng(0).uniform(-1, 1, (20, 256)).round(3)
    lines = [
        f"{i % 10 + 1} " + " ".join(f"{k + 1}:{v}" for k, v in enumerate(row))
        for i, row in enumerate(pixels)
    ]
    (tmp_path / "USPS").mkdir()
    (tmp_path / "USPS" / "usps.t.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    return tmp_path


def test_real_usps(real_data, tmp_path, capsys):
    shutil.copytree(real_data / "USPS", tmp_path / "USPS")
    data = usps("test", data_dir=tmp_path, download=False)
    assert capsys.readouterr().out == "Digits: USPS, 2,007 test images at 32 x 32.\n"
    assert data.values.shape == (2_007, 1, 32, 32)
    assert data.labels.bincount().tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
    assert len(usps("train", 28, data_dir=tmp_path)) == 7_291


def test_the_judge_reads_real_usps(real_data, tmp_path):
    from gan_lessons import metrics

    shutil.copytree(real_data / "USPS", tmp_path / "USPS")
    data = usps("test", data_dir=tmp_path).subset(slice(500))
    assert metrics.conditional_accuracy(data.floats(), data.labels) > 0.93


def test_usps_is_enlarged_into_a_frame_as_mnist_has_it(made_up_usps):
    data = usps("test", data_dir=made_up_usps)
    assert data.shape == (1, 32, 32)
    assert data.labels.tolist() == [i % 10 for i in range(20)]
    inner = data.floats()[:, :, 6:-6, 6:-6]
    assert (data.floats().flatten(1) + 1).sum(1).allclose((inner.flatten(1) + 1).sum(1))
    back = torch.nn.functional.interpolate(inner, size=16, mode="bilinear", antialias=True)
    with bz2.open(made_up_usps / "USPS" / "usps.t.bz2", "rt") as file:
        original = [[float(v.split(":")[1]) for v in line.split()[1:]] for line in file]
    original = torch.tensor(original).view(-1, 1, 16, 16)
    assert torch.corrcoef(torch.stack([back.flatten(), original.flatten()]))[0, 1] > 0.9
    assert usps("test", 64, data_dir=made_up_usps).shape == (1, 64, 64)


def test_what_is_missing_or_damaged_is_named(made_up_usps, tmp_path):
    file = made_up_usps / "USPS" / "usps.t.bz2"
    whole = file.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"<html>", bz2.compress(b"1 1:0.5\n")):
        file.write_bytes(content)
        with pytest.raises(USPSUnavailable, match=r"USPS/usps\.t\.bz2 in data_dir is damaged"):
            usps("test", data_dir=made_up_usps)
    with pytest.raises(FileNotFoundError, match=r"is not in data_dir: put it there"):
        usps("train", data_dir=tmp_path, download=False)


def test_a_failed_download_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    from torchvision.datasets import utils

    def broken(url, root, filename, md5):
        (tmp_path / "USPS").joinpath(root, filename).write_bytes(b"half of it")
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(utils, "download_url", broken)
    with pytest.raises(USPSUnavailable, match=r"could not be downloaded.*put the file there"):
        usps("test", data_dir=tmp_path)
    assert list((tmp_path / "USPS").iterdir()) == []


def test_a_download_is_kept(made_up_usps, tmp_path, monkeypatch):
    from torchvision.datasets import utils

    content, asked = (made_up_usps / "USPS" / "usps.t.bz2").read_bytes(), []

    def download(url, root, filename, md5):
        asked.append((url, md5))
        with open(f"{root}/{filename}", "wb") as file:
            file.write(content)

    monkeypatch.setattr(utils, "download_url", download)
    for _ in range(2):
        assert len(usps("test", data_dir=tmp_path / "new")) == 20
    assert len(asked) == 1
    assert asked[0][0].startswith("https://")
    assert len(asked[0][1]) == 32, "with a checksum"


@pytest.mark.parametrize(("split", "size"), [("valid", 32), ("train", 16)])
def test_unknown_splits_and_sizes_are_refused(split, size):
    with pytest.raises(ValueError, match="choose"):
        usps(split, size)


def test_smoke_has_a_stand_in_and_says_so(monkeypatch, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    with pytest.raises(USPSUnavailable, match="smoke budget"):
        usps()
    data = digits_and_usps()
    assert "USPS is not used under the smoke budget" in capsys.readouterr().out
    assert "scikit-learn" in data.second.name
    assert (len(data.first), len(data.second)) == (718, 719), "no image twice"
    together = torch.cat([data.first.values, data.second.values]).flatten(1)
    assert len(together.unique(dim=0)) == len(digits().values.flatten(1).unique(dim=0))
    assert data.second.shape == data.first.shape


def test_without_usps_mnist_stands_beside_the_built_in_digits(monkeypatch, capsys):
    module = usps.__globals__

    def missing(split, size):
        raise USPSUnavailable("USPS/usps.bz2 is not here.")

    mnist = TensorData(images().values, images().labels, "MNIST, 40 of its images")
    monkeypatch.setitem(module, "digits", lambda split, size: mnist)
    monkeypatch.setitem(module, "usps", missing)
    data = digits_and_usps()
    assert data.first is mnist
    assert data.second.name.startswith("scikit-learn digits, 1,437 training images")
    assert capsys.readouterr().out.startswith("USPS/usps.bz2 is not here.\n")


def test_usps_beside_mnist(made_up_usps, monkeypatch):
    module = usps.__globals__
    monkeypatch.setitem(module, "digits", lambda split, size: images())
    made_up = partial(usps, data_dir=made_up_usps)
    monkeypatch.setitem(module, "usps", made_up)
    data = digits_and_usps("test")
    assert data.name.startswith("random images / USPS, ")
