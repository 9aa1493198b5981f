"""scripts/try_bad_input.py: it tells the four answers apart, and one variant answers well."""

import pytest

from gan_lessons.data import ring
from gan_lessons.foundations import gan
from tests.helpers import load_script

script = load_script("try_bad_input")
Case = script.bad_inputs.Case


def test_bad_input_of_a_variant_is_refused_clearly():
    counts, lines = script.try_all(script.bad_inputs.variant(gan, gan.GAN))
    assert not lines
    assert set(counts) == {
        f"foundations, {what}" for what in ("settings", "data", "options", "samples", "files")
    }
    assert all(found["clear"] > 20 for name, found in counts.items() if "data" not in name)
    assert "all" in script.table(counts)


def short():
    raise ValueError("No.")


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda: ring(n=0), "clear"),
        (lambda: ring(nothing=0), "clear"),
        (lambda: {}["a"], "cryptic"),
        (lambda: ring(n=3).floats("a"), "cryptic"),
        (short, "cryptic"),
        (lambda: ring(n=3), "silent"),
    ],
)
def test_the_answers(call, answer):
    assert script.answer_to(Case("area", "name", True, call))[0] == answer


def test_legitimate_input_is_fine():
    assert script.answer_to(Case("area", "name", False, lambda: ring(n=3))) == ("fine", "")


def test_answers_that_are_no_good_are_listed():
    cases = [Case("area", "a", True, short), Case("area", "b", True, dict)]
    counts, lines = script.try_all(cases)
    assert lines == ["cryptic area: a   ValueError: No.", "silent  area: b"]
    assert counts["area"] == {"cryptic": 1, "silent": 1}
