"""Does a model that is asked for a class draw it, in all its variety?"""

from torch import Tensor

from gan_lessons import metrics
from gan_lessons.data import TensorData
from gan_lessons.training import Run


def compare_with_labels(samples: Tensor, labels: Tensor, test: TensorData) -> dict[str, float]:
    """Accuracy and diversity by class, and the distance to real digits, by the book's judge.

    `samples` are digits (n, 1, H, W) in [-1, 1], `labels` the classes that were asked for, int64
    (n,), and `test` labelled digits that were held out of training. "conditional_accuracy" is the
    share in which the judge sees the class asked for; "diversity" the mean distance of two samples
    of one class, as a share of the reals'; "frechet_distance" is in judge features.
    """
    real, features = test.floats(), metrics.features(samples)
    return {
        "conditional_accuracy": metrics.conditional_accuracy(features, labels),
        "diversity": metrics.within_class_diversity(samples, labels, real, test.labels),
        "frechet_distance": metrics.frechet_distance(features, metrics.features(real)),
    }


def measure_with_labels(run: Run, test: TensorData, seed: int = 1) -> dict[str, float]:
    """What `compare_with_labels` finds for one sample of a run for each digit of `test`.

    Each is asked to be of that digit's class.
    """
    samples = run.sample(len(test), labels=test.labels, seed=seed)
    return compare_with_labels(samples, test.labels, test)
