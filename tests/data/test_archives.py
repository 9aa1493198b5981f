"""Whole archives: complete and checked, or nothing is left of them."""

import hashlib
import io
import random
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gan_lessons.data.archives import (
    ORIGIN,
    Archive,
    fetch_archive,
    find_or_fetch,
    is_official,
)
from tests.data.serving import serving
from tests.mutants import mutants, survivors

RANDOM = random.Random(0)  # what cannot be compressed, like pictures
PICTURES = {f"{part}/{i}.jpg": RANDOM.randbytes(200) for part in ("a", "b") for i in range(3)}


class MissingError(FileNotFoundError):
    pass


def as_tar(files, prefix="set/", member=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
        if member is not None:
            packed.addfile(member)
    return out.getvalue()


def as_zip(files, prefix="set/"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr(prefix, b"")
        for name, content in files.items():
            packed.writestr(prefix + name, content)
    return out.getvalue()


@pytest.fixture
def server():
    """A web server; what it serves may be changed, by the last part of the address."""
    with serving() as running:
        yield running


@pytest.fixture(params=["set.tar.gz", "set.zip"])
def archive(request, server):
    """An archive on the server, with its checksum."""
    content = as_tar(PICTURES) if request.param.endswith("gz") else as_zip(PICTURES)
    server.files[request.param] = content
    return Archive(
        folder="set",
        url=f"{server.address}/somewhere/{request.param}",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        counts={"a": 3, "b": 3},
    )


def left_in(root):
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*"))


def test_a_good_archive_is_unpacked_and_says_where_it_is_from(archive, tmp_path, capsys):
    fetch_archive(archive, tmp_path / "new" / "cache")
    folder = tmp_path / "new" / "cache" / "set"
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jpg")} == (
        PICTURES
    )
    assert left_in(folder.parent) == sorted(["set", "set/a", "set/b", f"set/{ORIGIN}"] + [
        f"set/{name}" for name in PICTURES
    ])  # fmt: skip
    assert archive.sha256 in (folder / ORIGIN).read_text()
    assert is_official(archive, folder)
    assert not is_official(archive, folder / "a")
    assert not is_official(replace(archive, url="https://elsewhere.org/set.zip"), folder)
    assert capsys.readouterr().out == f"Downloading {archive.name}, 0 MB, from 127.0.0.1.\n"


def damage(content, kind):
    return {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "a web page": b"<html>Please log in to this hotel's network</html>",
        "longer": content + b"\x00",
        "one bit": content[:200] + bytes([content[200] ^ 1]) + content[201:],
    }[kind]


@pytest.mark.parametrize("kind", ["truncated", "empty", "a web page", "longer", "one bit"])
def test_a_damaged_archive_leaves_nothing_behind(archive, server, tmp_path, kind):
    server.files[archive.name] = damage(server.files[archive.name], kind)
    message = "wrong checksum" if kind == "one bit" else r"arrived with [\d,]+ bytes, not"
    with pytest.raises(OSError, match=message):
        fetch_archive(archive, tmp_path)
    assert left_in(tmp_path) == []


def test_a_connection_that_breaks_off_leaves_nothing_behind(archive, server, tmp_path):
    server.announced = archive.size
    server.files[archive.name] = server.files[archive.name][:300]
    with pytest.raises(OSError, match=r"arrived with 300 bytes, not|127\.0\.0\.1: IncompleteRead"):
        fetch_archive(archive, tmp_path)
    assert left_in(tmp_path) == []


def test_a_page_that_is_not_there_and_a_host_that_is_not_there(archive, server, tmp_path):
    server.files.clear()
    with pytest.raises(OSError, match=r"127\.0\.0\.1: Not Found"):
        fetch_archive(archive, tmp_path)
    with pytest.raises(OSError, match=r"127\.0\.0\.1: .*refused"):
        fetch_archive(replace(archive, url="http://127.0.0.1:9/set.zip"), tmp_path)
    assert left_in(tmp_path) == []


def serve(archive, server, content):
    """`archive` with another content, which is served, and without a published checksum."""
    server.files[archive.name] = content
    return replace(archive, size=len(content), sha256=None)


@pytest.mark.parametrize("place", [500, -6])
def test_damage_is_found_without_a_published_checksum(server, tmp_path, place):
    """By the checksums inside the archive: of gzip at its end, of zip for each file."""
    bad = bytearray(as_tar(PICTURES))
    bad[place] ^= 255
    archive = Archive("set", f"{server.address}/set.tar.gz", 0, None, {"a": 3})
    with pytest.raises(OSError, match=r"set\.tar\.gz is damaged"):
        fetch_archive(serve(archive, server, bytes(bad)), tmp_path)
    whole = as_zip(PICTURES)
    bad_zip = whole.replace(PICTURES["b/1.jpg"][:8], b"eight...")
    archive = replace(archive, url=archive.url.replace("tar.gz", "zip"))
    with pytest.raises(OSError, match=r"set\.zip is damaged: Bad CRC-32"):
        fetch_archive(serve(archive, server, bad_zip), tmp_path)
    with pytest.raises(OSError, match=r"set\.zip is damaged"):
        fetch_archive(serve(archive, server, b"no archive at all"), tmp_path)
    assert left_in(tmp_path) == []


def test_an_archive_with_other_pictures_is_refused(archive, server, tmp_path):
    fewer = dict(list(PICTURES.items())[:-1])
    for content in (as_tar(fewer), as_zip(fewer), as_zip(PICTURES, "other/"), as_zip({})):
        with pytest.raises(OSError, match=r"holds \{.*\} pictures, not \{'a': 3, 'b': 3\}"):
            fetch_archive(serve(archive, server, content), tmp_path)
    assert left_in(tmp_path) == []


def test_no_entry_of_an_archive_reaches_another_place(archive, server, tmp_path):
    evil = {
        "../../out.jpg": b"1", "a/../../out.jpg": b"2", "../set/a/../out.jpg": b"3",
        "c/9.jpg": b"4", "a/.hidden.jpg": b"5", "a/..\\out.jpg": b"6", "top.jpg": b"7",
        "a/deep/er.jpg": b"8",
    }  # fmt: skip
    link = tarfile.TarInfo("set/a/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
    root = tmp_path / "cache"
    for content in (as_zip(PICTURES | evil), as_tar(PICTURES | evil, member=link)):
        fetch_archive(serve(archive, server, content), root / str(len(content)))
        found = {p.name for p in tmp_path.rglob("*") if p.is_file()}
        assert found <= {"0.jpg", "1.jpg", "2.jpg", ORIGIN, f"{archive.name}.sha256"}
    absolute = as_tar(PICTURES | {"x.jpg": b""}, prefix="/set/")
    with pytest.raises(OSError, match=r"holds {} pictures"):
        fetch_archive(serve(archive, server, absolute), root)


def test_without_a_published_checksum_the_first_download_counts(archive, server, tmp_path):
    known = serve(archive, server, server.files[archive.name])
    fetch_archive(known, tmp_path)
    record = tmp_path / f"{archive.name}.sha256"
    assert record.read_text() == f"{archive.sha256}  {archive.name}\n", "as sha256sum writes it"
    (tmp_path / "set").rename(tmp_path / "aside")
    fetch_archive(known, tmp_path)
    changed = {name: content[::-1] for name, content in PICTURES.items()}
    other = as_tar(changed) if archive.name.endswith("gz") else as_zip(changed)
    (tmp_path / "set").rename(tmp_path / "aside 2")
    with pytest.raises(
        OSError, match=r"not what it was at the first download.*delete set\..*sha256"
    ):
        fetch_archive(serve(archive, server, other), tmp_path)
    assert not (tmp_path / "set").exists()
    record.unlink()
    fetch_archive(serve(archive, server, other), tmp_path)
    assert (tmp_path / "set" / "a" / "0.jpg").read_bytes() == changed["a/0.jpg"]


def test_a_failed_download_is_not_written_down_as_the_first(archive, server, tmp_path):
    with pytest.raises(OSError, match="holds"):
        fetch_archive(serve(archive, server, as_zip({})), tmp_path)
    assert left_in(tmp_path) == []


def test_many_at_once_make_one_download(archive, server, tmp_path):
    server.delay = 0.2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fetch_archive(archive, tmp_path), range(4)))
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    assert len(list((tmp_path / "set").rglob("*.jpg"))) == 6
    assert server.sent(archive.name) == 1


def test_a_folder_that_cannot_be_written_to(archive, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="the folder cannot be written to: "):
        fetch_archive(archive, tmp_path / "cache")


def test_a_data_set_is_found_or_fetched_once(archive, server, tmp_path, capsys):
    for _ in range(2):
        folder = find_or_fetch(archive, ["a", "b"], tmp_path, True, MissingError)
        assert folder == tmp_path / "set"
        server.files.clear()  # the second time, nothing is asked for
    assert capsys.readouterr().out.count("Downloading") == 1


def test_what_is_missing_is_said(archive, server, tmp_path, monkeypatch):
    def find(parts, **options):
        return find_or_fetch(archive, parts, options.get("data_dir", tmp_path), **{
            "download": False, "unavailable": MissingError,
        } | {k: v for k, v in options.items() if k != "data_dir"})  # fmt: skip

    with pytest.raises(MissingError, match="folder set is not in data_dir: put it there, or call"):
        find(["a"])
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    with pytest.raises(MissingError, match="folder set is not in the cache folder: put it there"):
        find(["a"], data_dir=None)
    server.files.clear()
    with pytest.raises(MissingError, match=r"could not be downloaded \(127.*unpack http://127"):
        find(["a"], download=True)
    (tmp_path / "set" / "a").mkdir(parents=True)
    assert find(["a"]) == tmp_path / "set"
    with pytest.raises(
        MissingError, match=r"no folder b \(its folders: a\), and .* has a, b: comp"
    ):
        find(["a", "b"], download=True)
    with pytest.raises(MissingError, match="data_dir holds a itself: give the folder above, in wh"):
        find(["a"], data_dir=tmp_path / "set", download=True)
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    with pytest.raises(MissingError, match="set is not used under the smoke budget"):
        find(["a"], data_dir=None)
    assert left_in(tmp_path) == ["set", "set/a"]


MUTANTS = mutants(
    "data.download",
    (
        "data, archives: the checksum is not compared",
        "if file.checksum is not None and not file.is_at(target):",
        "if False:",
        "test_a_damaged_archive_leaves_nothing_behind",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
