"""Foundations: GAN, DCGAN, CGAN."""
