"""Text, tables and figures as files."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
import torch

from nodeflow import Figure, NodeError, Table
from nodeflow.context import StandaloneContext
from nodeflow_nodes.image.compare import histogram
from nodeflow_nodes.media.audio_nodes import tone, waveform
from nodeflow_nodes.media.figure_nodes import figure_to_image, save_figure
from nodeflow_nodes.media.file_nodes import save_table, save_text

TABLE = Table(("name", "n"), (("star, red", 1), ('say "hi"', -2.5), ("=1+1", math.nan), ("déjà\nvu", None)))


def test_text() -> None:
    ctx = StandaloneContext()
    assert save_text("hallo ☆", "note", ctx=ctx).media == "text/plain"
    assert ctx.saved["note.txt"] == "hallo ☆\n".encode()
    assert save_text("# t\n", "README.md", ctx=ctx).media == "text/markdown"
    assert ctx.saved["README.md"] == b"# t\n"


def test_csv_reads_back_and_holds_no_formulas() -> None:
    ctx = StandaloneContext()
    saved = save_table(TABLE, "t", ctx=ctx)
    assert (saved.name, saved.media) == ("t.csv", "text/csv")
    rows = list(csv.reader(io.StringIO(ctx.saved["t.csv"].decode(), newline="")))
    expected = [["name", "n"], ["star, red", "1"], ['say "hi"', "-2.5"], ["'=1+1", "nan"], ["déjà\nvu", ""]]
    assert rows == expected


def test_json_keeps_values() -> None:
    ctx = StandaloneContext()
    saved = save_table(TABLE, "t", "json", ctx=ctx)
    assert saved.media == "application/json"
    rows = json.loads(ctx.saved["t.json"])
    assert rows[0] == {"name": "star, red", "n": 1}
    assert rows[2] == {"name": "=1+1", "n": None}


def test_a_crooked_table_is_a_users_error() -> None:
    with pytest.raises(NodeError, match="1 cells under 2 columns"):
        save_table(Table(("a", "b"), ((1,),)), ctx=StandaloneContext())


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 4">{}</svg>'


def test_an_svg_figure_as_a_picture() -> None:
    shapes = '<rect width="8" height="4" fill="white"/><polygon points="0,0 4,0 4,2 0,2" fill="#ff0000"/>'
    faint = '<polygon points="4,2 8,2 8,4 4,4" fill="black" fill-opacity="0.5"/>'
    picture = figure_to_image(Figure(SVG.format(shapes + faint).encode(), "image/svg+xml"))
    assert picture.shape == (1, 3, 4, 8)
    assert picture[0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert picture[0, :, 0, 7].tolist() == [1.0, 1.0, 1.0]
    assert picture[0, 0, 3, 7] == pytest.approx(0.5, abs=0.01)


def test_a_histogram_as_a_picture() -> None:
    """The bars' heights are the counts: a picture three quarters dark has a dark bar three times as high."""
    grey = torch.full((1, 1, 8, 8), 0.9)
    grey[..., :6] = 0.1
    picture = figure_to_image(histogram(grey, bins=8))
    assert picture.shape == (1, 3, 240, 512)
    painted = (picture[0].mean(0) < 0.99).float().mean(0) * 240
    assert painted[32].item() == pytest.approx(240, abs=2)
    assert painted[480].item() == pytest.approx(80, abs=2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<svg/>", "expected an SVG figure, got <svg>"),
        (b"<svg", "cannot be read"),
        (b"<!DOCTYPE x><svg/>", "declarations"),
        (SVG.format("<path d='M 0 0'/>").encode(), "has a <path>; only rectangles and polygons"),
        (SVG.format("<rect width='1' height='1' fill='url(x)'/>").encode(), "the colour 'url"),
        (SVG.replace("8 4", "8000 4000").format("").encode(), "has viewBox '0 0 8000 4000'"),
        (b" " * 5_000_000, "too large"),
    ],
)
def test_svg_figures_that_are_not_read(data: bytes, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        figure_to_image(Figure(data, "image/svg+xml"))


def test_figures() -> None:
    ctx = StandaloneContext()
    figure = waveform(tone(seconds=0.01))
    assert save_figure(figure, "wave", ctx=ctx).name == "wave.png"
    assert ctx.saved["wave.png"] == figure.data
    picture = figure_to_image(figure)
    assert picture.shape[:2] == (1, 3)
    assert float(picture.max()) == 1
    with pytest.raises(NodeError, match="expected one of"):
        save_figure(Figure(b"", "text/html"), ctx=ctx)
