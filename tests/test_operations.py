"""Every preset keeps its budget, counted in operations and therefore on any machine."""

import pytest
from torch import nn

from gan_lessons.training import BUDGETS
from tests.operations import LIMITS, Counting, operations
from tests.variants import MODULES, name_of


def test_the_count_is_exact_for_a_linear_layer():
    import torch

    layer, x = nn.Linear(5, 3, bias=False), torch.randn(7, 5, requires_grad=True)
    with Counting() as forward:
        y = layer(x)
    assert forward.operations == 2 * 7 * 5 * 3
    with Counting() as backward:
        (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert backward.operations == 2 * 7 * 5 * 3
    with Counting() as twice:
        slope.square().sum().backward()
    assert twice.operations > 0, "the second derivative counts, too"


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_preset_keeps_its_budget(module, budget):
    cost = operations(module, module.PRESETS[budget]) / 1e12
    assert cost <= LIMITS[budget], f"{cost:.1f} TFLOP"
