"""The Inception score, with the judge in Inception's place: to know it, not to use it."""

import torch
from torch import Tensor

from gan_lessons.metrics.judge import Judge, features, load_judge


@torch.no_grad()
def inception_score(samples: Tensor) -> float:
    """exp E KL(p(y | x) || p(y)), p(y | x) the judge's probabilities.  [METRIC-IS]

    From 1, all samples alike to the judge, to 10, all samples sure and all classes equally often.
    No real data are looked at: one image a class scores as well as ten thousand. `samples` are grey
    digits (N, 1, H, W) in [-1, 1], or judge features (N, 64). Raises as `classify`.

    Source: Salimans et al. 2016, https://arxiv.org/abs/1606.03498
    """
    rows = features(samples)
    if rows.shape[1] != Judge.num_features:
        raise ValueError(
            f"rows have {rows.shape[1]} numbers, the judge's features {Judge.num_features}: "
            "pass images (N, 1, H, W), or what gan_lessons.metrics.features returned."
        )
    given = load_judge().head(rows.float()).double().softmax(dim=1)
    overall = given.mean(dim=0)
    entropies = [-torch.special.xlogy(p, p).sum(dim=-1) for p in (overall, given)]
    return (entropies[0] - entropies[1].mean()).exp().item()
