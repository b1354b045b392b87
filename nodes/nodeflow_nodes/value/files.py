"""Texts from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from nodeflow import File, InputFile, NodeError, node

LARGEST = 10_000_000
"""Bytes of a text file."""


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
