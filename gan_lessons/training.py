"""The training loop, and everything around it that is not the lesson.

It knows nothing about any variant. A model is a `torch.nn.Module` that is built from a config, owns
its optimisers and has `step(batch) -> dict of scalar tensors` and `sample(...)`.
"""

import dataclasses
import importlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

from gan_lessons import __version__
from gan_lessons.data import TensorData

BUDGETS = ("smoke", "cpu", "gpu")
PRECISIONS = ("float32", "bfloat16")
CHECK_EVERY = 50  # steps between two looks at the losses: each look waits for the device


# --- choices made once per run -----------------------------------------------------------------


def budget() -> str:
    """The budget of this session: "smoke", "cpu" or "gpu".

    The environment variable `GAN_LESSONS_BUDGET` decides; without it, the device does. An unknown
    value raises `ValueError`.
    """
    chosen = os.environ.get("GAN_LESSONS_BUDGET", "").strip().lower()
    if not chosen:
        return "cpu" if pick_device().type == "cpu" else "gpu"
    if chosen not in BUDGETS:
        raise ValueError(
            f"GAN_LESSONS_BUDGET is {chosen!r}; set it to one of {', '.join(BUDGETS)}, or unset it."
        )
    return chosen


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """The device to train on: the one asked for, else CUDA, else MPS, else the CPU.

    A device that this machine does not have raises `ValueError`.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device is None:
        return torch.device(next((name for name, there in present.items() if there), "cpu"))
    device = torch.device(device)
    if not present.get(device.type, True):
        raise ValueError(f"This machine has no {device.type!r} device; use device='cpu' or None.")
    return device


def preset(config: Any, presets: dict[str, Any]) -> Any:
    """The config to train with: a config itself, a preset's name, or None for the budget's preset.

    An unknown name raises `ValueError`, any other type `TypeError`.
    """
    names = ", ".join(repr(name) for name in presets)
    if config is None:
        config = budget()
    if isinstance(config, str):
        if config not in presets:
            raise ValueError(f"There is no preset {config!r}; choose one of {names}.")
        return presets[config]
    expected = type(next(iter(presets.values())))
    if not isinstance(config, expected):
        raise TypeError(
            f"config must be a {expected.__module__}.Config or one of {names}, "
            f"not {type(config).__module__}.{type(config).__name__}."
        )
    return config


# --- what a step is made of --------------------------------------------------------------------


def adam(module: nn.Module, learning_rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam over the parameters of `module`, as one fused kernel where torch has it."""
    parameters = list(module.parameters())
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=fused)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step downhill: clear the gradients, backpropagate `loss`, move the parameters."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, `module` passes gradients on to its input but collects none for its own weights."""
    wanted = [p for p in module.parameters() if p.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, `module` is in evaluation mode and builds no graph; its modes come back afterwards."""
    modes = {child: child.training for child in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for child, mode in modes.items():
            child.training = mode


@contextmanager
def own_randomness(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Inside, random numbers start from `seed`; the caller's stream is back, untouched, afterwards."""
    accelerators = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=accelerators):
        if seed is not None:
            torch.manual_seed(seed)
        yield


def to_bytes(samples: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8 on the CPU; points, shape (n, d), as they are."""
    samples = samples.detach().float().cpu()
    if samples.dim() < 4:
        return samples
    return ((samples + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


# --- the result --------------------------------------------------------------------------------


class DivergedError(RuntimeError):
    """A loss or a weight is no longer finite. `run` holds the last good state."""

    def __init__(self, message: str, run: "Run"):
        super().__init__(message)
        self.run = run


@dataclass
class Run:
    """A trained model and what is needed to trust it and to repeat it.

    `averaged` is a second copy of the model with exponentially averaged weights; samples come from
    it. `history` maps the name of each logged scalar to an array with one value per step.
    `snapshots` are samples from one fixed noise batch, shape (frames, n, *sample shape), uint8 for
    images; `snapshot_steps` says when each was taken.
    """

    model: nn.Module
    averaged: nn.Module
    config: Any
    seed: int
    device: str
    data_name: str
    steps: int = 0
    seconds: float = 0.0
    precision: str = "float32"
    version: str = __version__
    torch_version: str = torch.__version__
    history: dict[str, np.ndarray] = field(default_factory=dict)
    snapshots: Tensor | None = None
    snapshot_steps: list[int] = field(default_factory=list)
    monitored: dict[str, list[float]] = field(default_factory=dict)
    fixed_inputs: dict[str, Tensor] = field(default_factory=dict, repr=False)
    random_state: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def finished(self) -> bool:
        """True when all steps of the config are done."""
        return self.steps >= self.config.steps

    def sample(
        self, n: int, *, seed: int | None = None, chunk: int = 500, **inputs: Tensor
    ) -> Tensor:
        """`n` samples of the averaged model, on the CPU; images in [-1, 1], shape (n, C, H, W).

        Keyword inputs (such as `labels`) have `n` rows. With `seed`, the same samples every time.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}.")
        for name, value in inputs.items():
            if len(value) != n:
                raise ValueError(
                    f"{name} has {len(value)} rows, but n is {n}; give one row a sample."
                )
        if seed is None:  # from the caller's random numbers, which move on
            seed = int(torch.randint(2**31, ()))
        parts = []
        with own_randomness(torch.device(self.device), seed):
            for start in range(0, n, chunk):
                stop = min(start + chunk, n)
                part = {name: value[start:stop] for name, value in inputs.items()}
                parts.append(self.averaged.sample(stop - start, **part).float().cpu())
        return torch.cat(parts)

    def summary(self) -> str:
        """One line that belongs beside every number of this run."""
        state = "" if self.finished else f" of {self.config.steps:,}"
        return (
            f"{type(self.model).__name__}: {self.steps:,}{state} steps in {self.seconds:.0f} s on "
            f"{self.device}, seed {self.seed}, {self.data_name}"
        )

    def save(self, folder: str | Path) -> Path:
        """Write the run into `folder`; `load_run` brings it back and `resume` trains on.

        `run.safetensors` holds everything; `run.json` repeats what a person wants to read. Each
        file is replaced in one move, so an interrupted save leaves the old one.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors, facts = _pack(self)
        with _replacing(folder / "run.safetensors") as path:
            save_file(tensors, path, metadata={"run": json.dumps(facts)})
        with _replacing(folder / "run.json") as path:
            path.write_text(json.dumps(facts, indent=1) + "\n")
        return folder


# --- training ----------------------------------------------------------------------------------


def fit(
    model_class: type[nn.Module],
    config: Any,
    data: TensorData,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: bool = True,
    snapshots: int = 24,
    precision: str = "float32",
    monitor: Callable[["Run"], dict[str, float]] | None = None,
    monitor_every: int | None = None,
) -> Run:
    """Train `model_class(config)` on `data` for `config.steps` steps.

    - `snapshots`: how many times to sample from the fixed noise, closer together at the start.
    - `precision`: "float32", or "bfloat16" for autocast.
    - `monitor`: called with the run every `monitor_every` steps (default: a tenth of the run); the
      numbers it returns go to `run.monitored`. It does not disturb the training's random numbers.

    Stopping it from the keyboard returns the run so far; `resume` goes on from there. A loss that
    is no longer finite raises `DivergedError`, which holds the last good state. Bad arguments raise
    `ValueError`. The caller's random numbers are left alone.
    """
    _check_loop_options(config, precision, snapshots)
    device = pick_device(device)
    config = dataclasses.replace(config, shape=data.shape)
    with own_randomness(device, seed):
        model = _build(model_class, config, device)
        averaged = _build(model_class, config, device)
        averaged.load_state_dict(model.state_dict())
        run = Run(
            model=model,
            averaged=averaged,
            config=config,
            seed=seed,
            device=str(device),
            data_name=data.name,
            precision=precision,
        )
        run.fixed_inputs = _fixed_inputs(model, data.to(device))
        _train(run, data.to(device), progress, snapshots, monitor, monitor_every)
    return run


def resume(
    run: Run,
    data: TensorData,
    steps: int | None = None,
    *,
    progress: bool = True,
    snapshots: int = 24,
    monitor: Callable[[Run], dict[str, float]] | None = None,
    monitor_every: int | None = None,
) -> Run:
    """Train an interrupted, diverged or loaded run on, in place, until `steps` are done in all.

    On the CPU the result is the one of a run that was never interrupted. Data of another shape and
    a run that is already done raise `ValueError`.
    """
    if tuple(data.shape) != tuple(run.config.shape):
        raise ValueError(f"The run was trained on shape {run.config.shape}, not {data.shape}.")
    if steps is not None:
        run.config = dataclasses.replace(run.config, steps=steps)
    if run.finished:
        raise ValueError(f"The run has done {run.steps} steps already; pass a larger steps=….")
    device = torch.device(run.device)
    with own_randomness(device):
        _set_random_state(run.random_state, device)
        _train(run, data.to(device), progress, snapshots, monitor, monitor_every)
    return run


def _check_loop_options(config: Any, precision: str, snapshots: int) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    if snapshots < 0:
        raise ValueError(f"snapshots must not be negative, but is {snapshots}.")
    for name in ("steps", "batch_size"):
        if getattr(config, name) < 1:
            raise ValueError(f"config.{name} must be at least 1, not {getattr(config, name)}.")


def _build(model_class: type[nn.Module], config: Any, device: torch.device) -> nn.Module:
    with torch.device(device):  # created there, so that the optimisers hold the right parameters
        model = model_class(config)
    return model.to(memory_format=torch.channels_last)  # convolutions are faster this way


def _fixed_inputs(model: nn.Module, data: TensorData, n: int = 64) -> dict[str, Tensor]:
    if hasattr(model, "fixed_inputs"):  # a model whose samples need more than noise
        return model.fixed_inputs(n, data)
    return {"z": torch.randn(n, model.config.latent_dim, device=data.device)}


def _snapshot_steps(steps: int, count: int) -> list[int]:
    """`count` steps from 0 to `steps`, closer together at the start, where more changes."""
    if count == 0:
        return []
    return sorted({round(steps * (i / max(1, count - 1)) ** 1.7) for i in range(count)} | {steps})


def _train(
    run: Run,
    data: TensorData,
    progress: bool,
    snapshots: int,
    monitor: Callable[[Run], dict[str, float]] | None,
    monitor_every: int | None,
) -> None:
    """The loop itself: fetch, step, average, look."""
    model, config = run.model, run.config
    device = torch.device(run.device)
    moments = set(_snapshot_steps(config.steps, snapshots))
    monitor_every = monitor_every or max(1, config.steps // 10)
    average = _Average(run.averaged, model, config.average_decay)
    started = time.perf_counter() - run.seconds
    bar = tqdm(total=config.steps, initial=run.steps, disable=not progress, leave=False)
    pending: list[dict[str, Tensor]] = []
    good = _state(run)
    if run.steps == 0:
        _look(run, moments, monitor, monitor_every)
    model.train()
    try:
        while run.steps < config.steps:
            batch = data.batch(config.batch_size)
            if batch.x.dim() == 4:
                batch = batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))
            with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bfloat16"):
                losses = model.step(batch)
            pending.append({name: value.detach() for name, value in losses.items()})  # no graphs
            run.steps += 1
            average.update(run.steps)
            if run.steps % CHECK_EVERY == 0 or run.steps == config.steps:
                bar.set_postfix(_file(run, pending, good))
                bar.update(run.steps - bar.n)
                good = _state(run)
            _look(run, moments, monitor, monitor_every)
    except KeyboardInterrupt:
        _file(run, pending, good)
        print(f"Stopped at step {run.steps:,} of {config.steps:,}; the run is kept, resume() goes on.")
    finally:
        bar.close()
        run.seconds = time.perf_counter() - started
        run.random_state = _random_state(device)


class _Average:
    """Exponentially averaged weights and buffers; the average is short while the run is young."""

    def __init__(self, averaged: nn.Module, model: nn.Module, decay: float):
        pairs = zip(averaged.state_dict().values(), model.state_dict().values(), strict=True)
        pairs = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        self.means = [mean for mean, _ in pairs]
        self.values = [value for _, value in pairs]
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, step / (step + 10))
        get_ema_multi_avg_fn(decay)(self.means, self.values, None)


def _look(
    run: Run,
    moments: set[int],
    monitor: Callable[[Run], dict[str, float]] | None,
    monitor_every: int,
) -> None:
    """Snapshot and monitor, where due, without touching the random numbers of the training."""
    with own_randomness(torch.device(run.device)):
        if run.steps in moments:
            frame = to_bytes(run.averaged.sample(**run.fixed_inputs))[None]
            run.snapshots = frame if run.snapshots is None else torch.cat([run.snapshots, frame])
            run.snapshot_steps.append(run.steps)
        if monitor and run.steps and (run.steps % monitor_every == 0 or run.finished):
            for name, value in {"step": run.steps, **monitor(run)}.items():
                run.monitored.setdefault(name, []).append(value)


def _file(run: Run, pending: list[dict[str, Tensor]], good: dict[str, Any]) -> dict[str, float]:
    """Move pending losses into the history; return the latest ones; raise if one is not finite."""
    if not pending:
        return {}
    table = {
        name: torch.stack([losses[name].float() for losses in pending]).cpu().numpy()
        for name in pending[0]
    }
    first = run.steps - len(pending) + 1
    pending.clear()
    bad = {name: np.flatnonzero(~np.isfinite(values)) for name, values in table.items()}
    culprit = next((name for name, where in bad.items() if where.size), None)
    if culprit is None and not _weights_are_finite(run.model):
        culprit = "a weight"
    if culprit is not None:
        where = first + int(bad[culprit][0]) if culprit in bad else run.steps
        _restore(run, good)
        raise DivergedError(
            f"Training diverged: at step {where:,} {culprit} was no longer finite. The state after "
            f"step {run.steps:,} is kept in the `run` of this error. A smaller learning_rate, or "
            "another seed, is the first thing to try.",
            run,
        )
    for name, values in table.items():
        run.history[name] = np.concatenate([run.history.get(name, np.empty(0, np.float32)), values])
    return {name: float(values[-1]) for name, values in table.items()}


def _weights_are_finite(model: nn.Module) -> bool:
    return bool(torch.stack([p.isfinite().all() for p in model.parameters()]).all())


# --- states: of the random numbers, of a run, on disk ------------------------------------------


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _optimizers(model: nn.Module) -> dict[str, torch.optim.Optimizer]:
    return {k: v for k, v in vars(model).items() if isinstance(v, torch.optim.Optimizer)}


def _state(run: Run) -> dict[str, Any]:
    """A copy of everything that a step changes."""
    return {
        "steps": run.steps,
        "random_state": _random_state(torch.device(run.device)),
        "model": {k: v.clone() for k, v in run.model.state_dict().items()},
        "averaged": {k: v.clone() for k, v in run.averaged.state_dict().items()},
        "optimizers": {k: _copied(v.state_dict()) for k, v in _optimizers(run.model).items()},
    }


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return [_copied(v) for v in value] if isinstance(value, list) else value


def _restore(run: Run, state: dict[str, Any]) -> None:
    run.steps = state["steps"]
    run.random_state = state["random_state"]
    run.model.load_state_dict(state["model"])
    run.averaged.load_state_dict(state["averaged"])
    for name, optimizer in _optimizers(run.model).items():
        optimizer.load_state_dict(state["optimizers"][name])
    kept = [i for i, step in enumerate(run.snapshot_steps) if step <= run.steps]
    run.snapshot_steps = [run.snapshot_steps[i] for i in kept]
    run.snapshots = None if run.snapshots is None else run.snapshots[kept]


FACTS = ("seed", "device", "data_name", "steps", "seconds", "precision", "version", "torch_version")


def _pack(run: Run) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A run as named tensors and as facts that JSON can hold."""
    groups: dict[str, dict[str, Tensor]] = {
        "model": run.model.state_dict(),
        "averaged": run.averaged.state_dict(),
        "random_state": run.random_state,
        "fixed_inputs": run.fixed_inputs,
        "history": {k: torch.from_numpy(v) for k, v in run.history.items()},
        "snapshots": {} if run.snapshots is None else {"frames": run.snapshots},
    }
    optimizers = {}
    for name, optimizer in _optimizers(run.model).items():
        state = optimizer.state_dict()
        optimizers[name] = state["param_groups"]
        groups[f"optimizer.{name}"] = {
            f"{i}.{key}": value for i, slot in state["state"].items() for key, value in slot.items()
        }
    tensors = {
        f"{group}/{name}": value.detach().cpu().contiguous().clone()
        for group, members in groups.items()
        for name, value in members.items()
    }
    facts = {name: getattr(run, name) for name in FACTS}
    facts |= {
        "model_class": _name_of(type(run.model)),
        "config_class": _name_of(type(run.config)),
        "config": dataclasses.asdict(run.config),
        "snapshot_steps": run.snapshot_steps,
        "monitored": run.monitored,
        "optimizers": optimizers,
    }
    return tensors, facts


def _name_of(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _class_of(name: str) -> type:
    module, _, qualname = name.partition(":")
    if not module.startswith("gan_lessons."):  # a file must not choose what gets imported
        raise ValueError(f"The run's class {name} is not part of gan_lessons; rebuild it by hand.")
    value: Any = importlib.import_module(module)
    for part in qualname.split("."):
        value = getattr(value, part)
    return value


def load_run(folder: str | Path, device: str | torch.device | None = None) -> Run:
    """The run that `Run.save` wrote into `folder`, on `device` (default: the best one here).

    No run there raises `FileNotFoundError`; a file that is damaged or of another make, `ValueError`.
    """
    path = Path(folder) / "run.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"There is no saved run in {folder}; save one with run.save(folder).")
    device = pick_device(device)
    groups: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["run"])
            for key in file.keys():  # noqa: SIM118 - the file is no dictionary
                group, _, name = key.partition("/")
                groups.setdefault(group, {})[name] = file.get_tensor(key)
    except Exception as error:  # safetensors raises a type of its own for damaged files
        raise ValueError(f"{path} is damaged or is not a saved run: {error}") from error
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in facts["config"].items()}
    config = _class_of(facts["config_class"])(**tuples)
    model_class = _class_of(facts["model_class"])
    run = Run(
        model=_build(model_class, config, device),
        averaged=_build(model_class, config, device),
        config=config,
        **{name: facts[name] for name in FACTS},
    )
    run.device = str(device)
    run.model.load_state_dict(groups["model"])
    run.averaged.load_state_dict(groups["averaged"])
    for name, optimizer in _optimizers(run.model).items():
        optimizer.load_state_dict(_unpack_optimizer(facts, groups, name))
    run.history = {k: v.numpy() for k, v in groups.get("history", {}).items()}
    run.snapshots = groups.get("snapshots", {}).get("frames")
    run.snapshot_steps = facts["snapshot_steps"]
    run.monitored = facts["monitored"]
    run.fixed_inputs = {k: v.to(device) for k, v in groups["fixed_inputs"].items()}
    run.random_state = groups["random_state"]
    return run


def _unpack_optimizer(
    facts: dict[str, Any], groups: dict[str, dict[str, Tensor]], name: str
) -> dict[str, Any]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in groups.get(f"optimizer.{name}", {}).items():
        index, _, slot = key.partition(".")
        state.setdefault(int(index), {})[slot] = value
    return {"state": state, "param_groups": facts["optimizers"][name]}


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path` that takes its place only when it is complete."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
