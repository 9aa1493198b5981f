"""What a folder holds: links, closed folders, foreign formats, and names that nobody can print."""

import io
import os
import sys

import pytest
from PIL import Image

from gan_lessons.data import folder, side_by_side, two_folders


def paint(path, colour=0, size=(40, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour,) * 3).save(path)


@pytest.fixture
def zoo(tmp_path):
    """One folder of a class, and another one elsewhere."""
    paint(tmp_path / "zoo" / "cats" / "a.png", 10)
    paint(tmp_path / "elsewhere" / "b.png", 20)
    return tmp_path / "zoo"


def test_linked_folders_and_files_are_followed(zoo, capsys):
    (zoo / "dogs").symlink_to(zoo.parent / "elsewhere")
    (zoo / "cats" / "c.png").symlink_to(zoo.parent / "elsewhere" / "b.png")
    data = folder(zoo)
    assert data.values[:, 0, 0, 0].tolist() == [10, 20, 20]
    assert (data.classes, data.labels.tolist()) == (("cats", "dogs"), [0, 0, 1])
    assert capsys.readouterr().out == ""


def test_links_that_lead_nowhere_or_back_are_named(zoo, capsys):
    (zoo / "cats" / "again").symlink_to(zoo)
    (zoo / "cats" / "gone.png").symlink_to(zoo / "no such file")
    assert folder(zoo).labels.tolist() == [0]
    assert capsys.readouterr().out == (
        "Left out 2 links that lead nowhere, or back to a folder above: "
        "cats/again, cats/gone.png.\n"
    )


@pytest.fixture
def closed(zoo, monkeypatch):
    """A folder of the zoo that may not be opened; a test that runs as root could open any."""
    (zoo / "dogs").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("dogs"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("gan_lessons.data.listing.os.scandir", refuse)
    return zoo


def test_closed_folders_are_named(closed, capsys):
    assert folder(closed).classes == ("cats",)
    assert capsys.readouterr().out == "Left out 1 folder you may not open: dogs.\n"
    (closed / "cats" / "a.png").unlink()
    with pytest.raises(ValueError, match=r"Left out: 1 folder you may not open: dogs\.$"):
        folder(closed)


def test_pictures_of_foreign_formats_are_named(zoo, capsys):
    for name in ("dogs/1.HEIC", "cats/2.heic", "cats/notes.txt"):
        (zoo / name).parent.mkdir(exist_ok=True)
        (zoo / name).touch()
    assert len(folder(zoo)) == 1
    out = capsys.readouterr().out
    assert out.startswith("Left out 2 pictures in another format than .avif, .bmp,")
    assert out.endswith(": cats/2.heic, dogs/1.HEIC.\n")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_any_name_can_be_printed(tmp_path, monkeypatch, encoding):
    root = tmp_path / os.fsdecode(b"k\xff")
    for name in ("ü.png", "….png", os.fsdecode(b"\xfe.png")):
        paint(root / "trainA" / name)
        paint(root / "trainB" / name, size=(80, 40))
        (root / "trainA" / name).with_suffix(".jpg").touch()
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding, write_through=True))
    data = folder(root / "trainA")
    print(repr(data.name.encode(encoding)))  # a name that takes no escapes of its own
    assert two_folders(root).name.startswith("k\\udcff, trainA")
    assert side_by_side(root / "trainB").name.endswith("to trainB, 3 of your own")
    with pytest.raises(ValueError, match="is twice as wide as high") as caught:
        side_by_side(root / "trainA")
    str(caught.value).encode("utf-8")
    text = out.getvalue().decode(encoding)
    assert "\\udcfe.jpg" in text
    assert ("ü.jpg" in text) == (encoding != "ascii")
    assert ("….jpg" in text) == (encoding == "utf-8")


def test_classes_can_be_printed(tmp_path):
    paint(tmp_path / os.fsdecode(b"\xff") / "a.png")
    paint(tmp_path / "cats" / "a.png")
    assert folder(tmp_path).classes == ("cats", "\\udcff")


@pytest.mark.parametrize("path", [None, 3, b"pictures", ["pictures"]])
def test_a_path_is_a_path(path):
    for load in (folder, two_folders, side_by_side):
        with pytest.raises(TypeError, match="path must be a path, as a string or a Path, not "):
            load(path)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "~nobody-of-this-name/pictures"])
def test_paths_that_cannot_be(path):
    with pytest.raises(ValueError, match=r"zero byte|cannot be opened|begins with a user"):
        folder(path)
