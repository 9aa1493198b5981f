"""From image to image: pix2pix where pairs are known, CycleGAN where they are not."""
