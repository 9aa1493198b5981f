"""Fixtures of the figures' tests."""

import pytest

from gan_lessons.page import display


@pytest.fixture
def shown(monkeypatch):
    """Collect what would be displayed, as (bundle, metadata)."""
    collected = []

    def publish(bundle, metadata=None):
        collected.append((bundle, metadata))
        return True

    monkeypatch.setattr(display, "publish", publish)
    return collected
