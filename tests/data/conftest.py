"""Files of MNIST, real ones and made-up ones, and mirrors that have them."""

import gzip
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from gan_lessons.data import download

# `import gan_lessons.data.digits as module` would give the function of that name.
module = sys.modules["gan_lessons.data.digits"]

IMAGES = "t10k-images-idx3-ubyte.gz"
LABELS = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture(scope="session", autouse=True)
def _own_locks(tmp_path_factory):
    """Downloads lock a file in the system's temporary folder; the tests leave none there."""
    folder = str(tmp_path_factory.mktemp("locks"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        patch.setenv("TMPDIR", folder)
        yield


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
        monkeypatch.setitem(module.BYTES, name, len(content))
    return tmp_path


@pytest.fixture
def mirror(monkeypatch):
    """Mirrors that serve the given files."""
    calls = []

    def serve(files: dict[str, bytes]):
        def parts(url):
            calls.append(url.rpartition("/")[2])
            yield files[calls[-1]]

        monkeypatch.setattr(download, "_parts", parts)
        monkeypatch.setattr(download, "first_to_answer", list)
        return calls

    return serve
