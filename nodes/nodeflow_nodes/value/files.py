"""Texts and tables in files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from nodeflow import Artefact, Context, File, InputFile, Multiline, NodeError, Table, node

LARGEST = 10_000_000
"""Bytes of a text file."""


def file_name(name: str, suffix: str) -> str:
    """A readable name with its suffix.

    Raises:
        NodeError: for empty, absolute and upward names, and characters that some systems do not allow.
    """
    stem = name.strip().removesuffix(suffix)
    bad = any(c in '\\:*?"<>|' or ord(c) < 32 for c in stem) or len(stem) > 200
    if bad or any(not part.strip(" .") for part in stem.split("/")):
        raise NodeError(f'file name {name[:80]!r}: expected a name such as "scores" or "runs/scores"')
    return stem + suffix


@node("value/load_text")
def load_text(path: Annotated[File, InputFile((".txt", ".md", ".csv", ".json"))]) -> str:
    """Load a text from a file: prompts, wildcards, anything written.

    Args:
        path: the file, inside the input folders; UTF-8, at most 10 MB.
    """
    file = Path(path.path)
    try:
        with file.open("rb") as source:
            data = source.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise NodeError(f"{path.name}: the text is larger than {LARGEST:,} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise NodeError(f"{path.name}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise NodeError(f"{path.name}: expected UTF-8 text; byte {error.start} is none; save it as UTF-8") from None


@node("value/save_text", effects=True)
def save_text(text: Annotated[str, Multiline()], name: str = "text", *, ctx: Context) -> Artefact:
    """Save a text as a file.

    Args:
        text: what is saved, as UTF-8.
        name: readable name in the output folder, without the suffix; `/` makes folders.
    """
    return ctx.save(text.encode("utf-8", "replace"), file_name(name, ".txt"), "text/plain; charset=utf-8")


@node("value/save_table", effects=True)
def save_table(table: Table, name: str = "table", *, ctx: Context) -> Artefact:
    """Save a table as a CSV file.

    Args:
        table: the table.
        name: readable name in the output folder, without the suffix; `/` makes folders.
    """
    import csv
    import io

    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return ctx.save(target.getvalue().encode("utf-8", "replace"), file_name(name, ".csv"), "text/csv")
