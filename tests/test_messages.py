"""Messages on terminals of every encoding."""

import io
import sys

import pytest
import torch

from gan_lessons.messages import printable, say, shown
from gan_lessons.start import start


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "é ... \\udcff\n"),
        ("latin-1", "é ... \\udcff\n"),
        ("ascii", "\\xe9 ... \\udcff\n"),
    ],
)
def test_every_line_appears(monkeypatch, encoding, expected):
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding, write_through=True))
    say("é … \udcff")  # a byte of a file's name that is no text in any encoding
    start("foundations/gan")
    lines = out.getvalue().decode(encoding)
    assert lines.startswith(expected)
    assert ("BUDGET=…," if encoding == "utf-8" else "BUDGET=...,") in lines


def test_a_stream_without_an_encoding(monkeypatch):
    class Stream(io.StringIO):
        encoding = None

    monkeypatch.setattr(sys, "stdout", stream := Stream())
    say("é …")
    assert stream.getvalue() == "é …\n"


def test_names_and_values_in_messages():
    assert printable("é\udcff") == "é\\udcff"
    assert shown("a") == "'a' (str)"
    assert shown([1] * 50).endswith(" … (list)")
    assert len(shown(torch.zeros(100))) < 60
