"""Figures: alternative text, what the pictures hold, and the player as a browser gets it."""

import base64
import io
import re
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from gan_lessons import figures
from gan_lessons.figures import player_html, slerp, tile, walk_frames

ALT = "Sixteen grey squares that grow lighter from the first frame to the last."


@pytest.fixture
def shown(monkeypatch):
    """Collect what would be displayed, as (bundle, metadata)."""
    collected = []

    def publish(bundle, metadata=None):
        collected.append((bundle, metadata))
        return True

    monkeypatch.setattr(figures, "publish", publish)
    return collected


def pixels(bundle):
    png = base64.b64decode(bundle["image/png"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


class Page(HTMLParser):
    """Every start tag with its attributes, and whether all tags are closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), "an attribute stands twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def __getitem__(self, tag):
        return next(attrs for name, attrs in self.tags if name == tag)


def steps(n):
    return [f"step {100 * k}" for k in range(n)]


def fading(n=5, images=4, size=8):
    """Frames (n, images, 1, size, size), each of one grey, that grow lighter."""
    greys = torch.linspace(-1, 1, n)[:, None, None, None, None]
    return greys.expand(n, images, 1, size, size)


# --- show ----------------------------------------------------------------------------------------


def test_show_gives_a_white_png_with_alternative_text_and_width(shown):
    fig, ax = figures.figure()
    ax.plot([0, 1], [0, 1])
    assert figures.show(fig, alt="A straight  line from\nthe origin to (1, 1).") is None
    bundle, metadata = shown[0]
    alt = "A straight line from the origin to (1, 1)."
    assert metadata == {"image/png": {"alt": alt, "width": 600}}
    assert bundle["text/plain"] == alt
    picture = pixels(bundle)
    assert picture.shape == (576, 960, 3)
    assert (picture[0] == 255).all()


def test_show_outside_ipython_prints_the_alternative_text_and_returns_the_figure(capsys):
    fig, _ = figures.figure()
    assert figures.show(fig, alt=ALT) is fig
    assert capsys.readouterr().out == ALT + "\n"


@pytest.mark.parametrize("alt", ["", "   ", "digits", " a    b    c    d    e "])
def test_alternative_text_is_required(alt):
    fig, _ = figures.figure()
    with pytest.raises(ValueError, match="alternative text"):
        figures.show(fig, alt=alt)
    with pytest.raises(ValueError, match="alternative text"):
        player_html(fading(), steps(5), title="Grey", alt=alt)


def test_no_figure_changes_the_readers_settings(shown):
    before = dict(matplotlib.rcParams)
    figures.sample_grid(fading()[0], alt=ALT)
    figures.curves({"a_loss": [1, 2, 3]}, alt=ALT)
    figures.scatter(torch.randn(20, 2), alt=ALT)
    assert dict(matplotlib.rcParams) == before


# --- images --------------------------------------------------------------------------------------


def test_tile_keeps_every_pixel():
    images = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8)
    sheet = tile(images, columns=3)
    assert sheet.shape == (2 * 6 + 2, 3 * 8 + 2, 3)
    assert (sheet[8:12, 10:16] == images[4].permute(1, 2, 0).numpy()).all()
    assert (sheet[8:12, 18:24] == 255).all()  # there is no sixth image


def test_floats_map_minus_one_to_black_and_one_to_white_and_are_clipped():
    images = torch.tensor([-1.0, 0.0, 1.0, 1.5]).reshape(4, 1, 1, 1)
    assert figures.to_uint8(images)[:, 0, 0, 0].tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 8, 8), "must have the shape"),
        (torch.zeros(1, 2, 8, 8), "must have the shape"),
        (torch.full((1, 1, 8, 8), float("nan")), "diverged"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.int64), "uint8, not torch.int64"),
    ],
)
def test_images_that_are_none_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        tile(images)


def test_sample_grid_enlarges_every_pixel_alike(shown):
    images = torch.randint(0, 2, (64, 1, 32, 32), dtype=torch.uint8) * 255
    figures.sample_grid(images, alt=ALT)
    picture = pixels(shown[0][0])
    sheet = tile(images)
    scale = picture.shape[1] // sheet.shape[1]
    assert (picture == sheet.repeat(scale, 0).repeat(scale, 1)).all()


def test_sample_grid_checks_its_labels(shown):
    with pytest.raises(ValueError, match="`labels` has 3 entries, but 4 are needed"):
        figures.sample_grid(fading()[0], alt=ALT, labels=[1, 2, 3])
    with pytest.raises(ValueError, match="`row_labels` has 1 entries, but 2 are needed"):
        figures.sample_grid(fading()[0], columns=2, alt=ALT, row_labels=["real"])
    figures.sample_grid(
        fading()[0], columns=2, alt=ALT, labels="abcd", row_labels="ab", column_labels="xy"
    )
    assert len(shown) == 1


def test_compare_grids_shows_all_of_them_also_of_different_sizes(shown):
    grids = {name: fading()[0] for name in "abcd"} | {"few": fading()[0][:1]}
    figures.compare_grids(grids, alt=ALT)
    assert len(shown) == 1
    with pytest.raises(ValueError, match="nothing to compare"):
        figures.compare_grids({}, alt=ALT)


# --- curves and the plane ------------------------------------------------------------------------


def test_moving_average_is_centred_and_leaves_out_what_is_not_finite():
    values = [1.0, 2.0, np.nan, 4.0, 5.0]
    expected = [np.nanmean(values[max(k - 1, 0) : k + 2]) for k in range(5)]
    np.testing.assert_allclose(figures.moving_average(values, 3), expected)
    np.testing.assert_allclose(figures.moving_average([3.0, 1.0], 1), [3.0, 1.0])


def test_curves_choose_the_losses_and_name_the_runs():
    run = {"generator_loss": [1, 2], "real_score": [5, 6]}
    assert [name for name, _, _ in figures._lines(run, None)] == ["generator loss"]
    both = {"GAN": run, "DCGAN": run}
    names = [name for name, _, _ in figures._lines(both, ["real_score"])]
    assert names == ["GAN", "DCGAN"]
    _, x, y = next(figures._lines({"step": [10, 20], "distance": [9.0, 8.0]}, None))
    assert (x.tolist(), y.tolist()) == ([10, 20], [9.0, 8.0])
    with pytest.raises(ValueError, match="no 'loss' in the history; there are:"):
        list(figures._lines(run, ["loss"]))


def test_field_is_coloured_by_the_score(shown):
    real, fake = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.zeros(1, 2)
    figures.field(lambda x: 50 * x[:, :1], real, fake, alt=ALT)
    picture = pixels(shown[0][0]).astype(int)
    height, width, _ = picture.shape
    left, right = picture[height // 4, width // 4], picture[height // 4, width * 5 // 8]
    assert left[0] > left[2] + 50  # orange: fake
    assert right[2] > right[0] + 50  # blue: real


def test_field_asks_for_one_score_a_point():
    with pytest.raises(ValueError, match="one score for each"):
        figures.field(lambda x: x, torch.randn(5, 2), torch.randn(5, 2), alt=ALT)


def test_field_frames_are_drawn_one_by_one_and_have_one_size():
    seen = []

    def states():
        for k in range(2):
            seen.append(k)
            yield (lambda x, k=k: k * x[:, 0]), torch.full((3, 2), float(k))

    frames = figures.field_frames(states(), torch.randn(10, 2))
    assert seen == [0, 1]
    assert frames[0].shape == frames[1].shape
    assert frames[0].dtype == np.uint8
    assert (frames[0] != frames[1]).any()


def test_points_must_lie_in_the_plane():
    with pytest.raises(ValueError, match=r"shape \(N, 2\)"):
        figures.scatter(torch.randn(5, 3), alt=ALT)


def test_histogram_and_bars_and_panels(shown):
    values = torch.randn(100)
    figures.histogram({"real": values, "fake": values + 1}, alt=ALT, xlabel="score")
    figures.bars({"real": [0.5, 0.5]}, ["zero", "one"], alt=ALT, ylabel="share")
    figures.scatter(torch.randn(9, 2), {k: torch.randn(9, 2) for k in "abcd"}, alt=ALT)
    assert len(shown) == 3
    with pytest.raises(ValueError, match="`fake` has 1 entries, but 2 are needed"):
        figures.bars({"fake": [1.0]}, ["zero", "one"], alt=ALT, ylabel="share")


# --- walks ---------------------------------------------------------------------------------------


def test_slerp_stays_on_the_sphere_and_meets_its_ends():
    a, b = torch.nn.functional.normalize(torch.randn(2, 6, 10, dtype=torch.float64), dim=-1)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    middle = slerp(a, b, 0.3)
    torch.testing.assert_close(middle.norm(dim=-1), torch.ones(6, dtype=torch.float64))
    whole = torch.arccos((a * b).sum(-1))
    torch.testing.assert_close(torch.arccos((a * middle).sum(-1)), 0.3 * whole)


def test_slerp_of_equal_and_of_opposite_noise_is_finite():
    a = torch.ones(1, 4)
    torch.testing.assert_close(slerp(a, a, 0.5), a)
    assert torch.isfinite(slerp(a, -a, 0.5)).all()


def test_walk_goes_through_the_anchors_and_back():
    anchors = torch.randn(3, 2, 16)
    frames = walk_frames(lambda z: z.reshape(-1, 1, 4, 4), anchors, steps=4)
    assert frames.shape == (12, 2, 1, 4, 4)
    torch.testing.assert_close(frames[::4].flatten(2), anchors)
    with pytest.raises(ValueError, match="at least two stops"):
        walk_frames(lambda z: z, anchors[:1])


# --- the player ----------------------------------------------------------------------------------


def sprite(page):
    """The sheet of a player, and the box (left, top, width, height) of each frame in pixels."""
    kind, data = re.search(r'src="data:image/(\w+);base64,([^"]+)"', page).groups()
    sheet = Image.open(io.BytesIO(base64.b64decode(data)))
    assert sheet.format.lower() == kind
    image = Page(page)["img"]["style"]
    share = {k: float(re.search(rf"{k}:([-\d.]+)%", image)[1]) for k in ("width", "height")}
    width, height = (100 * side / share[k] for side, k in zip(sheet.size, share, strict=True))
    right = float(re.search(r"left = -([\d.]+) \*", page)[1])
    down = float(re.search(r"top = -([\d.]+) \*", page)[1])
    across = int(re.search(r"across = (\d+)", page)[1])
    last = int(re.search(r"last = (\d+)", page)[1])
    boxes = [
        (right / 100 * width * (k % across), down / 100 * height * (k // across), width, height)
        for k in range(last + 1)
    ]
    return np.asarray(sheet.convert("RGB")).astype(int), np.rint(boxes).astype(int)


@pytest.mark.parametrize("channels", [1, 3])
def test_player_holds_every_frame(channels):
    frames = fading(7, 4, 32).repeat(1, 1, channels, 1, 1)
    frames = frames + 0.05 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(0))
    sheet, boxes = sprite(player_html(frames, steps(7), title="Grey", alt=ALT, columns=2))
    assert len(boxes) == 7
    for frame, (left, top, width, height) in zip(frames, boxes, strict=True):
        found = sheet[top : top + height, left : left + width]
        wanted = tile(frame, 2).astype(int)
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).mean() < 6


def test_player_of_few_colours_is_lossless():
    frames = [np.full((20, 30, 3), 10 * k, np.uint8) for k in range(4)]
    sheet, boxes = sprite(player_html(frames, steps(4), title="Grey", alt=ALT))
    for frame, (left, top, width, height) in zip(frames, boxes, strict=True):
        assert (sheet[top : top + height, left : left + width] == frame).all()


def test_player_is_labelled_for_assistive_technology():
    page = Page(
        player_html(fading(), steps(5), title="Training", alt=ALT, caption="It grows lighter.")
    )
    assert page.open == []
    assert page["img"]["alt"] == ALT
    slider = page["input"]
    assert slider["type"] == "range"
    assert slider["aria-label"] == "Training: frame"
    assert slider["aria-valuetext"] == "step 400"
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "4", "4")
    assert page["button"]["type"] == "button"
    assert page["button"]["aria-label"] == "Play: Training"


def test_player_starts_as_a_still_of_the_last_frame_with_hidden_controls():
    page = player_html(fading(), steps(5), title="Training", alt=ALT)
    _, boxes = sprite(page)
    left, top, width, height = boxes[-1]
    image = Page(page)["img"]["style"]
    assert float(re.search(r"left:([-\d.]+)%", image)[1]) == pytest.approx(-100 * left / width)
    assert float(re.search(r"top:([-\d.]+)%", image)[1]) == pytest.approx(-100 * top / height)
    controls = next(a for _, a in Page(page).tags if a.get("class") == "gan-player-controls")
    assert "hidden" in controls
    assert "display:none" in controls["style"]


def test_player_loads_nothing_from_elsewhere():
    page = player_html(fading(), steps(5), title="Training", alt=ALT)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]+", "", page))


def test_player_has_an_id_made_from_its_content():
    def identity(**changes):
        options = {"frames": fading(), "labels": steps(5), "title": "Training", "alt": ALT}
        return Page(player_html(**options | changes))["figure"]["id"]

    assert identity() == identity()
    others = [
        identity(frames=fading(5, 4, 9)),
        identity(labels=list("abcde")),
        identity(title="Walk"),
        identity(caption="It grows lighter."),
    ]
    assert len({identity(), *others}) == 5


def test_player_escapes_what_it_is_given():
    nasty = 'a </script><b> & "c" {d} ' + ALT
    page = player_html(fading(), [nasty] * 5, title=nasty, alt=nasty)
    parsed = Page(page)
    assert parsed["img"]["alt"] == nasty
    assert parsed["button"]["aria-label"] == f"Play: {nasty}"
    assert page.count("</script>") == 1
    assert "b" not in [tag for tag, _ in parsed.tags]


def test_player_of_24_frames_of_64_digits_is_small():
    digits = torch.from_numpy(load_digits().images[: 24 * 64] / 8 - 1).float()[:, None]
    digits = torch.nn.functional.interpolate(digits, size=32, mode="bicubic")
    noise = 0.1 * torch.randn(digits.shape, generator=torch.Generator().manual_seed(0))
    frames = (digits + noise).reshape(24, 64, 1, 32, 32)
    assert len(player_html(frames, steps(24), title="Digits", alt=ALT)) < 330_000


def test_player_displays_html_with_the_alternative_text_as_plain_text(shown):
    figures.player(fading(), steps(5), title="Training", alt=ALT)
    bundle, _ = shown[0]
    assert bundle == {
        "text/html": player_html(fading(), steps(5), title="Training", alt=ALT),
        "text/plain": ALT,
    }


@pytest.mark.parametrize(
    ("frames", "labels", "message"),
    [
        (fading(), steps(4), "`labels` has 4 entries, but 5 are needed"),
        (fading()[0], steps(4), "must have the shape"),
        (torch.randn(5, 10, 2), steps(5), "scatter_frames"),
        ([], [], "at least one frame"),
        ([np.zeros((4, 4, 3))], ["a"], "uint8 picture"),
        (
            [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)],
            ["a", "b"],
            "same size",
        ),
        ([np.zeros((4000, 4000, 3), np.uint8)] * 4, list("abcd"), "too many"),
    ],
)
def test_player_refuses_frames_that_do_not_fit(frames, labels, message):
    with pytest.raises(ValueError, match=message):
        player_html(frames, labels, title="Training", alt=ALT)


def test_gradient_paths_show_what_moves_and_refuse_unknown_roles():
    alt = "A chain from the noise over G and D to the loss, cut before D."
    chain = [("z", "value"), ("G", "still"), ("detach", "cut"), ("D", "moves"), ("loss", "value")]
    fig = figures.gradient_paths({"a step": chain}, alt=alt)
    notes = {text.get_text() for text in fig.axes[0].texts}
    assert {"stays", "moves", "detach"} <= notes
    arrows = [a for a in fig.axes[0].texts if getattr(a, "arrow_patch", None)]
    backwards = [a for a in arrows if a.xy[0] < a.xyann[0]]
    assert len(arrows) - len(backwards) == 3, "values run through the cut"
    assert len(backwards) == 2, "the gradient reaches D and ends at the cut"
    assert min(a.xy[0] for a in backwards) > 2, "it does not reach G"
    with pytest.raises(ValueError, match="Unknown roles"):
        figures.gradient_paths({"a step": [("z", "value"), ("G", "frozen")]}, alt=alt)
