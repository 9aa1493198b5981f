"""What holds for every test and for every kernel that the tests start.

This file is imported before any test or kernel, and what it puts into the environment is
inherited by the workers and by the kernels.

- The budget is always ``smoke``, even if you have exported another one: the suite is sized for
  it, and a test that passes only under somebody's own setting is no test. To run a chapter under
  another budget, use ``scripts/execute.py``.
- One thread for each worker: two workers with two threads each on two cores take longer.
- The cache folder is a new, empty one, so that nothing depends on what you have downloaded.
- There is no network: sockets of the test process reach this machine only, and kernels are given
  a proxy that is not there.
"""

import os
import shutil
import socket
import tempfile

import pytest

IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_OPEN = pytest.StashKey()
LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None}

os.environ["GAN_LESSONS_BUDGET"] = "smoke"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
# A kernel picks its inline backend only where no other is asked for; the tests ask for Agg
# in tests/conftest.py.
os.environ.pop("MPLBACKEND", None)
# A frozen module warning of the debugger would count as output of a cell.
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy"):
    os.environ[name] = os.environ[name.upper()] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "localhost,127.0.0.1,::1"
os.environ["PIP_NO_INDEX"] = "1"
# Kernels start in the notebook's folder and import the package of this checkout.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [os.path.dirname(os.path.abspath(__file__)), os.environ.get("PYTHONPATH")])
)
if not IS_WORKER:
    os.environ["GAN_LESSONS_DATA"] = tempfile.mkdtemp(prefix="gan-lessons-tests-")


class NetworkBlockedError(OSError):
    """A test has tried to reach another machine."""


def _guard(original):
    def connect(self, address, *args):
        if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in LOCAL:
            raise NetworkBlockedError(f"The tests run without a network; asked for {address}.")
        return original(self, address, *args)

    return connect


def _guard_names(original):
    def getaddrinfo(host, *args, **kwargs):
        if host not in LOCAL and host != socket.gethostname():
            raise NetworkBlockedError(f"The tests run without a network; asked for {host!r}.")
        return original(host, *args, **kwargs)

    return getaddrinfo


def pytest_addoption(parser, pluginmanager):
    """Let the options in pyproject.toml stand without pytest-xdist or nbval (``-p no:xdist``)."""
    if not pluginmanager.hasplugin("xdist"):
        parser.addoption("--numprocesses", help="ignored: pytest-xdist is not loaded")
        parser.addoption("--dist", help="ignored: pytest-xdist is not loaded")
    if not pluginmanager.hasplugin("nbval"):
        parser.addoption("--nbval-current-env", action="store_true", help="ignored: no nbval")


def pytest_configure(config):
    """Close the network."""
    config.stash[_OPEN] = (socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo)
    socket.socket.connect = _guard(socket.socket.connect)
    socket.socket.connect_ex = _guard(socket.socket.connect_ex)
    socket.getaddrinfo = _guard_names(socket.getaddrinfo)


def pytest_unconfigure(config):
    """Open it again and remove the cache folder of this run."""
    socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = config.stash[_OPEN]
    if not IS_WORKER:
        shutil.rmtree(os.environ["GAN_LESSONS_DATA"], ignore_errors=True)
