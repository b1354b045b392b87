"""Writing a file whole or not at all: whoever reads it meanwhile, in whatever process, sees the old content or the new.

This module must not know what is written.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PART: Final = re.compile(r"\.[0-9a-f]{16}\.part")
"""What temporary files are called; one that is old was left by a process that died."""


def part_of(folder: Path) -> Path:
    """A name for a new temporary file in `folder`, which no other process has."""
    return folder / f".{os.urandom(8).hex()}.part"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write, in the folder of `path`: at the end it takes the place of `path`; if anything is
    raised, it goes, and what stood at `path` stays.

    Raises:
        OSError: it could not be put there.
    """
    temporary = part_of(path.parent)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
