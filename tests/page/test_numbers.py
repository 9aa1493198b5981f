"""Numbers of several seeds on a page."""

import pytest

from gan_lessons.page import spread


def test_a_spread_is_the_mean_between_the_ends_and_does_not_break():
    assert spread([3.0, 1.0, 2.0]) == "2.00\N{NO-BREAK SPACE}[1.00,\N{NO-BREAK SPACE}3.00]"
    assert " " not in spread([1_234.5, 2_000.0], digits=1)
    assert spread([1_234.5, 2_000.0], digits=1).startswith("1,617.2")


def test_shares_are_written_in_percent():
    text = spread([0.123, 0.377], digits=1, percent=True)
    assert text.replace("\N{NO-BREAK SPACE}", " ") == "25.0 [12.3, 37.7] %"


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_no_numbers_are_refused(values):
    with pytest.raises(ValueError, match="A spread needs finite numbers"):
        spread(values)
