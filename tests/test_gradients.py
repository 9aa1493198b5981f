"""Gradients of a network at its input, and the points between real and generated samples."""

import numpy as np
import pytest
import torch
from torch import nn

from gan_lessons.gradients import between, gradients
from tests.mutants import mutants, survivors

SHAPES = pytest.mark.parametrize("shape", [(2,), (5,), (1, 6, 6), (3, 4, 4)])


class Linear(nn.Module):
    """D(x) = <w, x> with weights of any shape."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x):
        return (self.w * x).flatten(1).sum(1)


# --- gradients ---------------------------------------------------------------------------------


@SHAPES
def test_each_point_has_a_gradient_of_its_own(shape):
    """D(x) = |x|^2 / 2 has the gradient x; all dimensions stand in one row."""
    points = torch.randn(7, *shape, dtype=torch.float64)
    found = gradients(lambda x: x.square().flatten(1).sum(1) / 2, points)
    assert found.shape == (7, points[0].numel())
    torch.testing.assert_close(found, points.flatten(1))


@SHAPES
def test_a_linear_function_has_the_same_gradient_everywhere(shape):
    w = torch.randn(shape, dtype=torch.float64)
    found = gradients(Linear(w), torch.randn(4, *shape, dtype=torch.float64))
    torch.testing.assert_close(found, w.flatten().expand(4, -1))


def test_gradients_are_those_of_central_differences():
    network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    points, h = torch.randn(5, 3, dtype=torch.float64), 1e-5
    found = gradients(network, points)
    for j in range(3):
        step = h * torch.eye(3, dtype=torch.float64)[j]
        expected = (network(points + step) - network(points - step))[:, 0] / (2 * h)
        torch.testing.assert_close(found[:, j], expected, rtol=1e-7, atol=1e-9)


def test_a_penalty_on_gradients_can_move_the_weights():
    """The gradient of |grad D|^2 with respect to w is 2 w, for each of the points the same."""
    linear = Linear(torch.randn(1, 2, 3, dtype=torch.float64))
    gradients(linear, torch.randn(4, 1, 2, 3).double()).square().sum(1).mean().backward()
    torch.testing.assert_close(linear.w.grad, 2 * linear.w.detach())


def test_a_flat_critic_has_a_finite_gradient():
    """Its slope is zero, where the root of a sum of squares has no derivative."""
    linear = Linear(torch.zeros(1, 3, 3))
    norms = gradients(linear, torch.randn(4, 1, 3, 3)).norm(dim=1)
    assert (norms == 0).all()
    (norms - 1).square().mean().backward()
    assert linear.w.grad.isfinite().all()


def test_the_callers_points_and_their_graph_are_left_alone():
    source = torch.randn(4, 2, requires_grad=True)
    gradients(Linear(torch.ones(2)), 2 * source).sum().backward()
    assert source.grad is None, "points are given: nobody who made them learns from a penalty"
    points = torch.randn(4, 2)
    gradients(Linear(torch.ones(2)), points)
    assert not points.requires_grad


def test_gradients_have_single_precision_where_the_forward_pass_has_half():
    network = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    points = torch.randn(5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(network, points)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, gradients(network, points), rtol=0.05, atol=0.02)
    found.square().sum().backward()
    assert network[0].weight.grad.dtype == torch.float32


# --- points between ----------------------------------------------------------------------------


@SHAPES
def test_points_between_lie_on_the_lines_between_the_pairs(shape):
    real, fake = torch.randn(2, 6, *shape, dtype=torch.float64)
    points = between(real, fake)
    assert points.shape == real.shape
    way, part = (real - fake).flatten(1), (points - fake).flatten(1)
    e = (part * way).sum(1) / way.square().sum(1)
    torch.testing.assert_close(part, e[:, None] * way)
    assert ((e >= 0) & (e <= 1)).all()


def test_one_e_for_each_sample_uniform_from_0_to_1():
    real, fake = torch.ones(4000, 1, 3, 3), torch.zeros(4000, 1, 3, 3)
    points = between(real, fake)
    e = points[:, 0, 0, 0]
    assert (points == e[:, None, None, None]).all(), "e differs from pixel to pixel"
    assert len(e.unique()) > 3000, "one e for the whole batch"
    assert e.min() >= 0
    assert e.max() <= 1
    assert e.mean().item() == pytest.approx(0.5, abs=0.03)
    assert e.var().item() == pytest.approx(1 / 12, abs=0.01)
    shares, _ = np.histogram(e, bins=10, range=(0, 1))
    assert shares.min() > 300, "some parts of the way are left out"


def test_e_is_the_share_of_the_real_sample():
    torch.manual_seed(5)
    e = torch.rand(6, 1)
    torch.manual_seed(5)
    torch.testing.assert_close(between(torch.ones(6, 2), torch.zeros(6, 2)), e.expand(6, 2))


MUTANTS = mutants(
    "gradients",
    (
        "the gradient of the mean score: each one n times too small",
        "total = function(points).sum()",
        "total = function(points).mean()",
        "test_each_point_has_a_gradient_of_its_own",
    ),
    (
        "the channels of an image stay apart: a norm over dim 1 is one for each pixel",
        "return result.flatten(1)",
        "return result",
        "test_each_point_has_a_gradient_of_its_own",
    ),
    (
        "one gradient for the whole batch",
        "return result.flatten(1)",
        "return result.flatten()[None]",
        "test_each_point_has_a_gradient_of_its_own",
    ),
    (
        "no create_graph: the penalty is a number that moves nothing",
        "torch.autograd.grad(total, points, create_graph=True)",
        "torch.autograd.grad(total, points)",
        "test_a_penalty_on_gradients_can_move_the_weights",
    ),
    (
        "the penalty reaches the generator, through the points",
        "points = points.detach().requires_grad_()",
        "points = points if points.requires_grad else points.requires_grad_()",
        "test_the_callers_points_and_their_graph_are_left_alone",
    ),
    (
        "one e for the whole batch",
        "torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "torch.rand([1] * real.dim(), device=real.device)",
        "test_one_e_for_each_sample_uniform_from_0_to_1",
    ),
    (
        "an e for every pixel: points in the box, not on the line",
        "torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "torch.rand_like(real)",
        "test_points_between_lie_on_the_lines_between_the_pairs",
    ),
    (
        "e from a normal distribution: points beyond both ends",
        "torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "torch.randn(len(real), *[1] * (real.dim() - 1), device=real.device)",
        "test_points_between_lie_on_the_lines_between_the_pairs",
    ),
    (
        "real samples alone, moved by noise: DRAGAN's points",
        "return e * real + (1 - e) * fake",
        "return real + e * torch.randn_like(real)",
        "test_points_between_lie_on_the_lines_between_the_pairs",
    ),
    (
        "real and generated samples exchanged: the points are as many, e is the other share",
        "return e * real + (1 - e) * fake",
        "return e * fake + (1 - e) * real",
        "test_e_is_the_share_of_the_real_sample",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
