"""The player as a browser gets it, with and without scripts."""

import base64
import io
import re
import types
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from gan_lessons import figures
from gan_lessons.figures import player_html, sheets, tile
from tests.figures.drawn import ALT, fading, steps


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
    buttons = [attrs for tag, attrs in page.tags if tag == "button"]
    assert {button["type"] for button in buttons} == {"button"}
    words = ["Previous frame: Training", "Play: Training", "Next frame: Training"]
    assert [button["aria-label"] for button in buttons] == words
    group = next(attrs for _, attrs in page.tags if attrs.get("role") == "group")
    assert group["aria-label"] == "Training"


def opening(page):
    """The frame on which the script opens a player."""
    return int(re.search(r"first = (\d+)", page)[1])


def assert_still(page, frame):
    """Without scripts the player shows this frame, and no controls."""
    image, (left, top, width, height) = Page(page)["img"]["style"], sprite(page)[1][frame]
    assert float(re.search(r"left:([-\d.]+)%", image)[1]) == pytest.approx(-100 * left / width)
    assert float(re.search(r"top:([-\d.]+)%", image)[1]) == pytest.approx(-100 * top / height)
    assert Page(page)["input"]["value"] == str(frame)
    controls = next(a for _, a in Page(page).tags if a.get("class") == "gan-player-controls")
    assert "hidden" in controls
    assert "display:none" in controls["style"]


def test_player_opens_on_its_first_frame_and_is_a_still_of_the_last_without_scripts():
    page = player_html(fading(), steps(5), title="Training", alt=ALT)
    assert opening(page) == 0
    assert page.index("go(first);") < page.index("controls.hidden = false;")
    assert_still(page, 4)


def test_player_opens_where_it_is_told_to_rest():
    page = player_html(fading(), steps(5), title="Training", alt=ALT, rest=3)
    assert opening(page) == 3
    assert Page(page)["input"]["aria-valuetext"] == "step 300"
    assert_still(page, 3)


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
        identity(rest=2),
    ]
    assert len({identity(), *others}) == 6


def test_player_escapes_what_it_is_given():
    nasty = 'a </script><b> & "c" {d} ' + ALT
    page = player_html(fading(), [nasty] * 5, title=nasty, alt=nasty)
    parsed = Page(page)
    assert parsed["img"]["alt"] == nasty
    assert parsed["button"]["aria-label"] == f"Previous frame: {nasty}"
    assert page.count("</script>") == 1
    assert "b" not in [tag for tag, _ in parsed.tags]


def test_player_of_24_frames_of_64_digits_is_small():
    digits = torch.from_numpy(load_digits().images[: 24 * 64] / 8 - 1).float()[:, None]
    digits = torch.nn.functional.interpolate(digits, size=32, mode="bicubic")
    noise = 0.1 * torch.randn(digits.shape, generator=torch.Generator().manual_seed(0))
    frames = (digits + noise).reshape(24, 64, 1, 32, 32)
    assert len(player_html(frames, steps(24), title="Digits", alt=ALT)) < 330_000


def drawing(k, height=300, width=320):
    """A picture of few shades, such as a plot: a disc that moves, two lines."""
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), 245, np.uint8)
    picture[height // 2, :], picture[:, width // 2] = 60, 60
    picture[(x - 20 * k - 40) ** 2 + (y - 100) ** 2 < 400] = (232, 113, 10)
    return picture


def test_drawn_pictures_are_shown_at_half_their_size_and_keep_their_pixels():
    frames = [drawing(k) for k in range(6)]
    page = player_html(frames, steps(6), title="Points", alt=ALT)
    assert "max-width:160px" in Page(page)["figure"]["style"]
    assert "image-rendering:auto" in Page(page)["img"]["style"]
    sheet, boxes = sprite(page)
    for frame, (left, top, width, height) in zip(frames, boxes, strict=True):
        assert (width, height) == (320, 300)
        assert (sheet[top : top + height, left : left + width] == frame).all()
    page = player_html(fading(), steps(5), title="Grey", alt=ALT, columns=2)
    assert "max-width:550px" in Page(page)["figure"]["style"], "22 pixels, enlarged 25 times"
    assert "image-rendering:pixelated" in Page(page)["img"]["style"]


def test_drawn_pictures_that_are_too_large_get_coarser_by_half_at_most(monkeypatch):
    monkeypatch.setattr(sheets, "MAX_SHARP", 400_000)
    frames = [drawing(k) for k in range(6)]
    page = player_html(frames, steps(6), title="Points", alt=ALT)
    assert "max-width:160px" in Page(page)["figure"]["style"]
    assert sprite(page)[1][0].tolist() == [0, 0, 240, 225]
    monkeypatch.setattr(sheets, "MAX_SHARP", 1000)
    page = player_html(frames, steps(6), title="Points", alt=ALT)
    assert sprite(page)[1][0].tolist() == [0, 0, 160, 150]


def test_drawn_pictures_with_many_shades_are_encoded_as_photographs():
    noise = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    smooth = [np.asarray(Image.fromarray(n).resize((96, 96)), np.uint8) for n in noise]
    sheet, boxes = sprite(player_html(smooth, steps(3), title="Noise", alt=ALT))
    left, top, width, height = boxes[2]
    found = sheet[top : top + height, left : left + width]
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 64


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
        (torch.zeros(4, 1, 1, 4000, 4000, dtype=torch.uint8), list("abcd"), "too many"),
    ],
)
def test_player_refuses_frames_that_do_not_fit(frames, labels, message):
    with pytest.raises(ValueError, match=message):
        player_html(frames, labels, title="Training", alt=ALT)


# --- the player of a training --------------------------------------------------------------------


def trained(frames):
    """As much of a run as its player needs."""
    steps = [100 * k for k in range(1, 1 + len(frames))] if frames is not None else []
    return types.SimpleNamespace(
        model=torch.nn.Linear(1, 1), snapshots=frames, snapshot_steps=steps
    )


def test_training_player_shows_the_first_images_of_every_snapshot(shown):
    frames = torch.randint(0, 256, (12, 40, 1, 8, 8), dtype=torch.uint8)
    figures.training_player(trained(frames), alt=ALT, title="It learns", caption="So.", n=6)
    labels = [f"step {100 * k:,}" for k in range(1, 13)]
    assert labels[-1] == "step 1,200"
    assert shown[0][0]["text/html"] == player_html(
        frames[:, :6], labels, title="It learns", alt=ALT, caption="So."
    )
    figures.training_player(trained(frames), alt=ALT, n=None, columns=10)
    title = "Linear during the training"
    assert shown[1][0] == {
        "text/html": player_html(frames, labels, title=title, alt=ALT, columns=10),
        "text/plain": ALT,
    }


def test_training_player_shows_each_row_below_what_was_given(shown):
    given = torch.linspace(-1, 0, 6)[:, None, None, None].expand(6, 3, 8, 8)
    made = torch.linspace(0, 1, 6)[:, None, None, None].expand(6, 1, 8, 8)
    figures.training_player(trained(made[None]), alt=ALT, n=4, columns=2, given=given)
    sheet, boxes = sprite(shown[0][0]["text/html"])
    _, _, width, height = boxes[0]
    grey = made.expand_as(given)
    rows = [given[:2], grey[:2], given[2:4], grey[2:4]]
    assert np.abs(sheet[:height, :width] - tile(torch.cat(rows), 2)).max() < 6


def test_training_player_says_what_is_missing():
    with pytest.raises(ValueError, match="no snapshots: train it with `snapshots` above 0"):
        figures.training_player(trained(None), alt=ALT)
    with pytest.raises(ValueError, match="scatter_frames"):
        figures.training_player(trained(torch.randn(5, 40, 2)), alt=ALT)
    images = torch.zeros(9, 1, 8, 8)
    with pytest.raises(ValueError, match="6 images in rows of 4 below 9 given ones"):
        figures.training_player(trained(images[None]), alt=ALT, n=6, columns=4, given=images)
