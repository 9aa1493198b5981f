"""What a notebook becomes on its page: opening picture, captions, answers, minutes, number."""

import base64
import io
import sys

import nbformat
import pytest
import torch
from docutils import nodes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from gan_lessons import figures
from tests.book.content import BOOK

sys.path.append(str(BOOK / "_ext"))
import chapter_pages
import pictures
import reading

ALT = "A grid of pixels, for a test of the pages."


def png(size=(8, 4), colour="red"):
    """A picture as it stands in a notebook."""
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "png")
    return base64.b64encode(data.getvalue()).decode()


# --- the picture -----------------------------------------------------------------------------


def stored(tmp_path, data, tags=("first-picture",)):
    path = tmp_path / "gan.ipynb"
    cell = new_code_cell("f()", outputs=[new_output("display_data", data=data)])
    cell.metadata["tags"] = list(tags)
    nbformat.write(new_notebook(cells=[new_code_cell("1"), cell]), path)
    return path


def test_the_first_picture_is_given_as_it_is(tmp_path):
    found = pictures.picture(stored(tmp_path, {"image/png": png()}))
    assert (found.size, found.getpixel((0, 0))) == ((8, 4), (255, 0, 0))


@pytest.mark.parametrize("data", [{"text/plain": "none"}, {"text/html": "<b>none</b>"}])
def test_a_cell_without_a_picture_gives_none(tmp_path, data):
    assert pictures.picture(stored(tmp_path, data)) is None


def test_no_tag_gives_none(tmp_path):
    assert pictures.picture(stored(tmp_path, {"image/png": png()}, tags=())) is None


@pytest.mark.parametrize("rest", [None, 0, 2])
def test_of_a_player_the_frame_is_taken_that_it_shows(rest):
    """Five frames of one grey each, in pictures of a size that is no whole number of blocks."""
    frames = torch.linspace(-1, 1, 5).view(5, 1, 1, 1, 1).expand(5, 6, 1, 9, 9)
    labels = list("abcde")
    html = figures.player_html(frames, labels, title="Greys", alt=ALT, columns=3, rest=rest)
    frame = pictures.still(html)
    tiles = figures.grids.tile(frames[0], 3).shape
    times = -(-pictures.LEAST // tiles[1])
    assert frame.size == (times * tiles[1], times * tiles[0])
    shade = [0, 64, 128, 191, 255][4 if rest is None else rest]
    middle = frame.getpixel((frame.width // 6, frame.height // 4))
    assert all(abs(value - shade) <= 6 for value in middle)


# --- the minutes -----------------------------------------------------------------------------


def code(source, *tags, output=""):
    outputs = [new_output("display_data", data={"text/markdown": output})] if output else []
    return new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs)


def minutes(*cells):
    return reading.minutes(new_notebook(cells=list(cells)))


TEXT = "word " * 2 * reading.WORDS  # two minutes
LINES = "x = 1\n" * (180 // reading.LINE)  # three minutes


def test_words_code_and_equations_take_time():
    assert minutes(new_markdown_cell("# A title")) == (1, 1)
    assert minutes(new_markdown_cell(TEXT)) == (2, 2)
    assert minutes(new_markdown_cell(TEXT), code(LINES)) == (5, 5)
    assert minutes(code("show()", output=f"```python\n{LINES}```")) == (3, 3)
    equations = "$$ a = b $$\n\n" * (60 // reading.EQUATION)
    assert minutes(new_markdown_cell(TEXT + equations)) == (3, 3)


@pytest.mark.parametrize("tag", ["hide-input", "hide-cell"])
def test_what_is_folded_takes_none(tag):
    text, answer = new_markdown_cell(TEXT), new_markdown_cell(f"**Answer.** {TEXT}")
    assert minutes(text, code(LINES, tag), answer) == (2, 2)


def test_deeper_sections_count_apart():
    deeper = [new_markdown_cell(f"### Deeper: why\n\n{TEXT}\n\n#### More\n\n{TEXT}"), code(LINES)]
    assert minutes(new_markdown_cell(TEXT), *deeper) == (2, 9)
    after = new_markdown_cell(f"## Next\n\n{TEXT}")
    assert minutes(new_markdown_cell(TEXT), *deeper, after) == (4, 11)


def test_a_comment_in_code_is_no_heading():
    text = f"{TEXT}\n\n```python\n## Deeper: no\n```\n\n{TEXT}"
    assert minutes(new_markdown_cell(text)) == (4, 4)


def test_the_minutes_of_a_run_are_those_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "TIMINGS", tmp_path / "timings.json")
    reading.TIMINGS.write_text('{"a/b": {"cpu": 200}, "a/c": {"cpu": 4}, "a/d": {"cpu": 70}}')
    said = [reading.running(name) for name in ("a/b", "a/c", "a/d", "a/e")]
    assert said == ["about 3 minutes", "about 5 seconds", "about 1 minute", ""]


# --- the document ----------------------------------------------------------------------------


def paragraph(cell, *children):
    node = nodes.paragraph("", "", *children)
    node.line = (cell + 1) * chapter_pages.LINES + 1
    return node


def cell_node(index, *tags, mime="", hide=None, source="f()"):
    cell = nodes.container(nb_element="cell_code", cell_index=index, classes=["cell"])
    cell["classes"] += [f"tag_{tag}" for tag in tags]
    if hide:
        cell["hide_mode"] = hide
    block = nodes.literal_block(source, source)
    cell += nodes.container("", block, nb_element="cell_code_source")
    if mime:
        inner = nodes.container("", nodes.raw("", "<figure></figure>"), mime_type=mime)
        bundle = nodes.container("", inner, nb_element="mime_bundle")
        cell += nodes.container("", bundle, nb_element="cell_code_output")
    return cell


def document(*children):
    page = nodes.section("", nodes.title("", "A title"), *children)
    return nodes.container("", page), page


def italics(cell, text="It falls."):
    # as MyST writes it: empty texts on both sides
    return paragraph(cell, nodes.Text(""), nodes.emphasis("", text), nodes.Text(""))


def test_the_opening_picture_stands_after_the_question_with_its_caption():
    question, setup = paragraph(0, nodes.Text("Why?")), cell_node(1)
    hero = cell_node(2, "first-picture", mime="image/png", hide="all")
    caption, text = italics(3), paragraph(3, nodes.Text("More."))
    section = nodes.section("", hero, caption, text)
    whole, page = document(question, setup, section)
    output = hero.children[1]
    chapter_pages.mark_captions(whole)
    chapter_pages.lift_first_picture(whole, page)
    _, first, opening, second, rest = page.children
    assert (first, second, rest) == (question, setup, section)
    assert opening.children == [output, caption]
    assert section.children == [hero, text]
    assert len(hero) == 1
    assert hero["hide_mode"] == "input"


@pytest.mark.parametrize("mime", ["image/png", "text/html"])
def test_italics_after_a_picture_are_its_caption(mime):
    after = italics(3)
    whole, _ = document(cell_node(2, mime=mime), after)
    chapter_pages.mark_captions(whole)
    assert "figure-caption" in after["classes"]


def test_other_italics_are_no_caption():
    table, mixed = italics(1), paragraph(3, nodes.emphasis("", "So"), nodes.Text(" it is."))
    whole, _ = document(cell_node(0), table, cell_node(2, mime="image/png"), mixed)
    chapter_pages.mark_captions(whole)
    assert "figure-caption" not in table["classes"] + mixed["classes"]


def test_an_answer_is_folded_with_what_checks_it():
    question = paragraph(0, nodes.strong("", "Warm-up."), nodes.Text(" Why?"))
    answer = paragraph(1, nodes.Text(""), nodes.strong("", "Answer."), nodes.Text(" So."))
    more, check = paragraph(1, nodes.Text("And so.")), cell_node(2, "hide-input", hide="input")
    following = paragraph(3, nodes.strong("", "Practice."), nodes.Text(" How?"))
    whole, page = document(question, answer, more, check, following)
    chapter_pages.fold_answers(whole)
    _, first, fold, last = page.children
    assert (first, last) == (question, following)
    assert isinstance(fold, chapter_pages.Answer)
    assert fold.children == [answer, more, check]
    assert answer.astext() == "So."


def test_an_open_cell_ends_an_answer():
    answer = paragraph(1, nodes.strong("", "Answer."), nodes.Text(" So."))
    opened = cell_node(2)
    whole, page = document(answer, opened)
    chapter_pages.fold_answers(whole)
    assert page.children[2] is opened


def test_a_fold_does_not_repeat_its_title():
    folded = cell_node(0, "hide-input", hide="input", source="# @title Draw\nf()")
    opened = cell_node(1, source="# @title Draw\nf()")
    whole, _ = document(folded, opened)
    chapter_pages.drop_titles(whole)
    block = folded.children[0].children[0]
    assert block.astext() == block.rawsource == "f()"
    assert opened.astext().startswith("# @title")
