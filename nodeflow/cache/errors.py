"""What can go wrong in the cache, as types.

`StoreError` is for people: the disk would not take or give data, and somebody has to act. The others are for the code
around the cache, which answers each by computing the result again.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from nodeflow.errors import NodeflowError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP}


class StoreError(NodeflowError):
    """A folder that should hold data could not be written or read. Nothing half-written is visible."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path

    @classmethod
    def wrap(cls, error: OSError, path: Path | str, action: str) -> StoreError:
        """`error` met while doing `action` ("write a blob") at `path`, in words that say what to do."""
        advice = "check that the disk is healthy and mounted"
        if error.errno in _FULL:
            advice = "free some space there, or choose a folder on another disk"
        elif error.errno in _FORBIDDEN:
            advice = "make the folder writable for this user, or choose another one"
        elif error.errno in _IN_THE_WAY:
            advice = "a file stands where a folder is needed: move it away, or choose another folder"
        reason = error.strerror or str(error)
        return cls(f"{os.fspath(path)}: could not {action}: {reason}; {advice}", Path(path))


class BadBlob(Exception):
    """A blob is missing, or its bytes are not the ones that its digest names. Callers treat it as a miss."""


class BadEntry(Exception):
    """A cache entry cannot be turned back into the value it was made from. Callers treat it as a miss."""


class Uncacheable(Exception):
    """A value has a part that the codec cannot write. The result is simply not kept on disk."""


@dataclass(frozen=True, slots=True)
class CacheWarning:
    """Something the cache noticed and survived.

    what: "bad-entry", "mutated", "uncounted", "disk" or "index". key: the entry concerned, if one. message: for people.
    """

    what: str
    key: str | None
    message: str
