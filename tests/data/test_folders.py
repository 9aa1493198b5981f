"""Folders in several layouts: classes, two squares in one picture, two domains in four folders."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lessons.data import TwoDomains, folder, side_by_side, two_folders
from tests.helpers import FRUIT, four_folders, same
from tests.mutants import mutants, survivors

# --- two squares in one picture ------------------------------------------------------------------


def two_squares(side=40, left=(255, 0, 0), right=(0, 0, 255)) -> Image.Image:
    picture = Image.new("RGB", (2 * side, side), left)
    picture.paste(right, (side, 0, 2 * side, side))
    return picture


@pytest.fixture
def drawings(tmp_path):
    """Three pictures of two squares, the left one brighter from one to the next."""
    for i, name in enumerate(["b.png", "a.png", "c.bmp"]):
        two_squares(left=(50 * i, 0, 0), right=(0, 0, 50 * i)).save(tmp_path / name)
    return tmp_path


def test_the_sides_are_told_apart(drawings):
    data = side_by_side(drawings, 32)
    assert (len(data), data.shape) == (3, (3, 32, 32))
    # a, b, c: sorted by path. Nothing of one square is seen in the other.
    assert data.inputs.values[:, :, 0, 0].tolist() == [[0, 0, 50], [0, 0, 0], [0, 0, 100]]
    assert data.targets.values[:, :, 0, -1].tolist() == [[50, 0, 0], [0, 0, 0], [100, 0, 0]]
    assert (data.inputs.values.amax((2, 3)) == data.inputs.values.amin((2, 3))).all()
    assert data.name == f"the right side to {drawings.name}, 3 of your own"
    other = side_by_side(drawings, 32, input_side="left")
    assert same(other.inputs.values, data.targets.values)
    assert same(other.targets.values, data.inputs.values)


def test_pictures_of_different_sizes_are_resized(drawings):
    two_squares(28).save(drawings / "small.png")
    two_squares(333).save(drawings / "large.jpg", quality=95)
    data = side_by_side(drawings, 48)
    assert data.inputs.values.shape == data.targets.values.shape == (5, 3, 48, 48)


def test_grey_and_a_limit(drawings):
    data = side_by_side(drawings, 28, channels=1, limit=2)
    assert data.inputs.values.shape == (2, 1, 28, 28)


def test_a_picture_is_turned_upright_before_it_is_cut(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: stored 40 wide and 80 high
    two_squares().rotate(90, expand=True).save(tmp_path / "a.png", exif=exif)
    data = side_by_side(tmp_path, 32)
    assert data.inputs.values[0, :, 0, 0].tolist() == [0, 0, 255]
    assert data.targets.values[0, :, 0, 0].tolist() == [255, 0, 0]


def test_broken_files_and_other_shapes_are_named_and_skipped(drawings, capsys):
    (drawings / "half.png").write_bytes((drawings / "a.png").read_bytes()[:60])
    (drawings / "page.jpg").write_text("<html>Not found</html>")
    Image.new("RGB", (40, 40)).save(drawings / "square.png")
    Image.new("RGB", (81, 40)).save(drawings / "almost.png")
    assert len(side_by_side(drawings, 32)) == 3
    assert capsys.readouterr().out == (
        "Skipped 2 pictures that cannot be read: half.png, page.jpg.\n"
        "Skipped 2 pictures that are not twice as wide as high: "
        "almost.png (81 x 40), square.png (40 x 40).\n"
    )


def test_one_picture_of_another_shape_is_one_picture(drawings, capsys):
    Image.new("RGB", (40, 40)).save(drawings / "square.png")
    side_by_side(drawings, 32)
    assert "Skipped 1 picture that is not twice as wide as high: square.png (40 x 40).\n" in (
        capsys.readouterr().out
    )


def test_a_folder_of_single_pictures_is_the_wrong_layout(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64)).save(tmp_path / name)
    with pytest.raises(
        ValueError,
        match=r"None of the 2 pictures .* is twice as wide as high: a\.png \(64 x 64\), b\.png .*"
        r"two squares in one picture.*two_folders",
    ):
        side_by_side(tmp_path)


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "bad.png").touch()
    with pytest.raises(ValueError, match=r"None of the 1 picture .* can be read: bad\.png"):
        side_by_side(tmp_path)
    Image.new("RGB", (64, 64)).save(tmp_path / "square.png")
    with pytest.raises(ValueError, match=r"None of the 2 .* twice as wide as high: square\.png"):
        side_by_side(tmp_path)


def test_training_and_test_pictures_are_not_mixed(drawings):
    for part in ("train", "test"):
        (drawings / part).mkdir()
        two_squares().save(drawings / part / "1.png")
    with pytest.raises(ValueError, match=r"holds a whole data set, in test, train: give one of"):
        side_by_side(drawings)
    assert len(side_by_side(drawings / "test")) == 1


def test_the_four_folders_of_an_unpaired_set_are_recognised(tmp_path):
    for part in ("trainA", "trainB"):
        (tmp_path / part).mkdir()
    with pytest.raises(ValueError, match=r"in trainA, trainB: two_folders\(path\) reads it"):
        side_by_side(tmp_path)


@pytest.mark.parametrize("load", [side_by_side, folder])
def test_wrong_paths_say_what_to_do(tmp_path, load, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"There is no folder 'no such place'.*full path"):
        load("no such place")
    (tmp_path / "pairs.tar.gz").touch()
    with pytest.raises(NotADirectoryError, match=r"is a file: .* unpack an archive first"):
        load(tmp_path / "pairs.tar.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"There is no picture in .*no visible file at all"):
        load(tmp_path / "empty")

    def closed(path):
        raise PermissionError(13, "Permission denied")

    # A test that runs as root could open any folder.
    monkeypatch.setattr("gan_lessons.data.pictures.os.scandir", closed)
    with pytest.raises(PermissionError, match=r"may not open the folder .*: give yourself"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_side": "top"}, 'input_side is \'top\': choose "left" or "right"'),
        ({"size": 256}, r"size is 256: choose .* from 28 to 64.* Up to 72 is possible"),
        ({"channels": 2}, "choose 3 for colour or 1 for grey"),
        ({"limit": 0}, "limit is 0: give a whole number"),
    ],
)
def test_wrong_options_of_pairs_are_refused(drawings, options, message):
    with pytest.raises(ValueError, match=message):
        side_by_side(drawings, **options)


def test_the_real_layout(real_data):
    data = side_by_side(real_data / "facades" / "val", 64, limit=10)
    assert data.shape == (3, 64, 64)
    blue = torch.tensor([0, 128, 255])[:, None, None]  # of the walls, in the label maps
    shares = [
        ((d.values.int() - blue).abs().amax(1) < 60).double().mean()
        for d in (data.inputs, data.targets)
    ]
    assert shares[0] > 0.3
    assert shares[1] < 0.03
    first = sorted((real_data / "facades" / "val").iterdir(), key=lambda file: file.name)[0]
    with Image.open(first) as picture:
        right = np.array(picture.crop((256, 0, 512, 256)).resize((64, 64), Image.BICUBIC))
    assert np.abs(right.transpose(2, 0, 1).astype(int) - data.inputs.values[0].numpy()).max() <= 1


# --- four folders ------------------------------------------------------------------------------


@pytest.fixture
def four(tmp_path):
    return four_folders(tmp_path)


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
        (list(FRUIT), r"\(its folders: none\)"),
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


MUTANTS = mutants(
    "data.folders",
    (
        "data, pairs: the folder above all splits, so that training sees the test pictures",
        "if len(parts) > 1:",
        "if False:",
        "test_training_and_test_pictures_are_not_mixed",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
