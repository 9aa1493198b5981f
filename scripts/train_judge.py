"""Train the judge on MNIST and write gan_lessons/judge.safetensors.

    python scripts/train_judge.py

Five epochs, about 45 seconds on two cores. Prints the accuracy on the 10,000 test images after each
epoch; the last one counts, no epoch is chosen by it. Writes nothing below 99 %.
"""

import argparse
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gan_lessons.data import TensorData, digits  # noqa: E402
from gan_lessons.files import write_tensors  # noqa: E402
from gan_lessons.metrics.judge import WEIGHTS, Judge  # noqa: E402

EPOCHS, BATCH, LEARNING_RATE = 5, 128, 2e-3
LOWEST_ACCURACY = 0.99


def disturbed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images turned by up to 10 degrees, scaled by up to 10 % and shifted by up to 2 pixels.

    Mild, so that features follow the shape and not the pixel; black comes in at the border.
    """

    def uniform(limit: float, *shape: int) -> Tensor:
        return limit * (2 * torch.rand(len(images), *shape, generator=generator) - 1)

    angle, scale = uniform(math.radians(10)), 1 + uniform(0.1)
    shift = uniform(2 * 2 / images.shape[-1], 2)  # the grid is 2 wide
    cos, sin = scale * angle.cos(), scale * angle.sin()
    first, second = (
        torch.stack([cos, -sin, shift[:, 0]], 1),
        torch.stack([sin, cos, shift[:, 1]], 1),
    )
    grid = F.affine_grid(torch.stack([first, second], 1), images.shape, align_corners=False)
    return F.grid_sample(images + 1, grid, align_corners=False) - 1  # outside the grid is 0


@torch.no_grad()
def accuracy(judge: Judge, data: TensorData) -> float:
    """Share of the images whose class the judge finds."""
    judge.eval()
    answers = [judge(data.floats(part)).argmax(1) for part in torch.arange(len(data)).split(1000)]
    return (torch.cat(answers) == data.labels).double().mean().item()


def train(data: TensorData, test: TensorData, seed: int) -> tuple[Judge, float]:
    """A judge trained for EPOCHS epochs, and its accuracy on `test`."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    judge = Judge().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(judge.parameters(), LEARNING_RATE)
    steps = len(data) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=EPOCHS * steps
    )
    for epoch in range(EPOCHS):
        judge.train()
        order = torch.randperm(len(data), generator=generator)[: steps * BATCH]
        for index in order.split(BATCH):
            logits = judge(disturbed(data.floats(index), generator))
            loss = F.cross_entropy(logits, data.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        reached = accuracy(judge, test)
        print(f"epoch {epoch + 1} of {EPOCHS}: test accuracy {reached:.2%}", flush=True)
    return judge, reached


def main() -> None:
    """Train, check, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "gan_lessons" / WEIGHTS)
    options = parser.parse_args()
    data, test = digits("train"), digits("test")
    if not data.name.startswith("MNIST"):
        raise SystemExit("The judge is trained on MNIST only: fill the cache, or go online.")
    judge, reached = train(data, test, options.seed)
    if reached < LOWEST_ACCURACY:
        raise SystemExit(f"{reached:.2%} is below {LOWEST_ACCURACY:.0%}: nothing written.")
    facts = {
        "accuracy": f"{reached:.4f}",
        "data": f"{data.name}; accuracy on {test.name}",
        "seed": str(options.seed),
        "epochs": str(EPOCHS),
        "torch": torch.__version__,
        "script": "scripts/train_judge.py",
    }
    write_tensors(options.out, judge.state_dict(), facts)
    print(f"{options.out.name}: {options.out.stat().st_size / 1e6:.2f} MB, {facts}")


if __name__ == "__main__":
    main()
