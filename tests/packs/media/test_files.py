"""Text, tables and figures as files."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from nodeflow import Figure, NodeError, Table
from nodeflow.context import StandaloneContext
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


def test_figures() -> None:
    ctx = StandaloneContext()
    figure = waveform(tone(seconds=0.01))
    assert save_figure(figure, "wave", ctx=ctx).name == "wave.png"
    assert ctx.saved["wave.png"] == figure.data
    picture = figure_to_image(figure)
    assert picture.shape[:2] == (1, 3)
    assert float(picture.max()) == 1
    with pytest.raises(NodeError, match="SVG figure has no pixels"):
        figure_to_image(Figure(b"<svg/>", "image/svg+xml"))
    with pytest.raises(NodeError, match="expected one of"):
        save_figure(Figure(b"", "text/html"), ctx=ctx)
