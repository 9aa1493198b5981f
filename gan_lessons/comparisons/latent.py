"""What the codes can do: every model of the latent part, asked the same questions.

How each model is trained for the comparison, and what is measured. `scripts/latent_results.py`
makes all runs and writes `gan_lessons/results/latent.json`; `scripts/latent_pictures.py` takes what
`pictures` shows from the executed chapters.
"""

from dataclasses import dataclass
from importlib.resources import files
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan_lessons import metrics, results
from gan_lessons.data import TensorData
from gan_lessons.evaluation.codes import encode, error_ratio, shuffled
from gan_lessons.evaluation.pairs import measure_pairs
from gan_lessons.latent import aae, acgan, bigan, clustergan, cogan
from gan_lessons.training import Run

SEEDS = (0, 1, 2)
CLASSES = 10
PICTURES = ("real", "AAE", "BiGAN", "ClusterGAN")  # rows of the stored strip


@dataclass(frozen=True)
class Entry:
    """One model: where it comes from, and what it can do besides drawing digits."""

    module: ModuleType
    asked: str | None = None  # what `sample` calls the classes or clusters that it is asked for
    named: bool = True  # whether these are the classes, or clusters without names
    encodes: bool = False  # has codes for images, which `sample` takes
    pairs: bool = False  # draws one code in two domains
    unused: tuple[str, ...] = ()  # fields of the config that the model does not read


ENTRIES = {
    "ACGAN": Entry(acgan, asked="labels"),
    "AAE": Entry(aae, encodes=True),
    "BiGAN": Entry(bigan, encodes=True),
    "ClusterGAN": Entry(clustergan, asked="clusters", named=False, encodes=True),
    "CoGAN": Entry(cogan, pairs=True, unused=("hidden",)),
}


def train(name: str, data: TensorData, seed: int = 0) -> Run:
    """Train a model of the part with the preset of the session's budget.

    `data` are digits; CoGAN makes its two domains from the same ones.
    """
    data = None if ENTRIES[name].pairs else data
    return ENTRIES[name].module.train(None, data, seed=seed, progress=False, snapshots=0)


def measure(entry: Entry, run: Run, test: TensorData) -> dict[str, float]:
    """What a trained model can do, on digits `test` that were held out of training.

    - `distance`: Fréchet distance (judge features) of as many samples as there are test digits.
    - `asked`: share of samples in which the judge sees the class that was asked for. A model whose
      clusters have no names gets the best ones, each class once.
    - `diversity`: mean distance of two of these samples of one class, as a share of the reals'.
    - `ratio`, `kept`: reconstructions of the test digits, [BIGAN-RATIO] with other digits in random
      order, and the share in which the judge sees the true class.
    - `clusters`, `nmi`, `ari`: agreement of k-means on the codes with the labels.
    - `pair`, `pixels`: class agreement and pixel agreement of pairs.
    """
    x, labels = test.floats().cpu(), test.labels.cpu()
    samples = run.sample(len(test), seed=0)
    numbers = {"distance": metrics.frechet_distance(samples, metrics.features(x))}
    if entry.asked:
        drawn = run.sample(len(test), seed=1, **{entry.asked: labels})
        found = metrics.classify(drawn)
        names = labels if entry.named else metrics.matched_classes(labels, found)[labels]
        numbers["asked"] = (found == names).double().mean().item()
        has_name = names >= 0  # a cluster has none if the judge sees fewer classes than clusters
        numbers["diversity"] = metrics.within_class_diversity(
            drawn[has_name], names[has_name], x, labels
        )
    if entry.encodes:
        codes = encode(run, x)
        redrawn = run.sample(len(test), z=codes)
        numbers["ratio"] = error_ratio(x, redrawn, shuffled(x)).item()
        numbers["kept"] = metrics.conditional_accuracy(redrawn, labels)
        numbers |= clusters(codes, labels)
    if entry.pairs:
        found = measure_pairs(run, test, n=len(test))
        numbers |= {"pair": found["class agreement"], "pixels": found["pixel agreement"]}
    return numbers


def clusters(rows: Tensor, labels: Tensor) -> dict[str, float]:
    """Agreement of k-means on `rows` (n, d) with the labels, as in `measure`."""
    agreement = metrics.cluster_agreement(metrics.k_means(rows, CLASSES), labels)
    return {"clusters": agreement.accuracy, "nmi": agreement.nmi, "ari": agreement.ari}


def measure_reals(train_digits: TensorData, test: TensorData) -> dict[str, float]:
    """What real digits reach in `measure`, and k-means on their pixels: the levels to compare with.

    Training digits stand in for samples, a digit of the same class for a reconstruction.
    """
    x, labels = test.floats().cpu(), test.labels.cpu()
    others = train_digits.subset(slice(len(test)))
    numbers = {"distance": metrics.frechet_distance(others.floats().cpu(), metrics.features(x))}
    numbers["asked"] = metrics.conditional_accuracy(others.floats().cpu(), others.labels.cpu())
    numbers["kept"] = metrics.conditional_accuracy(x, labels)
    return numbers | clusters(x.flatten(1), labels)


def strip(images: dict[str, Tensor]) -> Image.Image:
    """One row of grey images (n, 1, H, W) in [-1, 1] for each name, without gaps."""
    rows = [torch.cat(list(row[:, 0]), dim=1) for row in images.values()]
    grey = ((torch.cat(rows) + 1) * 127.5).round().clamp(0, 255)
    return Image.fromarray(grey.to(torch.uint8).numpy())


def pictures() -> dict[str, Tensor]:
    """Test digits, and what three models draw for their codes: (n, 1, H, W) by `PICTURES`.

    From the runs of the chapters, which have seed 0, as the executed chapters show them.
    """
    with Image.open(str(files(results) / "latent.webp")) as stored:
        pixels = torch.from_numpy(np.array(stored.convert("L"))) / 127.5 - 1
    rows = pixels.chunk(len(PICTURES))
    images = [torch.stack(row.split(len(row), dim=1))[:, None] for row in rows]
    return dict(zip(PICTURES, images, strict=True))
