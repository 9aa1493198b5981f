"""GAN Lessons: the reference implementations that the chapters of the book import."""

__version__ = "0.1.0"

from gan_lessons.start import start

__all__ = ["__version__", "start"]
