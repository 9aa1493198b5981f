"""The reader's own pictures: every mode and size, broken files, labels."""

import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lessons.data import folder, from_torchvision, pictures


def paint(mode="RGB", size=(40, 40), colour=None) -> Image.Image:
    return Image.new(mode, size, colour if colour is not None else 0)


def one(tmp_path, picture, suffix="png", size=32, channels=3, **options) -> torch.Tensor:
    """What `folder` makes of a single picture."""
    picture.save(tmp_path / f"picture.{suffix}", **options)
    return folder(tmp_path, size, channels=channels).values[0]


def colour_of(values: torch.Tensor) -> list[int]:
    """The colour of a picture that has only one."""
    assert (values.amin((1, 2)) == values.amax((1, 2))).all()
    return values[:, 0, 0].tolist()


@pytest.mark.parametrize("shape", [(64, 64), (5, 3), (1, 1), (200, 30), (31, 500)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_becomes_a_square(tmp_path, shape, channels):
    size = 48
    values = one(tmp_path, paint(size=shape, colour=(90, 90, 90)), size=size, channels=channels)
    assert values.shape == (channels, size, size)
    assert values.dtype == torch.uint8
    assert values.is_contiguous()
    assert colour_of(values) == [90] * channels


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("1", 1, "png", [255, 255, 255]),
        ("L", 77, "png", [77, 77, 77]),
        ("LA", (0, 255), "png", [0, 0, 0]),
        ("LA", (0, 0), "png", [255, 255, 255]),
        ("RGB", (10, 20, 30), "bmp", [10, 20, 30]),
        ("RGBA", (255, 0, 0, 255), "png", [255, 0, 0]),
        ("RGBA", (255, 0, 0, 0), "webp", [255, 255, 255]),
        ("RGBA", (0, 0, 0, 51), "png", [204, 204, 204]),
        ("CMYK", (0, 255, 255, 0), "tiff", [255, 0, 0]),
        ("HSV", (0, 0, 200), None, [200, 200, 200]),
        ("I;16", 65535, "png", [255, 255, 255]),
        ("I;16", 257 * 100, "png", [100, 100, 100]),
        ("I;16", 200, "tiff", [1, 1, 1]),
        ("I", 128, "tiff", [128, 128, 128]),
        ("F", 0.5, "tiff", [128, 128, 128]),
        ("F", 200.0, "tiff", [200, 200, 200]),
    ],
)
def test_any_mode_becomes_eight_bit_colour(tmp_path, mode, colour, suffix, expected):
    picture = paint(mode, colour=colour)
    if suffix is None:  # a mode that no file holds, but a data set may yield
        values = from_torchvision([(picture, 0)], channels=3).values[0]
    else:
        values = one(tmp_path, picture, suffix)
    assert colour_of(values) == expected


def test_a_palette_is_looked_up_before_resizing(tmp_path):
    picture = paint("P", (2, 200), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.paste(2, (1, 0, 2, 200))
    values = one(tmp_path, picture, "gif")
    # Between red and blue lies purple; a mean of the indices 0 and 2 would be green.
    assert values[1].max() == 0
    assert values[0, :, 0].min() > 200
    assert values[2, :, -1].min() > 200


def test_a_transparent_palette_lies_on_white(tmp_path):
    picture = paint("P", colour=1)
    picture.putpalette([9, 9, 9, 50, 60, 70])
    assert colour_of(one(tmp_path, picture, "png", transparency=1)) == [255, 255, 255]


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [paint("L", colour=value) for value in (0, 255)]
    values = one(tmp_path, frames[0], "gif", save_all=True, append_images=frames[1:])
    assert colour_of(values) == [0, 0, 0]


def test_the_square_is_cut_from_the_middle(tmp_path):
    picture = paint("L", (120, 40), 0)
    picture.paste(200, (40, 0, 80, 40))
    # A bicubic filter looks a pixel beyond the cut.
    assert (one(tmp_path, picture, channels=1).int() - 200).abs().max() < 10


def test_shrinking_does_not_alias(tmp_path):
    stripes = np.zeros((640, 640), np.uint8)
    stripes[:, ::2] = 255
    values = one(tmp_path, Image.fromarray(stripes), channels=1)
    assert (values.int() - 127).abs().max() < 12


def test_photos_are_turned_upright(tmp_path):
    picture = paint("L", (40, 40), 0)
    picture.paste(255, (0, 0, 40, 20))  # the upper half is white, the camera was turned
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: the upper half goes to the right
    values = one(tmp_path, picture, "jpg", channels=1, exif=exif, quality=95)[0]
    assert values[:, 20:].min() > 200
    assert values[:, :12].max() < 50


def test_large_jpegs_keep_their_looks(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 1600, dtype=np.uint8), (1280, 1))
    values = one(tmp_path, Image.fromarray(ramp), "jpg", channels=1)[0].double().mean(0)
    expected = torch.linspace(0, 255, 1600).double()[160:1440].view(32, -1).mean(1)
    # The filter has less to average over at the two edges.
    torch.testing.assert_close(values[1:-1], expected[1:-1], atol=2, rtol=0)


@pytest.fixture
def zoo(tmp_path):
    """Two folders with two pictures each."""
    for i, name in enumerate(["cats/b.png", "cats/a.PNG", "dogs/d.jpg", "dogs/c.webp"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        paint("L", colour=60 * i).save(tmp_path / name)
    return tmp_path


def test_subfolders_are_classes_in_alphabetical_order(zoo):
    data = folder(zoo, 32, channels=1)
    assert data.classes == ("cats", "dogs")
    assert data.labels.tolist() == [0, 0, 1, 1]
    # a, b, c, d: sorted by path, not by the order of their creation.
    assert [round(v, -1) for v in data.floats().add(1).mul(127.5).mean((1, 2, 3)).tolist()] == [
        60, 0, 180, 120
    ]  # fmt: skip
    assert data.name == f"{zoo.name}, 4 pictures of your own"


def test_torchvision_gives_the_same_labels(zoo):
    from torchvision.datasets import ImageFolder

    theirs, ours = ImageFolder(zoo), folder(zoo)
    assert list(ours.classes) == theirs.classes
    assert sorted(ours.labels.tolist()) == sorted(theirs.targets)


@pytest.mark.parametrize("stray", ["top.png", "cats/deeper/x.png"])
def test_a_picture_elsewhere_means_no_labels(zoo, stray):
    (zoo / stray).parent.mkdir(exist_ok=True)
    paint().save(zoo / stray)
    data = folder(zoo)
    assert (len(data), data.labels, data.classes) == (5, None, ())


def test_hidden_files_and_other_files_are_ignored(zoo, capsys):
    for name in (".hidden.png", "cats/._a.png", ".cache/x.png", "__MACOSX/cats/a.png", "notes.txt"):
        (zoo / name).parent.mkdir(parents=True, exist_ok=True)
        (zoo / name).write_bytes(b"no picture")
    (zoo / "a folder.png").mkdir()
    data = folder(zoo)
    assert len(data) == 4
    assert data.classes == ("cats", "dogs")
    assert capsys.readouterr().out == ""


def test_broken_files_are_named_once_and_skipped(zoo, capsys):
    whole = (zoo / "dogs" / "d.jpg").read_bytes()
    (zoo / "dogs" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (zoo / "cats" / "empty.png").touch()
    (zoo / "cats" / "page.jpg").write_text("<html>Not found</html>")
    (zoo / "all-broken").mkdir()
    (zoo / "all-broken" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    data = folder(zoo)
    assert capsys.readouterr().out == (
        "Skipped 4 pictures that cannot be read: "
        "all-broken/x.png, cats/empty.png, cats/page.jpg, dogs/half.jpg.\n"
    )
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert data.classes == ("cats", "dogs")


def test_a_long_list_of_broken_files_is_cut(tmp_path, capsys):
    paint().save(tmp_path / "good.png")
    for i in range(8):
        (tmp_path / f"{i}.png").touch()
    assert len(folder(tmp_path)) == 1
    assert "8 pictures that cannot be read: 0.png, 1.png, 2.png, 3.png, 4.png and 3 more.\n" in (
        capsys.readouterr().out
    )


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "bad.png").touch()
    with pytest.raises(ValueError, match=r"None of the 1 picture .* can be read: bad\.png\. Open"):
        folder(tmp_path)


def test_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder 'no such place'.*full path"):
        folder("no such place")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "cats.zip").touch()
    with pytest.raises(NotADirectoryError, match=r"is a file: .* unpack an archive first"):
        folder(tmp_path / "cats.zip")


def test_a_folder_without_pictures_says_what_is_there(tmp_path):
    with pytest.raises(ValueError, match="no visible file at all"):
        folder(tmp_path)
    for name in ("1.HEIC", "2.heic", "README"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"found: 2 x \.heic, 1 x no ending\).*PNG or JPEG"):
        folder(tmp_path)


@pytest.mark.parametrize("size", [27, 73, 256, 32.5, 32.0, True, "32", None])
def test_sizes_beyond_the_range_are_refused(zoo, size):
    for load in (lambda: folder(zoo, size), lambda: from_torchvision([], size)):
        with pytest.raises(ValueError, match="choose a whole number of pixels from 28 to 64"):
            load()


def test_pictures_may_be_a_little_larger_to_be_cropped(zoo):
    assert folder(zoo, 72).shape == (3, 72, 72)


@pytest.mark.parametrize("channels", [0, 2, 4, "RGB", True, 3.0])
def test_other_channels_are_refused(zoo, channels):
    for load in (folder, from_torchvision):
        with pytest.raises(ValueError, match="choose 3 for colour or 1 for grey"):
            load(zoo, channels=channels)


def test_a_limit_takes_evenly_from_the_whole(zoo):
    assert folder(zoo, limit=2).labels.tolist() == [0, 1]
    assert len(folder(zoo, limit=100)) == 4
    assert len(folder(zoo, np.int64(32), limit=np.int64(2))) == 2
    for limit in (0, -1, 2.5, 2.0, True, "2"):
        for load in (folder, from_torchvision):
            with pytest.raises(ValueError, match=r"limit is .*: give a whole number, 1 or more"):
                load(zoo, limit=limit)


def test_the_same_folder_gives_the_same_data(zoo):
    assert torch.equal(folder(zoo).values, folder(str(zoo)).values)


def test_pictures_stand_in_one_tensor_of_their_own_size(tmp_path):
    for i in range(40):
        paint("L", colour=i).save(tmp_path / f"{i:02}.png")
        (tmp_path / f"{i:02}.bad.png").touch()
    data = folder(tmp_path, 28, channels=1)
    assert data.values[:, 0, 0, 0].tolist() == list(range(40))
    assert data.values.untyped_storage().nbytes() == 40 * 28 * 28


def test_an_interruption_stops_at_once_and_leaves_no_thread(tmp_path, monkeypatch):
    for i in range(40 * pictures.PART):
        (tmp_path / f"{i}.png").touch()
    begun, opened = threading.active_count(), []

    def slow(path):
        opened.append(path)
        time.sleep(0.002)
        return paint()

    def interrupted(rows, picture):
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures.Image, "open", slow)
    monkeypatch.setattr(pictures.Rows, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        folder(tmp_path)
    assert len(opened) <= 8 * pictures.PART
    assert threading.active_count() == begun


def test_a_bar_appears_after_a_second(zoo, monkeypatch, capsys):
    folder(zoo)
    assert capsys.readouterr() == ("", "")
    bar = pictures.tqdm

    def waited(delay, **options):
        assert delay == 1
        return bar(mininterval=0, **options)

    monkeypatch.setattr(pictures, "tqdm", waited)
    folder(zoo)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "4/4" in captured.err


# Real files


def test_apples_and_oranges(real_data):
    apples = folder(real_data / "apple2orange" / "testA")
    oranges = folder(real_data / "apple2orange" / "testB")
    assert apples.values.shape == oranges.values.shape == (100, 3, 64, 64)
    assert apples.labels is None
    first = sorted((real_data / "apple2orange" / "testA").iterdir())[0]
    original = torch.from_numpy(np.array(Image.open(first))).permute(2, 0, 1)
    assert torch.equal(apples.values[0], original)  # already 64 x 64: not a pixel changes


def test_facades_shrink_from_their_middle(real_data):
    data = folder(real_data / "facades" / "val", 32, limit=20)
    assert data.values.shape == (20, 3, 32, 32)
    assert data.values.float().std() > 20


def test_the_four_folders_of_apple2orange_become_classes(real_data):
    data = folder(real_data / "apple2orange", 28, limit=40)
    assert data.classes == ("testA", "testB", "trainA", "trainB")
    assert len(data) == 40
