"""MNIST: the real files, and every way in which they can be wrong."""

import gzip
import sys
from pathlib import Path

import pytest
import torch

from gan_lessons.data import digits

# `import gan_lessons.data.digits as module` would give the function of that name.
module = sys.modules["gan_lessons.data.digits"]

IMAGES = "t10k-images-idx3-ubyte.gz"
FALLBACK = "Using the 1,797 8x8 digits of scikit-learn ("


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
    assert MNIST.mirrors[0] == module.MIRRORS[0]


def test_sizes_are_those_of_the_files(real_data):
    folder = real_data / "MNIST" / "raw"
    assert {name: (folder / name).stat().st_size for name in module.BYTES} == module.BYTES


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


@pytest.mark.parametrize("size", [27, 65, 0, 32.5, "32", None])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="choose a whole number of pixels from 28 to 64"):
        digits(size=size)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match='split is \'valid\': choose "train" or "test"'):
        digits("valid")


def test_the_cache_folder_is_where_digits_looks(mnist, monkeypatch, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    monkeypatch.setenv("GAN_LESSONS_DATA", str(mnist))
    assert len(digits("test")) == 10_000
    monkeypatch.setenv("GAN_LESSONS_DATA", str(mnist / "elsewhere"))
    assert len(digits("test", download=False)) == 360
    assert capsys.readouterr().out.endswith(f"{FALLBACK}MNIST is not in the cache folder).\n")
