"""USPS: how the digits are read and framed, what is missing or damaged, and the download."""

import bz2
import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from gan_lessons.data import USPSUnavailable, download, usps

FILES, read_usps = (usps.__globals__[name] for name in ("USPS_FILES", "_read_usps"))


@pytest.fixture
def made_up_usps(tmp_path, monkeypatch):
    """A test file in USPS's format, with fewer images."""
    monkeypatch.setitem(FILES, "test", (FILES["test"][0], 20))
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
    def broken(url):
        yield b"half of it"
        raise OSError("127.0.0.1: the connection broke off")

    monkeypatch.setattr(download, "_parts", broken)
    monkeypatch.setattr(download, "first_to_answer", list)
    with pytest.raises(USPSUnavailable, match=r"could not be downloaded.*put the file there"):
        usps("test", data_dir=tmp_path)
    assert list((tmp_path / "USPS").iterdir()) == []


def test_a_download_is_kept_and_must_have_the_published_checksum(
    made_up_usps, tmp_path, monkeypatch, mirror
):
    file, count = FILES["test"]
    content = (made_up_usps / "USPS" / file.name).read_bytes()
    asked = mirror({file.name: content})
    with pytest.raises(USPSUnavailable, match="arrived with a wrong checksum"):
        usps("test", data_dir=tmp_path / "new")
    made_up = replace(file, checksum=hashlib.md5(content).hexdigest())
    monkeypatch.setitem(FILES, "test", (made_up, count))
    for _ in range(2):
        assert len(usps("test", data_dir=tmp_path / "new")) == 20
    assert len(asked) == 2
    assert file.urls[0].startswith("https://")


def test_files_and_checksums_are_those_of_torchvision():
    from torchvision.datasets import USPS

    for split, (file, _) in FILES.items():
        url, name, md5 = USPS.split_list[split]
        assert (file.urls, file.name, file.checksum) == ((url,), name, md5)
        assert len(md5) == 32, "with a checksum"


@pytest.mark.parametrize("split", ["train", "test"])
def test_torchvision_reads_the_same(real_data, split):
    from torchvision.datasets import USPS

    theirs = USPS(real_data / "USPS", train=split == "train")
    pixels, labels = read_usps(real_data / "USPS" / FILES[split][0].name)
    assert np.array_equal(pixels[:, 0].numpy(), theirs.data)
    assert labels.tolist() == theirs.targets


@pytest.mark.parametrize(("split", "size"), [("valid", 32), ("train", 16)])
def test_unknown_splits_and_sizes_are_refused(split, size):
    with pytest.raises(ValueError, match="choose"):
        usps(split, size)
