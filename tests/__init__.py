"""The tests of GAN Lessons."""
