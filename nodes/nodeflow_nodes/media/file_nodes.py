"""Text and tables as files."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Annotated, Any, Literal

from nodeflow import Artefact, Context, Multiline, NodeError, Table, node

from .names import file_names


@node("media/save_text", effects=True)
def save_text(text: Annotated[str, Multiline()], name: str = "text", *, ctx: Context) -> Artefact:
    """Save a text as a file (UTF-8).

    Args:
        text: what to save; a line break is added at the end if there is none.
        name: readable name in the output folder; `.md` at its end makes it Markdown, everything else plain text.
    """
    markdown = name.strip().lower().endswith(".md")
    suffix, media = (".md", "text/markdown") if markdown else (".txt", "text/plain")
    data = text if text.endswith("\n") else text + "\n"
    return ctx.save(data.encode("utf-8", "replace"), file_names(name, 1, suffix)[0], media)


@node("media/save_table", effects=True)
def save_table(table: Table, name: str = "table", format: Literal["csv", "json"] = "csv", *, ctx: Context) -> Artefact:
    """Save a table as a file.

    Args:
        table: rows under named columns.
        name: readable name in the output folder, without the suffix; `/` makes folders.
        format: `csv` opens in every spreadsheet: texts that a spreadsheet would run as a formula get a `'` in front.
            `json` is a list with an object for each row, every value as it is; numbers that are not finite are null.
    """
    for row in table.rows:
        if len(row) != len(table.columns):
            raise NodeError(f"a row has {len(row)} cells under {len(table.columns)} columns: {row!r:.120}")
    if format == "json":
        rows = [dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.rows]
        data, media = json.dumps(rows, ensure_ascii=False, indent=2, allow_nan=False) + "\n", "application/json"
    else:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\r\n")
        writer.writerow([_safe(c) for c in table.columns])
        writer.writerows([_safe(c) for c in row] for row in table.rows)
        data, media = buffer.getvalue(), "text/csv"
    return ctx.save(data.encode("utf-8", "replace"), file_names(name, 1, f".{format}")[0], media)


def _plain(cell: Any) -> Any:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _safe(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + cell
    return cell
