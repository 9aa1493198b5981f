"""A run: the trained model, its history, and how it is saved, loaded and set back."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_lessons import __version__
from gan_lessons.arguments import as_path, whole
from gan_lessons.checks import checked_seed
from gan_lessons.devices import own_randomness, pick_device, random_state
from gan_lessons.files import make_folder, read_tensors, replacing, write_tensors
from gan_lessons.messages import shown
from gan_lessons.model import Model
from gan_lessons.names import class_of, config_of, name_of


def build(model_class: type[Model], config: Any, device: torch.device) -> Model:
    """`model_class(config)` on `device`, with channels-last convolutions.

    Settings that ask for more memory than there is raise `ValueError`.
    """
    try:
        with torch.device(device):  # created there, so that the optimisers hold its parameters
            model = model_class(config)
    except (RuntimeError, MemoryError) as error:
        raise ValueError(
            f"{model_class.__name__} cannot be built with these settings: {error}. Choose smaller "
            "widths, or fewer and smaller hidden layers."
        ) from error
    return model.to(memory_format=torch.channels_last)  # convolutions are faster this way


def averaged_copy(model: Model, device: torch.device) -> Model:
    """A model of the same class, config and weights that can do nothing but sample."""
    copy = build(type(model), model.config, device)
    copy.load_state_dict(model.state_dict())
    copy.keep_what_samples_need()
    return copy


@dataclass
class Run:
    """A trained model and what is needed to trust it and to repeat it.

    `averaged` is a copy of the model that can only sample, with exponentially averaged weights; all
    samples come from it. `history` maps the name of each logged scalar to an array with one value
    per step. `snapshots` are samples from one fixed noise batch, shape (frames, n, *sample shape),
    uint8 for images; `snapshot_steps` says when each was taken.
    """

    model: Model
    averaged: Model
    config: Any
    seed: int
    device: str
    data_name: str
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
    def steps(self) -> int:
        """How many steps are done; the model keeps count."""
        return int(self.model.steps_done)

    @property
    def finished(self) -> bool:
        """True when all steps of the config are done."""
        return self.steps >= self.config.steps

    def sample(
        self, n: int, *, seed: int | None = None, chunk: int = 500, **inputs: Tensor
    ) -> Tensor:
        """`n` samples of the averaged model, on the CPU; images in [-1, 1], shape (n, C, H, W).

        Keyword inputs (such as `labels`) have `n` rows, on any device. With `seed`, the same
        samples every time.
        """
        n, chunk = whole("n", n), whole("chunk", chunk)
        for name, value in inputs.items():
            if not isinstance(value, Tensor) or value.dim() == 0:
                raise TypeError(f"{name} must be a tensor with {n} rows, not {shown(value)}.")
            if len(value) != n:
                raise ValueError(
                    f"{name} has {len(value)} rows, but n is {n}; give one row a sample."
                )
        if seed is None:  # from the caller's random numbers, which move on
            seed = int(torch.randint(2**31, ()))
        seed = checked_seed(seed)
        parts = []
        with own_randomness(torch.device(self.device), seed):
            for start in range(0, n, chunk):
                stop = min(start + chunk, n)
                part = {name: value[start:stop].to(self.device) for name, value in inputs.items()}
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
        folder = make_folder(folder)
        tensors, facts = _pack(self)
        write_tensors(folder / "run.safetensors", tensors, facts)
        with replacing(folder / "run.json") as path:
            path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return folder


def _optimizers(model: Model) -> dict[str, torch.optim.Optimizer]:
    return {name: getattr(model, name) for name in model.optimizers}


def _lay_out_like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Put what the optimiser remembers of a weight into that weight's order in memory.

    A file has no channels-last tensors, and a fused step goes through all of them in memory order.
    """
    for parameter, remembered in optimizer.state.items():
        for key, value in remembered.items():
            if value.shape == parameter.shape:
                remembered[key] = torch.empty_like(parameter).copy_(value)


def full_state(run: Run) -> dict[str, Any]:
    """A copy of everything that a step changes."""
    return {
        "random_state": random_state(torch.device(run.device)),
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


def restore(run: Run, state: dict[str, Any]) -> None:
    """Set `run` back to what `full_state` copied; what was recorded after it is dropped."""
    run.random_state = state["random_state"]
    run.model.load_state_dict(state["model"])
    run.averaged.load_state_dict(state["averaged"])
    for name, optimizer in _optimizers(run.model).items():
        optimizer.load_state_dict(state["optimizers"][name])
    run.history = {name: values[: run.steps] for name, values in run.history.items()}
    seen = [i for i, step in enumerate(run.snapshot_steps) if step <= run.steps]
    run.snapshot_steps = [run.snapshot_steps[i] for i in seen]
    run.snapshots = None if run.snapshots is None else run.snapshots[seen]
    kept = [i for i, step in enumerate(run.monitored.get("step", ())) if step <= run.steps]
    run.monitored = {name: [values[i] for i in kept] for name, values in run.monitored.items()}


FACTS = ("seed", "device", "data_name", "seconds", "precision", "version", "torch_version")


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
        f"{group}/{name}": value
        for group, members in groups.items()
        for name, value in members.items()
    }
    facts = {name: getattr(run, name) for name in FACTS}
    facts |= {
        "steps": run.steps,
        "model_class": name_of(type(run.model)),
        "config_class": name_of(type(run.config)),
        "config": dataclasses.asdict(run.config),
        "snapshot_steps": run.snapshot_steps,
        "monitored": run.monitored,
        "optimizers": optimizers,
    }
    return tensors, facts


def load_run(
    folder: str | Path,
    model_class: type[Model] | None = None,
    device: str | torch.device | None = None,
) -> Run:
    """The run that `Run.save` wrote into `folder`, on `device` (default: the best one here).

    A run of a class of your own needs it as `model_class`; the file chooses among the classes of
    gan_lessons only. No run there raises `FileNotFoundError`; a file that is damaged, or that was
    written by another version with other settings, `ValueError`. Nothing in the file is executed.
    """
    path = as_path("folder", folder) / "run.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"No saved run in {folder}; write one with run.save(folder).")
    if model_class is not None and not (
        isinstance(model_class, type) and issubclass(model_class, Model)
    ):
        raise TypeError(f"model_class must be a class of models, not {shown(model_class)}.")
    device = pick_device(device)
    tensors, facts = read_tensors(path)
    groups: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = value
    try:
        return _unpack(groups, facts, model_class, device)
    except Exception as error:  # whatever the facts are, the answer is the same
        written = facts.get("version", "an unknown version") if isinstance(facts, dict) else "?"
        raise ValueError(
            f"{path} cannot be made a run again: {error}. It was written by gan_lessons {written}; "
            f"this is {__version__}. With that version installed it loads."
        ) from error


def _unpack(
    groups: dict[str, dict[str, Tensor]],
    facts: dict[str, Any],
    model_class: type[Model] | None,
    device: torch.device,
) -> Run:
    """The run that `_pack` took apart."""
    if model_class is None:
        model_class = class_of(facts["model_class"], Model)
        config_class = class_of(facts["config_class"], object)
    else:  # the reader's own, and its config is where the reader defined or imported it
        config_class = class_of(facts["config_class"], object, model_class.__module__)
    config = config_of(config_class, facts["config"])
    model = build(model_class, config, device)
    run = Run(
        model=model,
        averaged=averaged_copy(model, device),
        config=config,
        **{name: facts[name] for name in FACTS},
    )
    run.device = str(device)
    run.model.load_state_dict(groups["model"])
    run.averaged.load_state_dict(groups["averaged"])
    for name, optimizer in _optimizers(run.model).items():
        optimizer.load_state_dict(_unpack_optimizer(facts, groups, name))
        _lay_out_like_parameters(optimizer)
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
