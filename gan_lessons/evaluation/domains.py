"""Does a classifier read the images of a domain, and do repainted images keep their class?"""

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
    right = 0
    with evaluating(classifier):
        for start in range(0, len(data), n):
            part = slice(start, start + n)
            right += int((classifier(data.floats(part)).argmax(1) == data.labels[part]).sum())
    return right / len(data)


def adapted(run: Run, source: TensorData) -> TensorData:
    """Images of the source as a run repaints them, each once, with their labels."""
    return redrawn(source, lambda images: translate(run, images), "adapted")
