"""What a notebook shows besides figures: its code, its settings, numbers and explorers."""

from gan_lessons.page.display import checked_alt
from gan_lessons.page.explore import Slider, explore, explore_classes, explore_latent
from gan_lessons.page.numbers import spread
from gan_lessons.page.source import show_diff, show_settings, show_source

__all__ = [
    "Slider",
    "checked_alt",
    "explore",
    "explore_classes",
    "explore_latent",
    "show_diff",
    "show_settings",
    "show_source",
    "spread",
]
