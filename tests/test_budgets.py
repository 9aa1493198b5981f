"""Budgets and presets."""

import pytest
import torch

from gan_lessons import budgets
from gan_lessons.data import digits
from gan_lessons.data.download import stays_off_disk
from gan_lessons.foundations import gan
from gan_lessons.start import start


def test_budget_comes_from_the_environment(monkeypatch):
    for name in ("smoke", "cpu", "gpu", " GPU "):
        monkeypatch.setenv("GAN_LESSONS_BUDGET", name)
        assert budgets.budget() == name.strip().lower()
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "huge")
    with pytest.raises(ValueError, match="set it to one of smoke, cpu, gpu"):
        budgets.budget()


@pytest.mark.parametrize("value", ["smoke", "SMOKE", " Smoke\n"])
def test_smoke_means_smoke_everywhere(monkeypatch, value, capsys):
    monkeypatch.setenv("GAN_LESSONS_BUDGET", value)
    assert budgets.budget() == budgets.wished() == "smoke"
    assert stays_off_disk(None)
    assert digits("test").name.startswith("scikit-learn")
    start("foundations/gan")
    assert "Budget: smoke (chosen by GAN_LESSONS_BUDGET)" in capsys.readouterr().out
    monkeypatch.setenv("GAN_LESSONS_BUDGET", " ")
    assert not stays_off_disk(None)
    start("foundations/gan")
    assert "(chosen from the device)" in capsys.readouterr().out


def test_nobody_else_reads_the_variable(root):
    readers = [
        path.name
        for path in (root / "gan_lessons").rglob("*.py")
        if "environ" in (text := path.read_text(encoding="utf-8")) and "LESSONS_BUDGET" in text
    ]
    assert readers == ["budgets.py"]


def test_budget_without_the_variable_comes_from_the_device(monkeypatch):
    monkeypatch.delenv("GAN_LESSONS_BUDGET")
    monkeypatch.setattr(budgets, "pick_device", lambda: torch.device("cpu"))
    assert budgets.budget() == "cpu"
    monkeypatch.setattr(budgets, "pick_device", lambda: torch.device("cuda"))
    assert budgets.budget() == "gpu"


def test_preset_takes_a_config_a_name_or_the_budget(monkeypatch):
    config = gan.Config(steps=3)
    assert budgets.preset(config, gan.PRESETS) is config
    assert budgets.preset("gpu", gan.PRESETS) is gan.PRESETS["gpu"]
    monkeypatch.setenv("GAN_LESSONS_BUDGET", "smoke")
    assert budgets.preset(None, gan.PRESETS) is gan.PRESETS["smoke"]


def test_preset_says_what_there_is():
    with pytest.raises(ValueError, match="choose one of 'smoke', 'cpu', 'gpu'"):
        budgets.preset("fast", gan.PRESETS)
    with pytest.raises(TypeError, match=r"must be a gan_lessons\.foundations\.gan\.Config"):
        budgets.preset({"steps": 3}, gan.PRESETS)
