"""Fixtures of the page's tests."""

import pytest

from gan_lessons.page import display


@pytest.fixture
def shown(monkeypatch):
    """Collect the bundles that would be displayed."""
    collected = []

    def publish(bundle, metadata=None):
        collected.append(bundle)
        return True

    monkeypatch.setattr(display, "publish", publish)
    return collected
