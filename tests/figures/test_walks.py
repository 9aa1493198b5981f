"""Walks through the latent space."""

import pytest
import torch

from gan_lessons.figures import slerp, walk_frames


def test_slerp_stays_on_the_sphere_and_meets_its_ends():
    a, b = torch.nn.functional.normalize(torch.randn(2, 6, 10, dtype=torch.float64), dim=-1)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    middle = slerp(a, b, 0.3)
    torch.testing.assert_close(middle.norm(dim=-1), torch.ones(6, dtype=torch.float64))
    whole = torch.arccos((a * b).sum(-1))
    torch.testing.assert_close(torch.arccos((a * middle).sum(-1)), 0.3 * whole)


def test_slerp_of_equal_and_of_opposite_noise_is_finite():
    a = torch.ones(1, 4)
    torch.testing.assert_close(slerp(a, a, 0.5), a)
    assert torch.isfinite(slerp(a, -a, 0.5)).all()


def test_walk_goes_through_the_anchors_and_back():
    anchors = torch.randn(3, 2, 16)
    frames = walk_frames(lambda z: z.reshape(-1, 1, 4, 4), anchors, steps=4)
    assert frames.shape == (12, 2, 1, 4, 4)
    torch.testing.assert_close(frames[::4].flatten(2), anchors)
    with pytest.raises(ValueError, match="at least two stops"):
        walk_frames(lambda z: z, anchors[:1])
