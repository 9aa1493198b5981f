"""The runs on photographs: how they are made, and that the stored ones belong to this package."""

import json
from dataclasses import replace

import pytest
import torch

from gan_lessons.comparisons import photographs
from gan_lessons.data import Pairs, TensorData, TwoDomains
from gan_lessons.evaluation import translations
from gan_lessons.figures import to_uint8
from gan_lessons.results import making
from gan_lessons.translation import bicyclegan, pix2pix
from tests.helpers import load_script

names = pytest.mark.parametrize("name", photographs.SETS)


def photos(n=20, side=64):
    values = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8)
    return TensorData(values, None, "noise")


@names
def test_the_script_makes_a_sheet_that_pictures_reads(tmp_path, monkeypatch, name):
    """With noise for photographs: rows and columns come back as they went in."""
    script = load_script("translation_results")
    real, kept = photographs.SETS[name], {}
    data = (Pairs if real.module in (pix2pix, bicyclegan) else TwoDomains)(photos(), photos())
    small = replace(real.module.PRESETS["smoke"], steps=1)
    look = lambda *inputs: kept.setdefault("seen", real.look(*inputs))  # noqa: E731
    fake = replace(real, data=lambda split: data, config=small, look=look)
    monkeypatch.setattr(photographs, "SETS", {name: fake})
    monkeypatch.setattr(
        translations, "told_apart", lambda *pictures, **options: 0.5
    )  # takes minutes
    monkeypatch.setattr(making, "source_hash", lambda *parts: "")  # of what only this test has
    path = tmp_path / "translation.json"
    assert script.main(["--only", "photographs"], path) == 0
    (row,) = json.loads(path.read_text())["photographs"]
    monkeypatch.setattr(photographs.results, "load", lambda which: json.loads(path.read_text()))
    monkeypatch.setattr(photographs, "files", lambda package: tmp_path)
    pictures, numbers = kept["seen"]
    assert row["numbers"] == numbers
    again = photographs.pictures(name)
    assert list(again) == list(pictures) == row["kinds"]
    for kind, images in pictures.items():
        assert again[kind].shape == images.shape == (photographs.SHOWN, 3, 64, 64)
        flat = torch.from_numpy(to_uint8(images)).permute(0, 3, 1, 2).float()
        means = again[kind].float().mean((2, 3)), flat.mean((2, 3))  # the file is compressed
        torch.testing.assert_close(*means, atol=3.0, rtol=0)


@names
def test_the_file_has_the_photographs(name):
    row = photographs.run_on(name)
    assert row["updates"] == row["settings"]["steps"]
    for images in photographs.pictures(name).values():
        assert images.shape == (photographs.SHOWN, 3, 64, 64)
        assert images.float().flatten(1).std(1).min() > 5, "an empty picture"


def test_an_unknown_name():
    with pytest.raises(ValueError, match="There is no run on 'horses': choose facades or"):
        photographs.pictures("horses")
