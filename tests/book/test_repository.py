"""The repository as a whole: nothing of one machine in it, and a package that is complete."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import zipfile

import pytest
from execute import machine_paths
from packaging.requirements import Requirement

from tests.book.content import PACKAGE, ROOT


def test_no_file_names_a_path_of_a_machine():
    files = [*ROOT.glob("*.*"), ROOT / "Makefile", ROOT / "requirements.txt"]
    for folder in ("gan_lessons", "tests", "scripts", "book", ".github", ".ci"):
        files += (ROOT / folder).rglob("*")
    caches = {"__pycache__", ".ruff_cache", ".ipynb_checkpoints"}
    texts = {".py", ".md", ".yml", ".toml", ".cff", ".txt", ".css", ".js", ".json", ""}
    for path in files:
        if path.is_file() and path.suffix in texts and not caches & set(path.parts):
            found = machine_paths(path.read_text(encoding="utf-8"))
            assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_requirements_pin_every_dependency_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [re.match(r"([\w.-]+)==(\S+)", line) for line in lines]
    pinned = {pin[1].lower(): pin[2] for pin in pins if pin}
    for text in project["dependencies"]:
        wanted = Requirement(text)
        assert wanted.name in pinned, f"requirements.txt does not pin {wanted.name}"
        assert wanted.specifier.contains(pinned[wanted.name]), text
    torch = Requirement(next(t for t in project["dependencies"] if t.startswith("torch>")))
    assert {s.operator for s in torch.specifier} == {">="}, "an upper bound replaces Colab's torch"


def test_the_wheel_has_the_data_files(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(PACKAGE, tmp_path / "gan_lessons", ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; build_meta.build_wheel('.')"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".safetensors", ".json"}
    }
    assert wanted <= packed, f"not in the wheel: {sorted(wanted - packed)}"
    assert not [name for name in packed if name.startswith(("tests", "scripts", "book"))]


def test_the_suite_runs_small_and_without_a_network():
    assert os.environ["GAN_LESSONS_BUDGET"] == "smoke"
    assert not os.listdir(os.environ["GAN_LESSONS_DATA"]), "a test has filled the shared cache"
    with pytest.raises(OSError, match="without a network"):
        socket.create_connection(("example.org", 80), timeout=1)
    with pytest.raises(OSError, match="without a network"):
        socket.getaddrinfo("example.org", 80)
