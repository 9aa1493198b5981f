"""Pairs: the same row, the same coin; folders of two squares in one picture, good and bad."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lessons.data import Pairs, TensorData, TwoDomains, folder, ring, side_by_side
from tests.helpers import images, pairs, same


def colours(n=100, side=4):
    """Pairs of which both images say which they are: i as input, 255 - i as target."""
    values = torch.arange(n, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, side, side).clone()
    return Pairs(TensorData(values, None, "up"), TensorData(255 - values, None, "down"))


def test_pairs_describe_themselves():
    data = pairs()
    assert (len(data), data.shape, data.is_images) == (40, (1, 32, 32), True)
    assert data.device == torch.device("cpu")
    assert data.name == "random images to their negatives"
    assert repr(data).startswith("Pairs('random images to their negatives', shape=(1, 32, 32)")
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.flip = True


def test_a_row_of_a_batch_is_a_pair():
    x, y = colours().batch(500)
    assert x.shape == y.shape == (500, 3, 4, 4)
    assert torch.allclose(x, -y)
    assert len(x[:, 0, 0, 0].unique()) > 80, "drawn from all of them"


@pytest.mark.parametrize(("flip", "crop"), [(True, None), (False, 24), (True, 24)])
def test_input_and_target_share_coin_and_place(flip, crop):
    data = pairs().augmented(flip=flip, crop=crop)
    x, y = data.batch(64)
    assert x.shape[1:] == data.shape == ((1, 24, 24) if crop else (1, 32, 32))
    assert torch.allclose(x, -y, atol=1e-6)
    plain = pairs()
    assert not same(x, plain.batch(64, torch.Generator().manual_seed(0)).x[..., : x.shape[-1]])


def test_flips_and_crops_really_happen():
    one = pairs(1)
    whole, mirrored = one.inputs.floats(), one.inputs.floats().flip(-1)
    x = one.augmented().batch(400).x
    kinds = [(x == kind).flatten(1).all(1) for kind in (whole, mirrored)]
    assert (kinds[0] | kinds[1]).all()
    assert 150 < kinds[1].sum() < 250
    assert len(one.augmented(flip=False, crop=31).batch(400).x.flatten(1).unique(dim=0)) == 4


def test_nothing_is_flipped_unless_asked_for():
    x = pairs(1).batch(50).x
    assert same(x, pairs(1).inputs.floats().expand(50, -1, -1, -1))
    assert not pairs().flip


def test_a_generator_makes_batches_repeatable():
    data = pairs().augmented(crop=30)
    a, b = (data.batch(9, torch.Generator().manual_seed(4)) for _ in range(2))
    assert same(a.x, b.x)
    assert same(a.y, b.y)


def test_a_subset_keeps_pairs_together_and_its_settings():
    part = colours().augmented(crop=3).subset([3, 50])
    assert len(part) == 2
    assert part.shape == (3, 3, 3)
    assert part.inputs.values[:, 0, 0, 0].tolist() == [3, 50]
    assert part.targets.values[:, 0, 0, 0].tolist() == [252, 205]
    assert part.name == "2 of: up to 2 of: down"


def test_moving_moves_both_and_keeps_the_settings():
    moved = colours().augmented(crop=2).to("meta")
    assert moved.inputs.device.type == moved.targets.device.type == moved.device.type == "meta"
    assert (moved.flip, moved.crop) == (True, 2)


def test_what_is_no_pair_is_refused():
    with pytest.raises(TypeError, match="targets must be a TensorData, not Tensor: side_by_side"):
        Pairs(images(), images().values)
    with pytest.raises(ValueError, match=r"40 inputs and 39 targets: give one target for each"):
        Pairs(images(), images(39))
    with pytest.raises(ValueError, match=r"shape \(1, 32, 32\), targets \(3, 32, 32\): load both"):
        Pairs(images(), images(40, (3, 32, 32)))
    with pytest.raises(ValueError, match="inputs are on cpu, the targets on meta"):
        Pairs(colours().inputs, colours().targets.to("meta"))
    with pytest.raises(ValueError, match=r"crop is 33, and the images are 32 x 32"):
        Pairs(images(), images(), crop=33)
    with pytest.raises(ValueError, match="flip and crop are for images"):
        Pairs(ring(n=10), ring(n=10), flip=True)


def test_points_may_be_pairs():
    assert Pairs(ring(n=10), ring(n=10)).batch(3).y.shape == (3, 2)


# --- nothing of it reaches what learns without pairs ---------------------------------------------


@pytest.mark.parametrize("which", ["first", "second"])
def test_pairs_are_no_domain(which):
    both = {"first": images(), "second": images()} | {which: pairs()}
    with pytest.raises(TypeError, match=f"{which} is a Pairs, whose rows belong together"):
        TwoDomains(**both)


def test_pairs_alone_are_no_two_domains():
    with pytest.raises(TypeError, match="first is a Pairs, whose rows belong together"):
        TwoDomains(pairs())
    with pytest.raises(TypeError, match="second must be a TensorData, not NoneType"):
        TwoDomains(images())


def test_the_way_out_that_the_error_names_works_and_shares_no_row():
    data, k = colours(), 50
    two = TwoDomains(data.subset(slice(0, k)).inputs, data.subset(slice(k, None)).targets)
    first = {v.item() for v in two.first.values[:, 0, 0, 0]}
    second = {255 - v.item() for v in two.second.values[:, 0, 0, 0]}
    assert not first & second
    assert first | second == set(range(100))


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
def test_wrong_options_are_refused(drawings, options, message):
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
