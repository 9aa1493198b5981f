"""MNIST by download: only what is missing or damaged, and in one line why, if it cannot be had."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from gan_lessons.data import digits
from tests.data.serving import serving

module = sys.modules["gan_lessons.data.digits"]

IMAGES = "t10k-images-idx3-ubyte.gz"
LABELS = "t10k-labels-idx1-ubyte.gz"
FALLBACK = "Using the 1,797 8x8 digits of scikit-learn ("


def test_a_damaged_file_is_replaced_by_download(mnist, mirror, capsys):
    raw = mnist / "MNIST" / "raw"
    good = (raw / IMAGES).read_bytes()
    (raw / IMAGES).write_bytes(good[: len(good) // 2])
    calls = mirror({IMAGES: good})
    assert len(digits("test", data_dir=mnist)) == 10_000
    assert capsys.readouterr().out == (
        f"Replaced a damaged file of MNIST in data_dir: {IMAGES}.\n"
        "Digits: MNIST, 10,000 test images at 32 x 32.\n"
    )
    assert (raw / IMAGES).read_bytes() == good
    assert calls == [IMAGES]  # the good label file is not downloaded again
    assert sorted(path.name for path in raw.iterdir()) == [IMAGES, LABELS]


def test_what_is_missing_is_downloaded_and_kept(mnist, tmp_path, mirror, capsys):
    raw = mnist / "MNIST" / "raw"
    calls = mirror({name: (raw / name).read_bytes() for name in (IMAGES, LABELS)})
    empty = tmp_path / "not" / "there yet"
    for _ in range(2):
        assert len(digits("test", data_dir=empty)) == 10_000
    assert calls == [IMAGES, LABELS]
    assert sorted(path.name for path in (empty / "MNIST" / "raw").iterdir()) == [IMAGES, LABELS]


def test_the_mirror_that_has_the_file(made_up, mnist, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # it is not needed for this, either
    files = {name: (mnist / "MNIST" / "raw" / name).read_bytes() for name in made_up}
    with serving() as server:
        server.files = {f"/portal/{name}": b"<html>Please log in</html>" for name in files}
        server.files |= {f"/good/{name}": content for name, content in files.items()}
        mirrors = ("http://127.0.0.1:9/", *(f"{server.address}/{at}/" for at in ("portal", "good")))
        monkeypatch.setattr(module, "MIRRORS", mirrors)
        data = digits("test", data_dir=tmp_path / "new")
    assert data.name == "MNIST, 10,000 test images"
    kept = {path.name: path.read_bytes() for path in (tmp_path / "new" / "MNIST" / "raw").iterdir()}
    assert kept == files


def test_a_broken_download_leaves_nothing_behind(mnist, tmp_path, mirror, capsys):
    good = (mnist / "MNIST" / "raw" / IMAGES).read_bytes()
    calls = mirror({IMAGES: good[: len(good) // 2]})
    data = digits("test", data_dir=tmp_path / "new")
    assert "scikit-learn" in data.name
    assert capsys.readouterr().out == (
        f"{FALLBACK}MNIST is not in data_dir and could not be downloaded: "
        f"no mirror sent a complete {IMAGES}).\n"
    )
    assert len(calls) >= 2  # every mirror has been tried
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == []
    assert list((tmp_path / "new" / "MNIST" / "raw").iterdir()) == []


def test_many_at_once_do_not_disturb_each_other(mnist, tmp_path, mirror):
    raw = mnist / "MNIST" / "raw"
    mirror({name: (raw / name).read_bytes() for name in (IMAGES, LABELS)})
    with ThreadPoolExecutor(4) as pool:
        sets = list(pool.map(lambda _: digits("test", 28, data_dir=tmp_path / "new"), range(4)))
    assert all(torch.equal(data.values, sets[0].values) for data in sets)
    assert sets[0].name == "MNIST, 10,000 test images"
    assert len(list((tmp_path / "new" / "MNIST" / "raw").iterdir())) == 2


def test_leftovers_of_killed_downloads_go_after_a_day(tmp_path, mirror):
    raw = tmp_path / "MNIST" / "raw"
    old, young = raw / ".download-old", raw / ".download-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / IMAGES).write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    mirror({IMAGES: b"nothing good"})
    digits("test", data_dir=tmp_path)
    assert [path.name for path in raw.iterdir()] == [".download-young"]


def test_a_download_by_another_kernel_counts(mnist, monkeypatch, capsys):
    raw = mnist / "MNIST" / "raw"
    (raw / IMAGES).rename(raw / "aside")

    def other_kernel_is_faster(file, folder):
        (raw / "aside").rename(raw / IMAGES)
        raise OSError("the file is in use")

    monkeypatch.setattr(module, "fetch", other_kernel_is_faster)
    assert len(digits("test", data_dir=mnist)) == 10_000


def test_a_folder_that_cannot_be_written_to(tmp_path, mirror, capsys):
    (tmp_path / "MNIST").write_text("a file where a folder should be")
    mirror({})
    assert len(digits("test", data_dir=tmp_path)) == 360
    assert "could not be downloaded: the folder cannot be written to: " in capsys.readouterr().out


def test_without_a_network_it_says_so_in_one_line_and_creates_nothing(tmp_path, capsys):
    data = digits("train", data_dir=tmp_path / "new")
    assert capsys.readouterr().out == (
        f"{FALLBACK}MNIST is not in data_dir and could not be downloaded: no mirror answers).\n"
    )
    assert len(data) == 1_437
    assert not (tmp_path / "new").exists()
