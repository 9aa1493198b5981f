"""Files that are complete or not there."""

import os
import stat
import subprocess
import sys

import pytest
import torch

from gan_lessons.files import read_tensors, replacing, write_tensors
from tests.helpers import same


def test_what_is_written_comes_back(tmp_path):
    tensors = {
        "a": torch.randn(3, 4),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 2),
        "one": torch.tensor(3, dtype=torch.int64),
        "bytes": torch.arange(256, dtype=torch.uint8),
        "half": torch.randn(5).to(torch.bfloat16),
    }
    write_tensors(tmp_path / "f", tensors, {"x": [1, 2.5, "three"]})
    again, facts = read_tensors(tmp_path / "f")
    assert facts == {"x": [1, 2.5, "three"]}
    assert set(again) == set(tensors)
    assert all(same(again[name], value) for name, value in tensors.items())


def test_a_file_without_facts_is_foreign(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "f")
    with pytest.raises(ValueError, match="was not written by gan_lessons"):
        read_tensors(tmp_path / "f")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "f", {"a": torch.zeros(2)}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_what_killed_processes_have_left_is_swept_and_nothing_else(tmp_path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    dead = tmp_path / f".f-{int(gone.stdout)}-abcd"
    living = tmp_path / f".f-{os.getppid()}-abcd"
    other = tmp_path / f".g-{int(gone.stdout)}-abcd"
    for path in (dead, living, other):
        path.touch()
    with replacing(tmp_path / "f") as fresh:
        fresh.write_text("new")
    assert {p.name for p in tmp_path.iterdir()} == {"f", living.name, other.name}
