"""Checks of single arguments: what passes, what is refused, and with which words."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gan_lessons.arguments import as_path, function, number, of_kind, whole


@pytest.mark.parametrize("value", [3, np.int64(3), torch.tensor(3)])
def test_whole_numbers_of_any_library_pass(value):
    assert whole("n", value) == 3
    assert type(whole("n", value)) is int


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), torch.tensor(True), 3.0, "3", None, [3], torch.tensor([3])]
)
def test_other_things_are_no_whole_numbers(value):
    with pytest.raises(TypeError, match="n must be a whole number, not "):
        whole("n", value)


def test_too_small_a_number_is_named():
    assert whole("n", 0, least=0) == 0
    with pytest.raises(ValueError, match="n must be at least 1, but is 0"):
        whole("n", 0)


def test_numbers():
    assert number("x", 2) == number("x", np.float32(2)) == number("x", torch.tensor(2.0)) == 2.0
    for wrong in (None, "2", True, [2.0], torch.ones(2)):
        with pytest.raises(TypeError, match="x must be a number, not"):
            number("x", wrong)
    for wrong in (float("nan"), float("inf"), -1.0, 3.0):
        with pytest.raises(
            ValueError, match=r"x is .*: give a finite number, 0 or more, 2 at most"
        ):
            number("x", wrong, 0, 2)


def test_paths():
    assert as_path("folder", "a") == as_path("folder", Path("a")) == Path("a")
    assert as_path("folder", "~") == Path.home()
    for wrong in (None, 3, b"a"):
        with pytest.raises(TypeError, match="folder must be a path, as a string or a Path, not"):
            as_path("folder", wrong)
    with pytest.raises(ValueError, match="zero byte"):
        as_path("folder", "a\0")


def test_kinds_and_functions():
    of_kind("x", 3, int, str)
    function("f", len)
    with pytest.raises(TypeError, match=r"x must be a int or str, not 3\.0 \(float\)\. Try 3\.$"):
        of_kind("x", 3.0, int, str, hint="Try 3.")
    with pytest.raises(TypeError, match="f must be a function, not 3"):
        function("f", 3)
