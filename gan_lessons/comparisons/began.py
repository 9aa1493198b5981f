"""What the error decides in BEGAN: the paper's, and one in proportion to the ink of a drawing.

How the runs are made, and what is measured. `scripts/began_results.py` makes all runs and writes
`gan_lessons/results/began.json`, which the chapter shows.
"""

from dataclasses import replace

from torch import Tensor

from gan_lessons import metrics
from gan_lessons.data import TensorData
from gan_lessons.objectives import began
from gan_lessons.training import Run, fit, preset

SEEDS = (0, 1, 2)
STEPS = 1000  # of the games that are compared
GAMES = {  # the error, and gamma
    "the paper's error, gamma 1": (began.BEGAN, 1.0),
    "error for its ink, gamma 1": (began.DrawingBEGAN, 1.0),
}


def config(name: str) -> began.Config:
    """The settings of a game: the preset's, but for gamma and a shorter run."""
    chosen = preset(None, began.PRESETS)
    return replace(chosen, gamma=GAMES[name][1], steps=min(chosen.steps, STEPS))


def train(name: str, data: TensorData, seed: int = 0) -> Run:
    """Play one of the `GAMES` on digits."""
    return fit(GAMES[name][0], config(name), data, seed=seed, progress=False, snapshots=0)


def measure(run: Run, test_features: Tensor, n: int = 10_000) -> dict[str, float]:
    """Distance, precision, recall and classes of `n` samples, and the balance of the last fifth."""
    features = metrics.features(run.sample(n, seed=0))
    late = -max(1, run.steps // 5)
    history = run.history
    reached = history["generator_loss"][late:].mean() / history["real_error"][late:].mean()
    return {
        "frechet_distance": metrics.frechet_distance(features, test_features),
        **metrics.precision_recall(features, test_features)._asdict(),
        "classes": metrics.class_coverage(features).covered,
        "ratio": float(reached),
    }
