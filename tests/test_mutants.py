"""Every planted mistake is caught by the test that is said to catch it."""

import pytest
import torch

from tests.mutants import MUTANTS, planted


def failing(killer: str) -> bool:
    """Run one test in this process; True if it fails, an error if there is no such test."""
    torch.manual_seed(0)
    options = ["--noconftest", "-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts="]
    code = pytest.main([*options, "--import-mode=importlib", killer])
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), f"{killer}: {code!r}"
    return code == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(mutant, root, monkeypatch):
    monkeypatch.chdir(root)
    with planted(mutant):
        assert failing(mutant.killer), f"{mutant.killer} passes although {mutant.name}"


def test_a_healthy_package_passes(root, monkeypatch):
    monkeypatch.chdir(root)
    assert not failing("tests/test_steps.py")
