"""Digits before backgrounds: the recipe of MNIST-M, its photographs, and what stands in."""

import numpy as np
import pytest
import torch
from PIL import Image

from gan_lessons.data import BSDS500Unavailable, on_photographs, on_textures
from gan_lessons.data.backgrounds import PHOTOGRAPHS, blended, crops, photographs, textures
from tests.helpers import images, same
from tests.mutants import mutants, survivors


@pytest.fixture
def folder(tmp_path):
    """A data folder with ten photographs, each of one grey, in the layout of BSDS500."""
    (tmp_path / PHOTOGRAPHS).mkdir(parents=True)
    for i in range(10):
        size = (60, 40) if i % 2 else (40, 60)
        Image.new("RGB", size, (20 * i, 20 * i, 10)).save(
            tmp_path / PHOTOGRAPHS / f"{i}.jpg", quality=100
        )
    return tmp_path


# --- the recipe --------------------------------------------------------------------------------


def test_the_recipe_is_the_distance_to_the_patch_channel_by_channel():
    rng = np.random.default_rng(0)
    digit = rng.integers(0, 256, (5, 1, 28, 28), dtype=np.uint8)
    patch = rng.integers(0, 256, (5, 3, 28, 28), dtype=np.uint8)
    expected = np.abs(patch.astype(int) - digit.astype(int)).astype(np.uint8)
    found = blended(torch.from_numpy(digit), torch.from_numpy(patch))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_black_shows_the_patch_and_white_its_negative():
    patch = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    digit = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    assert same(blended(digit, patch)[0], patch[0])
    assert same(blended(digit, patch)[1], 255 - patch[1])


def test_patches_come_from_every_place_of_every_picture():
    """The last row and column, too, which randint without + 1 would never reach."""
    pictures = [
        torch.arange(36, dtype=torch.uint8).view(1, 6, 6).expand(3, 6, 6) + 100 * k
        for k in range(2)
    ]
    patches = crops(pictures, 600, 5, torch.Generator().manual_seed(0))
    assert patches.shape == (600, 3, 5, 5)
    assert {int(v) for v in patches[:, 0, 0, 0]} == {0, 1, 6, 7, 100, 101, 106, 107}
    assert same(patches[0, 0], patches[0, 2])
    first = patches[0, 0]
    assert first[1, 0] - first[0, 0] == 6
    assert first[0, 1] - first[0, 0] == 1


# --- photographs -------------------------------------------------------------------------------


def test_no_photograph_is_in_both_splits(folder):
    train, test = (
        {int(p[0, 0, 0]) for p in photographs(split, folder)} for split in ("train", "test")
    )
    assert (len(train), len(test)) == (8, 2)
    assert not train & test


def test_tall_and_wide_photographs_keep_their_channels(folder):
    shapes = {tuple(p.shape) for p in photographs("train", folder)}
    assert shapes == {(3, 60, 40), (3, 40, 60)}
    assert all(p.dtype == torch.uint8 and (p[2] < 60).all() for p in photographs("train", folder))


def test_real_photographs(real_data):
    train, test = photographs("train", real_data), photographs("test", real_data)
    assert (len(train), len(test)) == (160, 40)
    assert {tuple(sorted(p.shape)) for p in train + test} == {(3, 321, 481)}


def test_without_photographs_it_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError,
        match=r"no photographs in BSDS500/data/images/train in "
        r"data_dir: unpack http.* put its folder BSR/BSDS500 there",
    ):
        photographs("train", tmp_path)
    with pytest.raises(ValueError, match=r'split is .valid.: choose "train" or "test"'):
        photographs("valid", tmp_path)
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    with pytest.raises(BSDS500Unavailable, match="smoke budget: no disk, no network"):
        photographs()


def test_a_damaged_photograph_is_named(folder):
    (folder / PHOTOGRAPHS / "3.jpg").write_bytes(b"no picture")
    with pytest.raises(BSDS500Unavailable, match=r"photograph 3\.jpg is damaged"):
        photographs("train", folder)


def test_photographs_are_used_where_they_are(folder, monkeypatch, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "cpu")
    monkeypatch.setenv("GAN_LESSONS_DATA", str(folder))
    data = on_photographs(images(12))
    assert data.name == "random images, on photographs of BSDS500"
    assert same(data.labels, images(12).labels)
    assert data.shape == (3, 32, 32)
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("GAN_LESSONS_DATA", str(folder / "nothing"))
    assert on_photographs(images(12)).name == "random images, on drawn textures"
    assert "Using drawn textures for backgrounds (There are no" in capsys.readouterr().out


# --- textures ----------------------------------------------------------------------------------


def test_textures_are_drawn_once_and_others_for_the_test_split():
    first, again, test = textures(n=4), textures(n=4), textures("test", n=4)
    assert all(map(same, first, again))
    assert not any(map(same, first, test))
    assert all(p.shape == (3, 128, 128) and p.dtype == torch.uint8 for p in first)


def test_textures_have_colours_and_contrasts_of_their_own():
    pictures = torch.stack(textures(n=40)).float() / 255
    means, spreads = pictures.mean((2, 3)), pictures.std((2, 3)).mean(1)
    assert means.std(0).min() > 0.08
    assert (means[:, 0] - means[:, 2]).std() > 0.08, "not grey"
    assert spreads.min() > 0.03
    assert spreads.max() > 1.5 * spreads.min()


def test_digits_on_textures_say_so_and_keep_their_labels():
    data = images(12)
    found = on_textures(data)
    assert found.name == "random images, on drawn textures"
    assert same(found.labels, data.labels)
    assert same(found.values, on_textures(data).values)
    assert not same(found.values, on_textures(data, "test").values)
    with pytest.raises(ValueError, match="choose"):
        on_textures(data, "valid")


MUTANTS = mutants(
    "data.backgrounds",
    (
        "MNIST-M: bytes are subtracted as bytes, and wrap around",
        "(patches.short() - digits.short()).abs()",
        "(patches - digits)",
        "test_the_recipe_is_the_distance_to_the_patch_channel_by_channel",
    ),
    (
        "MNIST-M: the sum for the distance",
        "(patches.short() - digits.short()).abs()",
        "(patches.short() + digits.short()).clamp(max=255)",
        "test_the_recipe_is_the_distance_to_the_patch_channel_by_channel",
    ),
    (
        "MNIST-M: the last row of the photographs is never seen",
        "int(down * (height - size + 1))",
        "int(down * (height - size))",
        "test_patches_come_from_every_place_of_every_picture",
    ),
    (
        "MNIST-M: the test digits stand before the photographs of the training",
        '== (split == "test")',
        '>= (split == "test")',
        "test_no_photograph_is_in_both_splits",
    ),
    (
        "MNIST-M: the test digits stand before the textures of the training",
        'SEEDS = {"train": 0, "test": 1}',
        'SEEDS = {"train": 0, "test": 0}',
        "test_textures_are_drawn_once_and_others_for_the_test_split",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
