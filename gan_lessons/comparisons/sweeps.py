"""What comparisons share that give every model a learning rate of its own."""

import dataclasses
import statistics
import time
from typing import Any

import torch

from gan_lessons.devices import own_randomness, pick_device
from gan_lessons.model import Model
from gan_lessons.runs import build


def at_rate(rows: list[dict[str, Any]], name: str, rate: float) -> list[dict[str, Any]]:
    """The stored runs of a model at one rate, in the order of their seeds."""
    found = [r for r in rows if (r["name"], r["settings"]["learning_rate"]) == (name, rate)]
    return sorted(found, key=lambda row: row["seed"])


def seconds_in_turns(
    players: dict[str, tuple[type[Model], Any]], data: Any | dict[str, Any], rounds: int
) -> dict[str, float]:
    """The median seconds of one step of each model, measured in turns: once round, then again.

    In turns, so that what else the machine does hits all models alike. The first round does not
    count. `players` are the class and the config of each, which gets the shape of the data, images;
    `data` are those of all, or those of each by its name.
    """
    device = pick_device()
    given = data if isinstance(data, dict) else dict.fromkeys(players, data.to(device))
    given = {name: of_one.to(device) for name, of_one in given.items()}
    with own_randomness(device, 0):
        models = {
            name: build(cls, dataclasses.replace(config, shape=given[name].shape), device)
            for name, (cls, config) in players.items()
        }
        times: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(rounds + 1):
            for name, model in models.items():
                batch = given[name].batch(model.samples_per_step)
                # As the loop does it.
                batch = batch._replace(x=batch.x.contiguous(memory_format=torch.channels_last))
                started = time.perf_counter()
                losses = model.step(batch)
                [value.item() for value in losses.values()]  # waits for the device
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values[1:]) for name, values in times.items()}
