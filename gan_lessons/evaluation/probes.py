"""What has an encoder learned? A linear reader is asked to name the classes from its features.

The encoder stays as it is; only the reader sees labels. Compared with the same network before its
first step, and with the pixels themselves, which are features, too.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_lessons.data import TensorData
from gan_lessons.evaluation.levels import untrained
from gan_lessons.steps import evaluating
from gan_lessons.training import Run

STRENGTH = 1e-2  # of the ridge, for each labelled sample


def encoder_features(run: Run, x: Tensor, chunk: int = 500) -> Tensor:
    """What the encoder of an inpainting network makes of whole pictures, as rows (n, d)."""
    encoder = run.averaged.generator.encoder
    with evaluating(encoder):
        return torch.cat([encoder(p.to(run.device)).flatten(1).cpu() for p in x.split(chunk)])


def linear_probe(
    rows: Tensor, labels: Tensor, test_rows: Tensor, test_labels: Tensor, strength: float = STRENGTH
) -> float:
    """The accuracy of ridge regression to the classes, W = (F'F + s n I)^-1 F'Y.  [CE-PROBE]

    `rows` (n, d) are features of labelled samples, `labels` their classes; the accuracy is that on
    the test rows. All features are brought to mean 0 and standard deviation 1 over the labelled
    samples, and a constant one is added.
    """
    mean, std = rows.double().mean(0), rows.double().std(0)
    f, g = (_with_one((v.double() - mean) / (std + 1e-8)) for v in (rows, test_rows))
    y = one_hot(labels, int(labels.max()) + 1).double()
    gram = f.T @ f + strength * len(f) * torch.eye(f.shape[1], dtype=f.dtype)
    guesses = (g @ torch.linalg.solve(gram, f.T @ y)).argmax(1)
    return (guesses == test_labels).double().mean().item()


def _with_one(rows: Tensor) -> Tensor:
    return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)


def measure_features(
    run: Run, train: TensorData, test: TensorData, *, labelled: int = 1000, n: int = 2000
) -> dict[str, float]:
    """Accuracies of `linear_probe` on `n` test samples, from the first `labelled` of `train`.

    "trained" reads the encoder of the run, "untrained" the same network before its first step, and
    "pixels" the pictures themselves.
    """
    x, z = train.floats(slice(labelled)).cpu(), test.floats(slice(n)).cpu()
    labels, truth = train.labels[:labelled].cpu(), test.labels[:n].cpu()
    fresh = untrained(run, run.seed)
    features = {
        "trained": (encoder_features(run, x), encoder_features(run, z)),
        "untrained": (encoder_features(fresh, x), encoder_features(fresh, z)),
        "pixels": (x.flatten(1), z.flatten(1)),
    }
    return {k: linear_probe(a, labels, b, truth) for k, (a, b) in features.items()}
