"""Digits: the real files, every way in which they can be wrong, and the built-in stand-in."""

import gzip
import hashlib
import shutil
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_lessons.data import cache_dir, digits

# `import gan_lessons.data.digits as module` would give the function of that name.
module = sys.modules["gan_lessons.data.digits"]

IMAGES = "t10k-images-idx3-ubyte.gz"
LABELS = "t10k-labels-idx1-ubyte.gz"
FALLBACK = "Using the 1,797 8x8 digits of scikit-learn ("


@pytest.fixture
def real_mnist(real_data, tmp_path) -> Path:
    """A data folder of our own with the two packed files of the real test set."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in (IMAGES, LABELS):
        shutil.copy(real_data / "MNIST" / "raw" / name, raw / name)
    return tmp_path


@pytest.fixture(scope="session")
def made_up() -> dict[str, bytes]:
    """A test set in MNIST's format, so that the files are tested where the real ones are not."""
    pixels = np.zeros((10_000, 28, 28), np.uint8)
    pixels[:, 10:18, 12:16] = np.random.default_rng(0).integers(256, size=(10_000, 8, 4))
    images = bytes.fromhex("00000803 00002710 0000001c 0000001c") + pixels.tobytes()
    labels = bytes.fromhex("00000801 00002710") + bytes(i % 10 for i in range(10_000))
    return {IMAGES: gzip.compress(images, 1, mtime=0), LABELS: gzip.compress(labels, 1, mtime=0)}


@pytest.fixture(params=["real", "made up"])
def mnist(request, tmp_path, monkeypatch) -> Path:
    """A data folder with packed test files, the real ones or made-up ones with their checksums."""
    if request.param == "real":
        return request.getfixturevalue("real_mnist")
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in request.getfixturevalue("made_up").items():
        (raw / name).write_bytes(content)
        for key, data in ((name, content), (name.removesuffix(".gz"), gzip.decompress(content))):
            monkeypatch.setitem(module.MD5, key, hashlib.md5(data).hexdigest())
    return tmp_path


@pytest.fixture
def mirror(monkeypatch):
    """A mirror that serves the given files in place of torchvision's download."""
    calls = []

    def serve(files: dict[str, bytes]):
        from torchvision.datasets import utils

        def download(url, root, filename, md5):
            calls.append(filename)
            Path(root, filename).write_bytes(files[filename])
            if not utils.check_integrity(Path(root, filename), md5):
                raise RuntimeError("File not found or corrupted.")

        monkeypatch.setattr(utils, "download_url", download)
        monkeypatch.setattr(module, "_reachable_first", lambda mirrors: mirrors)
        return calls

    return serve


def test_real_mnist(real_mnist, capsys):
    data = digits("test", data_dir=real_mnist)
    assert capsys.readouterr().out == "Digits: MNIST, 10,000 test images at 32 x 32.\n"
    assert data.name == "MNIST, 10,000 test images"
    assert data.values.shape == (10_000, 1, 32, 32)
    assert data.classes == tuple("0123456789")
    # Published counts of the test set, digit by digit, and its first labels.
    assert data.labels.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip
    assert data.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_the_training_set(real_data, capsys):
    data = digits("train", 28, data_dir=real_data, download=False)
    assert data.values.shape == (60_000, 1, 28, 28)
    # The mean and standard deviation that everybody normalises MNIST with.
    scaled = data.values.double() / 255
    assert abs(scaled.mean().item() - 0.1307) < 5e-5
    assert abs(scaled.std().item() - 0.3081) < 5e-5
    assert data.name == "MNIST, 60,000 training images"


def test_up_to_32_the_pixels_are_kept_inside_a_black_border(mnist):
    original = digits("test", 28, data_dir=mnist)
    padded = digits("test", 32, data_dir=mnist)
    assert torch.equal(padded.values[:, :, 2:-2, 2:-2], original.values)
    assert padded.floats(slice(100))[:, :, [0, 1, -2, -1]].unique().tolist() == [-1]
    odd = digits("test", 29, data_dir=mnist)
    assert torch.equal(odd.values[:, :, :28, :28], original.values)


def test_larger_sizes_are_enlarged(mnist):
    padded = digits("test", 32, data_dir=mnist).floats(slice(500))
    large = digits("test", 64, data_dir=mnist).floats(slice(500))
    assert large.shape == (500, 1, 64, 64)
    back = torch.nn.functional.avg_pool2d(large, 2)
    assert (back - padded).abs().mean() < 0.05


def test_torchvision_reads_the_same(real_mnist):
    from torchvision.datasets import MNIST

    theirs = MNIST(unpack(real_mnist), train=False, download=True)
    ours = digits("test", 28, data_dir=real_mnist)
    assert torch.equal(ours.values[:, 0], theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def unpack(folder: Path) -> Path:
    """Unpack beside the packed files; torchvision wants to see training files as well."""
    for name in module.FILES["train"]:
        (folder / "MNIST" / "raw" / name).touch()
    for name in module.FILES["test"]:
        packed = folder / "MNIST" / "raw" / f"{name}.gz"
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    return folder


def test_checksums_are_those_of_torchvision():
    from torchvision.datasets import MNIST

    assert dict(MNIST.resources).items() <= module.MD5.items()


def test_reading_writes_nothing_and_needs_no_torchvision(mnist, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    before = sorted(path.name for path in mnist.rglob("*"))
    assert len(digits("test", data_dir=mnist)) == 10_000
    assert sorted(path.name for path in mnist.rglob("*")) == before


def test_unpacked_files_alone_are_enough(mnist, capsys):
    unpack(mnist)
    for packed in (mnist / "MNIST" / "raw").glob("*.gz"):
        packed.unlink()
    assert len(digits("test", data_dir=mnist, download=False)) == 10_000
    assert capsys.readouterr().out.startswith("Digits: MNIST")


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "truncated": truncate,
    "empty": lambda content: b"",
    "wrong magic": lambda content: b"\x00\x00\x08\x02" + content[4:],
    "one bit": flip_a_bit,
    "a web page": lambda content: b"<html>Please log in to this hotel's network</html>",
    "longer": lambda content: content + b"\x00",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
def test_a_damaged_file_is_named_and_never_used(mnist, capsys, damage, packed):
    unpack(mnist)
    bad = mnist / "MNIST" / "raw" / (IMAGES if packed else IMAGES.removesuffix(".gz"))
    other = mnist / "MNIST" / "raw" / (IMAGES.removesuffix(".gz") if packed else IMAGES)
    other.unlink()
    bad.write_bytes(damage(bad.read_bytes()))
    data = digits("test", data_dir=mnist, download=False)
    assert capsys.readouterr().out == f"{FALLBACK}{bad.name} in data_dir is damaged).\n"
    assert data.name.startswith("scikit-learn digits, 360 test images")


@pytest.mark.parametrize("bad", [IMAGES, IMAGES.removesuffix(".gz")])
def test_a_good_copy_beside_a_damaged_one_is_used(mnist, capsys, bad):
    unpack(mnist)
    good = digits("test", data_dir=mnist)
    path = mnist / "MNIST" / "raw" / bad
    path.write_bytes(truncate(path.read_bytes()))
    assert torch.equal(digits("test", data_dir=mnist, download=False).values, good.values)
    assert capsys.readouterr().out.count("Digits: MNIST, 10,000") == 2


def test_a_damaged_file_is_replaced_by_download(mnist, mirror, capsys):
    raw = mnist / "MNIST" / "raw"
    good = (raw / IMAGES).read_bytes()
    (raw / IMAGES).write_bytes(truncate(good))
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


def test_torchvision_downloads_from_the_mirror_that_has_the_file(
    made_up, mnist, tmp_path, monkeypatch
):
    from torchvision.datasets import MNIST

    files = {name: (mnist / "MNIST" / "raw" / name).read_bytes() for name in made_up}

    class Server(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            place, name = self.path.strip("/").split("/")
            content = files[name] if place == "good" else b"<html>Please log in</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *args):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        dead = "http://127.0.0.1:9/"
        monkeypatch.setattr(MNIST, "mirrors", [dead, f"{address}/portal/", f"{address}/good/"])
        data = digits("test", data_dir=tmp_path / "new")
        server.shutdown()
    assert data.name == "MNIST, 10,000 test images"
    kept = {path.name: path.read_bytes() for path in (tmp_path / "new" / "MNIST" / "raw").iterdir()}
    assert kept == files


def test_a_broken_download_leaves_nothing_behind(mnist, tmp_path, mirror, capsys):
    good = (mnist / "MNIST" / "raw" / IMAGES).read_bytes()
    calls = mirror({IMAGES: truncate(good)})
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
    module.os.utime(old, (two_days_ago, two_days_ago))
    mirror({IMAGES: b"nothing good"})
    digits("test", data_dir=tmp_path)
    assert [path.name for path in raw.iterdir()] == [".download-young"]


def test_a_download_by_another_kernel_counts(mnist, monkeypatch, capsys):
    raw = mnist / "MNIST" / "raw"
    (raw / IMAGES).rename(raw / "aside")

    def other_kernel_is_faster(folder, names):
        (raw / "aside").rename(raw / IMAGES)
        raise OSError("the file is in use")

    monkeypatch.setattr(module, "_download", other_kernel_is_faster)
    assert len(digits("test", data_dir=mnist)) == 10_000


def test_a_folder_that_cannot_be_written_to(tmp_path, mirror, capsys):
    (tmp_path / "MNIST").write_text("a file where a folder should be")
    mirror({})
    assert len(digits("test", data_dir=tmp_path)) == 360
    assert "could not be downloaded: the folder cannot be written to (" in capsys.readouterr().out


def test_without_a_network_it_says_so_in_one_line_and_creates_nothing(tmp_path, capsys):
    data = digits("train", data_dir=tmp_path / "new")
    assert capsys.readouterr().out == (
        f"{FALLBACK}MNIST is not in data_dir and could not be downloaded: no mirror answers).\n"
    )
    assert len(data) == 1_437
    assert not (tmp_path / "new").exists()


def test_a_network_that_never_answers_is_given_up_soon(tmp_path, monkeypatch, capsys):
    def hang(*args, **kwargs):
        time.sleep(3)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(module.urllib.request, "urlopen", hang)
    monkeypatch.setattr(module, "MIRROR_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(OSError, match="no mirror answers"):
        module._reachable_first(["https://one.invalid/", "https://two.invalid/"])
    assert time.monotonic() - start < 2


def test_the_mirror_that_answers_comes_first(monkeypatch):
    class Answer:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

    def open_only_the_second(request, timeout):
        if "two" not in request.full_url:
            raise OSError("no route to host")
        return Answer()

    monkeypatch.setattr(module.urllib.request, "urlopen", open_only_the_second)
    mirrors = ["https://one.invalid/", "https://two.invalid/", "https://three.invalid/"]
    assert module._reachable_first(mirrors) == [mirrors[1], mirrors[0], mirrors[2]]


def test_the_default_timeout_of_sockets_is_restored(tmp_path, mirror):
    mirror({IMAGES: b""})
    socket.setdefaulttimeout(123.0)
    try:
        digits("test", data_dir=tmp_path)
        assert socket.getdefaulttimeout() == 123.0
    finally:
        socket.setdefaulttimeout(None)


def test_a_wrong_pair_of_torch_and_torchvision_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "0.29.1")
    monkeypatch.setitem(sys.modules, "torchvision", None)  # makes the import fail
    with pytest.raises(
        ImportError, match=r"torchvision 0\.29\.1 does not work with torch 2\.13\.0"
    ):
        module.import_torchvision()
    digits("test", data_dir=tmp_path)
    assert 'pip install "torchvision==0.28.*").\n' in capsys.readouterr().out


def test_a_missing_torchvision_is_named(monkeypatch):
    def missing(name):
        raise module.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(module.importlib.metadata, "version", missing)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match="torchvision is not installed: pip install"):
        module.import_torchvision()


@pytest.mark.parametrize(
    ("split", "n", "kind"), [("train", 1_437, "training"), ("test", 360, "test")]
)
def test_smoke_uses_the_built_in_digits_and_says_so(split, n, kind, monkeypatch, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    data = digits(split)
    assert capsys.readouterr().out == f"{FALLBACK}smoke budget: no disk, no network).\n"
    assert data.name == f"scikit-learn digits, {n:,} {kind} images, enlarged from 8 x 8"
    assert data.values.shape == (n, 1, 32, 32)
    assert (data.values.min(), data.values.max()) == (0, 255)
    counts = data.labels.bincount(minlength=10)
    assert counts.min() >= 0.09 * n
    assert torch.equal(digits(split).values, data.values)


def test_built_in_splits_share_no_image():
    from sklearn.datasets import load_digits

    targets = torch.from_numpy(load_digits().target)
    train, test = digits("train", 28), digits("test", 28)
    both = torch.cat([train.values, test.values]).flatten(1)
    assert len(both.unique(dim=0)) == 1_797
    assert torch.equal(torch.cat([train.labels, test.labels]).bincount(), targets.long().bincount())


def test_built_in_digits_look_like_mnist(real_mnist):
    ours, real = digits("test", 28), digits("test", 28, data_dir=real_mnist)
    assert ours.values[:, :, [0, -1]].max() == 0
    assert abs(ours.floats().mean() - real.floats().mean()) < 0.02
    # Even the nearest of MNIST's ten class means reads them far better than chance.
    means = torch.stack([real.floats(real.labels == k).flatten(1).mean(0) for k in range(10)])
    read = torch.cdist(ours.floats().flatten(1), means).argmin(1)
    assert (read == ours.labels).double().mean() > 0.35


@pytest.mark.parametrize("size", [28, 31, 32, 48, 64])
def test_built_in_digits_come_in_every_size(size):
    assert digits("test", size).shape == (1, size, size)


@pytest.mark.parametrize("size", [27, 65, 0, 32.5, "32", None])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="choose a whole number of pixels from 28 to 64"):
        digits(size=size)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match='split is \'valid\': choose "train" or "test"'):
        digits("valid")


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_LESSONS_DATA", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("GAN_LESSONS_DATA", "~/gans")
    assert cache_dir() == Path.home() / "gans"
    monkeypatch.delenv("GAN_LESSONS_DATA")
    assert cache_dir().name == "gan_lessons"


def test_the_cache_folder_is_where_digits_looks(mnist, monkeypatch, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    monkeypatch.setenv("GAN_LESSONS_DATA", str(mnist))
    assert len(digits("test")) == 10_000
    monkeypatch.setenv("GAN_LESSONS_DATA", str(mnist / "elsewhere"))
    assert len(digits("test", download=False)) == 360
    assert capsys.readouterr().out.endswith(f"{FALLBACK}MNIST is not in the cache folder).\n")
