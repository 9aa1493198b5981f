"""Reports and tables: what stands in them, and how it is written."""

import pytest

from gan_lessons import data, metrics


def test_report_has_what_was_asked_for(sets):
    numbers = set(metrics.report(sets.fake[:100], sets.real[:100]))
    assert "conditional_accuracy" not in numbers
    assert "copies" not in numbers
    digits = data.digits("test")
    with_labels = metrics.report(digits, digits, digits.labels)
    assert set(with_labels) - numbers == {"conditional_accuracy", "diversity"}
    assert with_labels["diversity"] == pytest.approx(1)
    without = metrics.report(digits, digits.floats(), digits.labels)
    assert set(without) - numbers == {"conditional_accuracy"}


def test_report_of_the_same_samples_is_the_same(sets):
    assert metrics.report(sets.fake, sets.real) == metrics.report(sets.fake, sets.real)


def test_table_in_markdown_and_in_text():
    shown = metrics.table(
        {
            "real": {"frechet_distance": 0.4751, "kernel_distance": -0.01, "classes": 10},
            "GAN": {"frechet_distance": 1234.56, "classes": 9, "recall": 0.456, "seconds": 61.7},
        }
    )
    heads, rule, real, gan = shown._repr_markdown_().splitlines()
    assert "| Fréchet distance (judge features) |" in heads
    assert rule.count("---:") == 5
    assert real == "| real | 0.5 | 0.0 | 10 | – | – |"
    assert gan == "| GAN | 1,234.6 | – | 9 | 0.46 | 62 |"
    lines = repr(shown).splitlines()
    assert lines[1].split() == ["real", "0.5", "0.0", "10", "–", "–"]
    assert len({len(line) for line in lines}) == 1


def test_table_without_rows():
    with pytest.raises(ValueError, match="rows are empty"):
        metrics.table({})
