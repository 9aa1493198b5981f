"""What stops a training, with the run as it was."""

from typing import Any


class KeptRunError(RuntimeError):
    """Something went wrong in a training. `run` holds its last good state, for `resume`."""

    def __init__(self, message: str, run: Any):
        super().__init__(message)
        self.run = run


class DivergedError(KeptRunError):
    """A loss or a weight is no longer finite."""


class MonitorError(KeptRunError):
    """The reader's `monitor` has failed."""
