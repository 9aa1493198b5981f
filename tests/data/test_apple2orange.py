"""Apples and oranges, and the four-folder layout; any two folders do as well."""

import shutil

import pytest
from PIL import Image

from gan_lessons.data import (
    Apple2OrangeUnavailable,
    TwoDomains,
    apple2orange,
    folder,
    two_folders,
)

COLOURS = {"trainA": "red", "trainB": "orange", "testA": "darkred", "testB": "yellow"}


@pytest.fixture
def four(tmp_path):
    """Four folders with pictures of one colour each, of different sizes and numbers."""
    for k, (name, colour) in enumerate(COLOURS.items()):
        (tmp_path / "fruit" / name).mkdir(parents=True)
        for i in range(2 + k):
            picture = Image.new("RGB", (40 + 30 * i, 64), colour)
            picture.save(tmp_path / "fruit" / name / f"{i}.png")
    return tmp_path / "fruit"


def test_a_is_the_first_domain_and_b_the_second(four):
    data = two_folders(four)
    assert (len(data.first), len(data.second), data.shape) == (2, 3, (3, 64, 64))
    assert data.first.values[0, :, 0, 0].tolist() == [255, 0, 0]
    assert data.second.values[0, :, 0, 0].tolist() == [255, 165, 0]
    assert data.name.startswith("fruit, trainA, 2 pictures of your own / fruit, trainB, 3")
    test = two_folders(str(four), "test", 32)
    assert (len(test.first), len(test.second), test.shape) == (4, 5, (3, 32, 32))
    assert test.first.values[0, :, 0, 0].tolist() == [139, 0, 0]


def test_options_reach_both_folders(four):
    data = two_folders(four, size=28, channels=1, limit=1)
    assert (len(data.first), len(data.second), data.shape) == (1, 1, (1, 28, 28))


def test_any_two_folders_are_two_domains(four):
    data = TwoDomains(folder(four / "testB"), folder(four / "trainA"))
    x, y = data.augmented(crop=60).batch(9)
    assert x.shape == y.shape == (9, 3, 60, 60)
    with pytest.raises(ValueError, match=r"those of the second \(3, 32, 32\): load both with one"):
        TwoDomains(folder(four / "testB", 64), folder(four / "trainA", 32))


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (["trainB"], r"no folder trainB in .*folders: testA, testB, trainA\).*into trainA and the"),
        (["trainA", "trainB"], r"no folder trainA and no folder trainB in .*TwoDomains\(folder"),
        (list(COLOURS), r"\(its folders: none\)"),
    ],
)
def test_a_missing_folder_is_named(four, gone, message):
    for name in gone:
        shutil.rmtree(four / name)
    with pytest.raises(FileNotFoundError, match=message):
        two_folders(four)


def test_a_broken_file_is_named_and_skipped_an_empty_folder_is_an_error(four, capsys):
    (four / "trainA" / "0.png").write_bytes(b"\x89PNG")
    assert len(two_folders(four).first) == 1
    assert "Skipped 1 picture that cannot be read: 0.png.\n" in capsys.readouterr().out
    (four / "trainA" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"None of the 1 picture .*trainA' can be read"):
        two_folders(four)
    (four / "trainA" / "0.png").unlink()
    with pytest.raises(ValueError, match=r"There is no picture in .*trainA"):
        two_folders(four)


def test_wrong_paths_and_splits(four, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder 'nowhere'"):
        two_folders("nowhere")
    (tmp_path / "fruit.zip").touch()
    with pytest.raises(NotADirectoryError, match="unpack an archive first"):
        two_folders(tmp_path / "fruit.zip")
    with pytest.raises(ValueError, match='split is \'trainA\': choose "train" or "test"'):
        two_folders(four, "trainA")
    with pytest.raises(ValueError, match=r"Two folders of your own are TwoDomains\(folder"):
        two_folders(four / "trainA", four / "trainB")
    with pytest.raises(ValueError, match="size is 256: choose"):
        two_folders(four, size=256)


# --- the real ones -------------------------------------------------------------------------------


def test_a_copy_is_read_and_called_one(four, capsys):
    four.rename(four.parent / "apple2orange")
    data = apple2orange("test", 48, data_dir=four.parent)
    assert capsys.readouterr().out == "4 apples, 5 oranges, test, 48 x 48 (a copy).\n"
    assert data.name == (
        "apples, 4 test photographs (a copy) / oranges, 5 test photographs (a copy)"
    )


def test_real_apples_are_redder_than_oranges(real_data):
    data = apple2orange("test", data_dir=real_data, download=False)
    assert (len(data.first), len(data.second), data.shape) == (100, 100, (3, 64, 64))
    green = [half.floats()[:, 1].mean() for half in (data.first, data.second)]
    assert green[0] < green[1]


def test_training_and_test_pictures_are_different_ones(real_data):
    """But for one apple of the test folder, which ImageNet has twice."""
    files = {
        name: {file.read_bytes() for file in (real_data / "apple2orange" / name).iterdir()}
        for name in COLOURS
    }
    assert len(files["trainA"] & files["testA"]) <= 1
    assert not files["trainB"] & files["testB"]


def test_without_a_folder_it_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(Apple2OrangeUnavailable, match="apple2orange is not in data_dir: put it"):
        apple2orange(data_dir=tmp_path, download=False)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded \(.*unpack https://"):
        apple2orange(data_dir=tmp_path)
    (tmp_path / "apple2orange" / "trainA").mkdir(parents=True)
    with pytest.raises(Apple2OrangeUnavailable, match=r"no folder trainB \(its folders: trainA\)"):
        apple2orange(data_dir=tmp_path)
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    with pytest.raises(Apple2OrangeUnavailable, match="smoke budget"):
        apple2orange()


@pytest.mark.parametrize(("split", "size"), [("valid", 64), ("train", 256)])
def test_unknown_splits_and_sizes_are_refused(tmp_path, split, size):
    with pytest.raises(ValueError, match="choose"):
        apple2orange(split, size, data_dir=tmp_path)
