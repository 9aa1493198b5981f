"""Does a classifier read the images of a domain, and do repainted images keep their class?"""

import torch
from torch import nn

from gan_lessons.data import TensorData
from gan_lessons.data.made import redrawn
from gan_lessons.evaluation.translations import translate
from gan_lessons.steps import evaluating
from gan_lessons.training import Run


def accuracy(classifier: nn.Module, data: TensorData, n: int = 500) -> float:
    """Share of the images of `data` whose class the classifier sees; `n` images at a time.

    A classifier takes images (m, *shape) and returns logits (m, classes). Data without labels
    raise `ValueError`.
    """
    if data.labels is None:
        raise ValueError(f"{data.name} has no labels to compare with.")
    device = next(classifier.parameters(), torch.empty(0)).device
    right = 0
    with evaluating(classifier):
        for start in range(0, len(data), n):
            part = slice(start, start + n)
            found = classifier(data.floats(part).to(device)).argmax(1).cpu()
            right += int((found == data.labels[part].cpu()).sum())
    return right / len(data)


def adapted(run: Run, source: TensorData) -> TensorData:
    """Images of the source as a run repaints them, each once, with their labels."""
    return redrawn(source, lambda images: translate(run, images), "adapted")
