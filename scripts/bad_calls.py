"""Bad input for everything but the variants: data, metrics, figures and what a page shows."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from gan_lessons import data, figures, metrics, page

NAN, INF = float("nan"), float("inf")
ALT = "A picture that a script makes to try what is refused."
Calls = Iterator[tuple[str, str, bool, Callable[[], Any]]]
Tries = Iterator[tuple[str, bool, Callable[[], Any]]]

GREY = torch.linspace(-1, 1, 100 * 32 * 32).view(100, 1, 32, 32)
LABELS = torch.arange(100) % 10
POINTS = torch.linspace(-1, 1, 200).view(100, 2)
BYTES = torch.zeros(20, 1, 32, 32, dtype=torch.uint8)
TINY = data.TensorData(BYTES, torch.arange(20) % 10)
# What is no tensor, or none of numbers that lie where they should.
NO_IMAGES = {
    "None": None,
    "a list": [[1.0]],
    "a string": "digits",
    "an array": np.zeros((4, 1, 32, 32)),
    "NaN": GREY * NAN,
    "nothing": GREY[:0],
    "a single number": torch.tensor(3.0),
    "complex": GREY.to(torch.complex64),
}
# Functions of single pixels pass on what is not finite, or nothing, and that is all right.
NO_FLOATS = {k: v for k, v in NO_IMAGES.items() if k not in ("NaN", "nothing", "a single number")}


def calls() -> Calls:
    """(area, name, whether it is bad, call) of every case."""
    for area, tries in {
        "data, tensors": tensors,
        "data, folders": folders,
        "data, digits and what is made of them": made,
        "data, points": points,
        "metrics": measured,
        "figures": drawn,
        "page": shown,
    }.items():
        for name, bad, call in tries():
            yield area, name, bad, call


def each(
    function: Callable[..., Any], name: str, values: Any, *given: Any, **options: Any
) -> Tries:
    """The function with each of the wrong values for one argument, or for the first (name "")."""
    pairs = values.items() if isinstance(values, dict) else ((repr(v)[:40], v) for v in values)
    for text, value in pairs:
        wrong = partial(function, **options, **{name: value}) if name else None
        call = partial(wrong, *given) if wrong else partial(function, value, *given, **options)
        yield f"{function.__name__}({name or 'first'}: {text})", True, call


def tensors() -> Tries:
    """Containers of data."""
    wrong = NO_IMAGES | {"floats": GREY, "whole numbers": BYTES.long(), "flat": BYTES[:, 0]}
    yield from each(data.TensorData, "", wrong)
    labels = ([0] * 20, "labels", LABELS[:20].float(), LABELS[:3], LABELS[:20] - 5, np.arange(20))
    yield from each(data.TensorData, "labels", labels, BYTES)
    colour = data.TensorData(BYTES.repeat(1, 3, 1, 1))
    for kind in (data.TwoDomains, data.Pairs, data.FewLabels, data.Adaptation):
        for other in (None, 3, BYTES, "digits", colour, data.Pairs(TINY, TINY)):
            yield f"{kind.__name__}(data, {other!r:.30})", True, partial(kind, TINY, other)
            yield f"{kind.__name__}({other!r:.30}, data)", True, partial(kind, other, TINY)
    for kind in (data.TwoDomains, data.Pairs):
        for crop in (0, -1, 33, 16.0, "16", True, NAN):
            yield (
                f"{kind.__name__}.augmented(crop={crop!r})",
                True,
                partial(kind(TINY, TINY).augmented, crop=crop),
            )
        for flip in ("yes", None, 2):
            yield (
                f"{kind.__name__}.augmented(flip={flip!r})",
                True,
                partial(kind(TINY, TINY).augmented, flip=flip),
            )
    for name in ("batch", "to", "subset"):
        for value in {"batch": (0, -1, 2.5, "3", None), "to": ("gpu", 3.5), "subset": ("a", [99])}[
            name
        ]:
            yield f"data.{name}({value!r})", True, partial(getattr(TINY, name), value)
    yield from each(data.to_bytes, "", NO_FLOATS | {"bytes": BYTES})


def folders() -> Tries:
    """Folders and data sets of pictures."""
    root = Path(tempfile.mkdtemp(prefix="bad-input-"))
    for part in ("trainA", "trainB"):
        (root / part).mkdir()
        Image.new("RGB", (64, 32)).save(root / part / "a.png")
    (root / "empty").mkdir()
    (root / "file").touch()
    (root / "broken").mkdir()
    (root / "broken" / "a.png").touch()
    paths = (None, 3, b"x", "a\0b", "nowhere", root / "file", root / "empty", root / "broken")
    for load, good in (
        (data.folder, root / "trainA"),
        (data.two_folders, root),
        (data.side_by_side, root / "trainA"),
    ):
        yield from each(load, "", paths)
        yield from each(load, "size", (0, 27, 73, 32.0, True, "32", None, NAN), good)
        yield from each(load, "channels", (0, 2, 3.0, True, "3", None, NAN), good)
        yield from each(load, "limit", (0, -1, 2.5, "3", True, NAN), good)
        yield f"{load.__name__}", False, partial(load, good)
    yield from each(data.two_folders, "split", ("val", None, 3), root)
    yield from each(data.side_by_side, "input_side", ("top", None, 3), root / "trainA")
    sets = (None, 3, [], {}, iter([1]), [1], ["a"], [(GREY[0] * 9, 0)], [(BYTES[0, 0, 0], 0)])
    yield from each(data.from_torchvision, "", sets)
    good = [(Image.new("L", (32, 32)), 0)]
    yield from each(data.from_torchvision, "size", (0, 27, 32.0, True, None), good)
    yield from each(data.from_torchvision, "channels", (0, 2, 3.0, True), good)
    yield from each(data.from_torchvision, "limit", (0, -1, 2.5, True), good)


def made() -> Tries:
    """Digits, facades and sets that are made of others."""
    for load in (data.digits, data.usps, data.toy_facades, data.digits_in_two_styles):
        for name, values in {
            "split": ("val2", None, 3, ""),
            "size": (0, 16, 27, 65, 32.0, "32", None, True, NAN),
        }.items():
            yield from each(load, name, values)
    yield from each(data.digits, "data_dir", (3, b"x", "a\0b"))
    yield from each(data.toy_facades, "n", (0, -1, 2.5, "3", True))
    yield from each(data.toy_facades, "seed", ("a", 1.5, -1, NAN, None))
    yield from each(data.digits_in_two_styles, "style", ("bold", None, 3))
    yield from each(data.few_labels, "", (None, "digits", BYTES, data.TwoDomains(TINY, TINY)))
    yield from each(data.few_labels, "n", (0, -10, 7, 1000, 10.0, "10", None, NAN), TINY)
    yield from each(data.few_labels, "seed", ("a", 1.5, -1, None), TINY, n=10)
    for change in (data.halves, lambda x: data.restyled(x, "edges")):
        yield from each(change, "", (None, "digits", BYTES))
    yield from each(data.halves, "seed", ("a", 1.5, -1, None), TINY)
    yield from each(data.restyled, "style", ("bold", None, 3), TINY)
    yield "restyled(points)", True, partial(data.restyled, data.ring(n=9), "edges")
    for change in (data.to_first, data.to_second, data.negative, data.edges):
        yield from each(change, "", NO_FLOATS | {"bytes": BYTES})
    for change in (data.coloured, data.to_grey):
        yield from each(change, "", NO_FLOATS | {"bytes": BYTES}, "first")
        yield from each(change, "domain", ("third", None, 3), GREY)


def points() -> Tries:
    """Points in the plane."""
    for make, count in ((data.ring, "n_modes"), (data.grid, "side"), (data.swiss_roll, "n")):
        for name in {count, "n"}:
            yield from each(make, name, (0, -1, 2.5, "3", None, True, NAN))
        yield from each(make, "std", (-1, NAN, INF, "a", None))
        yield from each(make, "seed", ("a", 1.5, -1, None, NAN))
        scale = "spacing" if make is data.grid else "radius"
        yield from each(make, scale, (NAN, INF, "a", None))


def measured() -> Tries:
    """Metrics: samples, references, labels."""
    wrong = NO_IMAGES | {"bytes": BYTES, "0 to 255": (GREY + 1) * 127.5, "flat": GREY[:, 0]}
    colour = {"colour": GREY.repeat(1, 3, 1, 1)}
    for one in (metrics.features, metrics.classify, metrics.class_coverage):
        yield from each(one, "", wrong | colour)
    for two in (
        *(metrics.frechet_distance, metrics.kernel_distance, metrics.precision_recall),
        metrics.report,
    ):
        for values in (wrong | colour,):
            yield from each(two, "", values, GREY)
            yield from each(two, "reference", values, GREY)
    yield from each(metrics.nearest_neighbours, "", NO_IMAGES, GREY)
    yield from each(metrics.nearest_neighbours, "reference", NO_IMAGES | colour, GREY)
    labels = (None, "a", [0] * 100, LABELS.float(), LABELS[:3], LABELS - 5, LABELS + 50)
    yield from each(metrics.conditional_accuracy, "labels", labels, GREY)
    yield from each(metrics.report, "labels", labels[1:], GREY, GREY)
    yield from each(metrics.report, "train", ("a", 3, colour["colour"]), GREY, GREY)
    yield from each(metrics.precision_recall, "k", (0, -1, 1.5, "3", None, 1000), GREY, GREY)
    for name, function in vars(metrics).items():
        if name in ("cluster_accuracy", "mutual_information", "adjusted_rand_index"):
            yield from each(function, "labels", labels[:6], LABELS)
            yield from each(function, "clusters", labels[:6], labels=LABELS)
    yield from each(metrics.k_means, "", NO_IMAGES, 3)
    yield from each(metrics.k_means, "k", (0, -1, 1.5, "3", None, 1000), POINTS)
    for rows in (NO_IMAGES | {"images": GREY},):
        yield from each(metrics.mode_coverage, "", rows, POINTS[:4], 0.1)
        yield from each(metrics.mode_coverage, "modes", rows, POINTS, std=0.1)
        yield from each(metrics.wasserstein_2d, "", rows, POINTS)
        yield from each(metrics.wasserstein_1d, "", rows, POINTS[:, 0])
    yield from each(metrics.mode_coverage, "std", (0, -1, NAN, "a", None, INF), POINTS, POINTS)
    yield from each(metrics.table, "", (None, {}, 3, [], {"a": 3}, {"a": None}))
    yield from each(metrics.load_judge, "", ("gpu", "cuda:99", 3.5))


def drawn() -> Tries:
    """Figures and players."""
    wrong = NO_IMAGES | {"whole numbers": BYTES.long(), "two channels": GREY.repeat(1, 2, 1, 1)}
    del wrong["an array"]
    yield from each(figures.sample_grid, "", wrong, alt=ALT)
    yield from each(figures.tile, "", wrong)
    yield from each(figures.compare_grids, "", ({}, None, 3, GREY, {"a": None}), alt=ALT)
    for name, values in {
        "columns": (0, -1, 2.5, "3", None, True),
        "alt": (None, "", "short", 3),
        "labels": ([1], "a", 3),
        "row_labels": ([1], 3),
        "column_labels": ([1], 3),
    }.items():
        given = {} if name == "alt" else {"alt": ALT}
        yield from each(figures.sample_grid, name, values, GREY[:9], **given)
    frames = GREY[:8].view(2, 4, 1, 32, 32)
    yield from each(
        figures.player, "", (None, 3, [], GREY, [GREY], frames[:0]), ["a"], alt=ALT, title="T"
    )
    yield from each(figures.player, "labels", ([], ["a"], 3, None), frames, alt=ALT, title="T")
    for name, values in {
        "columns": (0, -1, 2.5, "3", None),
        "seconds": (0, -1, NAN, "a", None),
        "rest": (2, -1, 0.5, "a"),
        "width": (0, -1, "a", NAN),
    }.items():
        yield from each(figures.player, name, values, frames, ["a", "b"], alt=ALT, title="T")
    bare = SimpleNamespace(snapshots=None)
    yield from each(figures.training_player, "", (None, 3, bare), alt=ALT)
    history = {"a_loss": [1.0, 2.0]}
    yield from each(figures.curves, "", (None, 3, {}, [], {"a_loss": "x"}, "run"), alt=ALT)
    yield from each(figures.curves, "keys", (["b"], 3, "b"), history, alt=ALT)
    yield from each(figures.curves, "smooth", (-1, 2.5, "3", NAN), history, alt=ALT)
    axes = {"alt": ALT, "xlabel": "x", "ylabel": "y"}
    entries = (None, 3, {}, {"a": [1, 2]}, {"a": ([1], [1, 2])}, {"a": "x"}, {"a": None})
    yield from each(figures.lines, "", entries, **axes)
    yield from each(figures.lines, "log", ("z", 3, True), {"a": [1, 2]}, [1, 2], **axes)
    yield from each(figures.lines, "points", (["b"], 3), {"a": [1, 2]}, [1, 2], **axes)
    some = (None, 3, {}, {"a": None}, {"a": "x"}, {"a": []}, {"a": [NAN]})
    yield from each(figures.histogram, "", some, alt=ALT, xlabel="x")
    yield from each(
        figures.histogram, "bins", (0, -1, 2.5, None), {"a": [1, 2]}, alt=ALT, xlabel="x"
    )
    yield from each(figures.bars, "", (None, 3, {"a": [1]}, {"a": None}), "xy", alt=ALT, ylabel="y")
    flat = {"None": None, "a string": "a", "images": GREY, "a number": 3, "three": torch.ones(4, 3)}
    yield from each(figures.scatter, "", flat | {"nothing": POINTS[:0]}, alt=ALT)
    yield from each(figures.scatter, "limits", ((0, 1), "abcd", 3), POINTS, alt=ALT)
    for judge in (None, 3, lambda x: None, lambda x: x, lambda x: "a"):
        yield f"field({judge!r:.30})", True, partial(figures.field, judge, POINTS, POINTS, alt=ALT)
    yield from each(figures.walk_frames, "anchors", (None, 3, POINTS, GREY[:1, 0]), lambda z: z)
    stops = torch.ones(2, 1, 4)
    yield from each(figures.walk_frames, "steps", (0, -1, 1.5, "3"), lambda z: z, stops)
    yield from each(figures.walk_frames, "", (None, 3, lambda z: None), stops)
    yield from each(figures.moving_average, "window", (0, -1, 1.5, "3", None), [1.0, 2.0])


def shown() -> Tries:
    """Source, settings and explorers."""
    for show in (page.show_source, page.show_settings):
        yield from each(show, "", (3, None, "gan", [], {}))
    yield from each(page.show_diff, "", (3, None, "gan"), data.ring)
    yield from each(page.show_diff, "new", (3, None, "gan"), data.ring)
    options = {"title": "T", "alt": ALT}
    good = lambda a: GREY[:4]  # noqa: E731
    for control in ([], 3, None, "a"[:0]):
        yield from each(page.explore, "a", {repr(control): control}, good, **options)
    yield from each(page.Slider, "low", (1, NAN, None, "a"), high=1)
    yield from each(page.Slider, "stops", (0, -1, 1.5, None, "a"), 0, 1)
    yield "explore() without controls", True, partial(page.explore, lambda: GREY, **options)
    for function in (None, 3, lambda a: None, lambda a: 3, lambda a: "a", lambda: GREY):
        yield from each(page.explore, "", {repr(function)[:30]: function}, a=[1, 2], **options)
    for explorer in (page.explore_latent, page.explore_classes):
        yield from each(explorer, "", (None, 3, "run", {}))
