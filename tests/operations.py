"""How many floating-point operations a training costs, counted on any machine.

`python -m tests.operations` prints the table of all presets.
"""

import dataclasses
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gan_lessons.runs import build
from gan_lessons.training import BUDGETS
from tests.variants import MODULES, data_for, main_model, name_of

FEW = 2  # samples in the batch that is counted: every operation is linear in the batch
LIMITS = {"smoke": 0.2, "cpu": 12.0, "gpu": 300.0}  # TFLOP of the training of the main model


class Counting(TorchDispatchMode):
    """Adds up the operations of products and convolutions, in both directions.

    PyTorch's own `FlopCounterMode` fails where a penalty is differentiated twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            self.operations += count(*args, **(kwargs or {}), out_val=result)
        return result


def operations(module: Any, config: Any) -> float:
    """Floating-point operations of a whole training of the main model of `module`."""
    torch.manual_seed(0)
    data = data_for(module, 4 * FEW, config.shape)
    small = dataclasses.replace(config, batch_size=FEW, shape=data.shape)
    model = build(main_model(module), small, torch.device("cpu"))
    batch = data.batch(model.samples_per_step)
    with Counting() as counted:
        model.step(batch)
    return counted.operations * config.batch_size / FEW * config.steps


def table() -> dict[str, dict[str, float]]:
    """TFLOP by variant and budget."""
    return {
        name_of(module): {
            budget: operations(module, module.PRESETS[budget]) / 1e12 for budget in BUDGETS
        }
        for module in MODULES
    }


if __name__ == "__main__":
    print("| TFLOP | " + " | ".join(BUDGETS) + " |\n|---|" + "---:|" * len(BUDGETS))
    for name, row in table().items():
        print(f"| {name} | " + " | ".join(f"{row[budget]:.3g}" for budget in BUDGETS) + " |")
