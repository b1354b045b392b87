"""Names of files that nodes save, and reading of files that they load."""

from __future__ import annotations

from pathlib import Path

from nodeflow import File, NodeError


def file_names(name: str, count: int, suffix: str) -> list[str]:
    """One name for each of `count` files: `{index}` becomes the number (from 1), or it is added if there are several.

    Raises:
        NodeError: for empty, absolute and upward names, and characters that some systems do not allow.
    """
    stem = name.strip()
    if stem.lower().endswith(suffix):
        stem = stem[: -len(suffix)]
    bad = any(c in '\\:*?"<>|' or ord(c) < 32 for c in stem) or len(stem) > 200
    if bad or any(not part.strip(" .") for part in stem.split("/")):
        raise NodeError(f'file name {name[:80]!r}: expected a name such as "take" or "day-1/take-{{index}}"')
    if "{index}" not in stem:
        stem += "-{index}" if count > 1 else ""
    return [stem.replace("{index}", str(number)) + suffix for number in range(1, count + 1)]


def read_file(file: File, limit: int) -> bytes:
    """The bytes of a file that a recipe names.

    Raises:
        NodeError: if it cannot be read or has more than `limit` bytes.
    """
    path = Path(file.path)
    try:
        if (size := path.stat().st_size) > limit:
            raise NodeError(f"{file.name}: has {size / 1e6:.0f} MB, at most {limit / 1e6:.0f} MB are read")
        return path.read_bytes()
    except OSError as error:
        raise NodeError(f"{file.name}: cannot be read ({error.strerror or error})") from None
