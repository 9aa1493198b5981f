"""What a training step is made of."""

import pytest
import torch
from torch import nn

from gan_lessons.steps import adam, evaluating, frozen, update
from tests.mutants import mutants, survivors


def test_update_goes_downhill():
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.25)
    update(optimizer, layer.weight.square().sum())
    assert layer.weight.item() == pytest.approx(2.0 - 0.25 * 2 * 2.0)


def test_update_forgets_the_last_gradient():
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    layer.weight.grad = torch.full_like(layer.weight, 100.0)
    update(torch.optim.SGD(layer.parameters(), lr=0.25), layer.weight.square().sum())
    assert layer.weight.item() == pytest.approx(1.0)


def test_frozen_passes_gradients_on_and_collects_none():
    layer, x = nn.Linear(3, 1), torch.randn(2, 3, requires_grad=True)
    layer.bias.requires_grad_(False)  # somebody's wish, to be kept
    with frozen(layer):
        layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.detach().expand(2, 3))
    assert layer.weight.requires_grad
    assert not layer.bias.requires_grad


def test_frozen_lets_go_after_an_error():
    layer = nn.Linear(3, 1)
    with pytest.raises(RuntimeError, match="shapes"), frozen(layer):
        layer(torch.randn(2, 4))
    assert layer.weight.requires_grad


def test_evaluating_builds_no_graph_and_restores_each_mode():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    model[2].eval()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        assert not model(torch.randn(3, 2)).requires_grad
    assert [module.training for module in model.modules()] == [True, True, True, False]


def test_adam_takes_its_settings():
    optimizer = adam(nn.Linear(2, 2), 0.01, (0.5, 0.9))
    assert optimizer.defaults["lr"] == 0.01
    assert optimizer.defaults["betas"] == (0.5, 0.9)
    assert len(optimizer.param_groups[0]["params"]) == 2


MUTANTS = mutants(
    "steps",
    (
        "gradients are not cleared before the next step",
        "        optimizer.zero_grad()\n",
        "",
        "test_update_forgets_the_last_gradient",
    ),
    (
        "the discriminator collects gradients of the generator's loss",
        "        parameter.requires_grad_(False)\n",
        "        pass\n",
        "test_frozen_passes_gradients_on_and_collects_none",
    ),
    (
        "the discriminator stays frozen for good",
        "            parameter.requires_grad_(True)\n",
        "            pass\n",
        "test_frozen_passes_gradients_on_and_collects_none",
    ),
    (
        "samples are drawn in training mode: each depends on its batch",
        "    module.eval()\n",
        "",
        "test_evaluating_builds_no_graph_and_restores_each_mode",
    ),
)


def test_planted_mistakes_are_caught():
    assert not survivors(__file__, MUTANTS)
