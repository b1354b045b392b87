"""What a worker was doing when it died: a page of memory that outlives it.

The worker notes the nodes that it computes in a file that it has mapped; writing there is a copy in memory, and what
was copied is there for the server however the process ends. (After a power cut nobody needs it.)
"""

from __future__ import annotations

import contextlib
import json
import mmap
from pathlib import Path
from typing import Final

SIZE: Final = 2048
_MOST: Final = 8


class BlackBox:
    """The worker's end."""

    def __init__(self, path: Path) -> None:
        self._nodes: dict[str, int] = {}
        with open(path, "w+b") as file:
            file.truncate(SIZE)
            self._page = mmap.mmap(file.fileno(), SIZE)

    def begin(self, node: str) -> None:
        """A step of the node is being computed."""
        self._nodes[node] = self._nodes.get(node, 0) + 1
        if self._nodes[node] == 1:
            self._write()

    def end(self, node: str) -> None:
        """It is not any more."""
        left = self._nodes.get(node, 0) - 1
        if left > 0:
            self._nodes[node] = left
        elif left == 0:
            del self._nodes[node]
            self._write()

    def clear(self) -> None:
        self._nodes.clear()
        self._write()

    def _write(self) -> None:
        text = json.dumps(list(self._nodes)[-_MOST:]).encode()
        if len(text) < SIZE:
            self._page[: len(text) + 1] = text + b"\n"


def last_nodes(path: Path) -> list[str]:
    """The nodes that were being computed when the worker of this file ended."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_bytes().partition(b"\n")[0])
        return [str(name) for name in found] if isinstance(found, list) else []
    return []
