"""The photographs of pix2pix and CycleGAN: copies, real files, and what to do without them."""

import pytest
from PIL import Image

from gan_lessons.data import (
    Apple2OrangeUnavailable,
    FacadesUnavailable,
    apple2orange,
    facades,
)
from tests.helpers import FRUIT, four_folders
from tests.mutants import mutants, survivors

# --- facades -----------------------------------------------------------------------------------


@pytest.fixture
def a_copy(tmp_path):
    """A data folder with a few pictures in the layout of the facades."""
    for part, n in (("train", 3), ("test", 2)):
        (tmp_path / "facades" / part).mkdir(parents=True)
        for i in range(n):
            picture = Image.new("RGB", (80, 40), (200, 100, 0))
            picture.paste((0, 0, 20 * i), (40, 0, 80, 40))
            picture.save(tmp_path / "facades" / part / f"{i}.png")
    return tmp_path


def test_a_copy_is_read_and_called_one(a_copy, capsys):
    data = facades("train", 48, data_dir=a_copy)
    assert capsys.readouterr().out == "Facades: 3 training pairs at 48 x 48 (a copy).\n"
    assert data.name == "label maps to facades, 3 training photographs (a copy)"
    assert data.inputs.values[:, 2, 0, 0].tolist() == [0, 20, 40], "the map is the input"
    assert data.targets.values[0, :, 0, 0].tolist() == [200, 100, 0]
    assert len(facades("test", data_dir=a_copy, download=False)) == 2
    assert facades("test", 72, data_dir=a_copy).augmented(crop=64).shape == (3, 64, 64)


def test_real_facades(real_data):
    test = facades("test", data_dir=real_data, download=False)
    assert (len(test), test.shape) == (106, (3, 64, 64))
    assert test.name == "label maps to facades, 106 test photographs (a copy)"
    red_and_blue = test.inputs.floats()[:, [0, 2]].mean((0, 2, 3))
    assert red_and_blue[0] < red_and_blue[1] - 0.2, "walls are blue in the label maps"


def test_a_missing_part_is_named(a_copy):
    with pytest.raises(FacadesUnavailable, match=r"has no folder val \(its folders: test, train\)"):
        facades("val", data_dir=a_copy)


def test_without_a_folder_it_says_what_to_do(tmp_path):
    with pytest.raises(FacadesUnavailable, match=r"facades is not in data_dir: put it there, or"):
        facades(data_dir=tmp_path, download=False)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded \(.*unpack https://"):
        facades(data_dir=tmp_path / "new")
    assert list(tmp_path.rglob("*")) == [], "not even the folder"


def test_the_smoke_budget_reads_nothing(monkeypatch):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    with pytest.raises(FacadesUnavailable, match="smoke budget: no disk, no network"):
        facades()


@pytest.mark.parametrize(("split", "size"), [("valid", 64), ("train", 256), ("trainA", 64)])
def test_unknown_splits_and_sizes_are_refused(a_copy, split, size):
    with pytest.raises(ValueError, match="choose"):
        facades(split, size, data_dir=a_copy)


# --- apples and oranges ------------------------------------------------------------------------


@pytest.fixture
def four(tmp_path):
    return four_folders(tmp_path)


def test_a_copy_of_the_fruit_is_read_and_called_one(four, capsys):
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
        for name in FRUIT
    }
    assert len(files["trainA"] & files["testA"]) <= 1
    assert not files["trainB"] & files["testB"]


def test_without_the_four_folders_it_says_what_to_do(tmp_path, monkeypatch):
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
def test_unknown_splits_and_sizes_of_fruit_are_refused(tmp_path, split, size):
    with pytest.raises(ValueError, match="choose"):
        apple2orange(split, size, data_dir=tmp_path)


MUTANTS = mutants(
    "data.photographs",
    (
        "data, facades: photograph and label map exchanged",
        'input_side="right"',
        'input_side="left"',
        "test_a_copy_is_read_and_called_one",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
