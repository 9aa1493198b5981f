"""Fixtures that all tests may use."""

import os
from pathlib import Path

import matplotlib
import pytest
import torch

matplotlib.use("Agg")
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with the real data sets: ``MNIST/``, ``USPS/``, ``facades/``, …

    Taken from the environment variable GAN_LESSONS_REAL_DATA; the test is skipped where that is
    not set. The folder is for reading only: copy from it into ``tmp_path``.
    """
    folder = os.environ.get("GAN_LESSONS_REAL_DATA")
    if not folder:
        pytest.skip("needs real data: set GAN_LESSONS_REAL_DATA to a folder with MNIST/, USPS/, …")
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        pytest.fail(f"GAN_LESSONS_REAL_DATA names no folder: {folder}")
    return path


@pytest.fixture(autouse=True)
def _fixed_seed():
    """Every test starts from the same global random state."""
    torch.manual_seed(0)
