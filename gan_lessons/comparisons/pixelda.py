"""Who reads the second domain: labels of the first alone, PixelDA, or labels of the second.

What is compared, and how one run is made and measured, always on held-out images of the target;
their labels choose nothing. `scripts/pixelda_results.py` makes all runs and writes
`gan_lessons/results/pixelda.json`.
"""

from collections.abc import Callable
from statistics import fmean
from typing import Any

from torch import Tensor

from gan_lessons.data import Adaptation, Batch, TensorData, mnist_to_mnist_m, mnist_to_usps
from gan_lessons.evaluation.domains import accuracy
from gan_lessons.latent.acgan import class_loss
from gan_lessons.model import Model
from gan_lessons.networks.domains import Classifier
from gan_lessons.steps import adam, update
from gan_lessons.training import Run, fit, preset
from gan_lessons.translation.pixelda import PRESETS, Config, PixelDA

SEEDS = (0, 1, 2)
DOMAINS: dict[str, Callable[..., Adaptation]] = {
    "MNIST to MNIST-M": mnist_to_mnist_m,
    "MNIST to USPS": mnist_to_usps,
}
FLOOR, CEILING = "source only", "target supervised"
WAYS = (FLOOR, "PixelDA", CEILING)
LOOKS, LAST = 20, 5  # how often a run is measured, and how many of the last looks are averaged


class Reader(Model):
    """T alone, that learns from labelled images: with as many updates, batches and layers."""

    takes = (TensorData,)
    needs_labels = True
    sampled = ("classifier",)
    optimizers = ("classifier_optimizer",)

    def __init__(self, config: Config):
        super().__init__(config)
        self.classifier = Classifier(config)
        self.classifier_optimizer = adam(self.classifier, config.learning_rate, config.betas)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        loss = class_loss(self.classifier(batch.x), batch.y)
        update(self.classifier_optimizer, loss)
        return {"task_loss": loss}


def config() -> Config:
    """The preset of the session's budget."""
    return preset(None, PRESETS)


def play(way: str, config: Config, data: Adaptation, test: Adaptation, seed: int = 0) -> Run:
    """Train in one of `WAYS`, and look `LOOKS` times how well T reads the target's test images."""
    players: dict[str, tuple[type[Model], TensorData | Adaptation]] = {
        FLOOR: (Reader, data.source),
        "PixelDA": (PixelDA, data),
        CEILING: (Reader, data.target),
    }
    if way not in players:
        raise ValueError(f"There is no way {way!r}; choose one of {', '.join(players)}.")

    def look(run: Run) -> dict[str, float]:
        return {"target": accuracy(run.model.classifier, test.target)}

    model, given = players[way]
    every = max(1, config.steps // LOOKS)
    options: dict[str, Any] = {"monitor": look, "monitor_every": every, "snapshots": 0}
    return fit(model, config, given, seed=seed, progress=False, **options)


def measure(run: Run, test: Adaptation) -> dict[str, Any]:
    """Accuracy on test images: of the target as the mean of the last looks, and by averaged T.

    `spread` is the largest difference between two of those looks, `source` of the averaged T.
    """
    last = run.monitored["target"][-LAST:]
    return {
        "target": fmean(last),
        "spread": max(last) - min(last),
        "average": accuracy(run.averaged.classifier, test.target),
        "source": accuracy(run.averaged.classifier, test.source),
        "steps": run.monitored["step"],
        "curve": run.monitored["target"],
    }
