"""Events on their way to the clients: numbered, kept for a while for those that come back, queued for each socket.

- Every event gets the next `seq`. `epoch` names this process: numbers of another mean nothing here.
- A client that comes back with a number that the ring still reaches gets what it missed, else a snapshot.
- A socket that is slow has a queue of its own, and costs the others nothing. Waiting previews are replaced by newer
  ones; progress of a node (the same state again) replaces what waits; a change of state is never dropped. If even so
  too much waits, the socket is closed and the client comes back.

Publishing costs the same whatever has been published before, for each client that listens. Used on the event loop
only. This module knows nothing of jobs beyond their numbers.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from nodeflow.server.schema import JobChanged, NodeStatus

RING: Final = 4096
"""So many events can be had again."""

QUEUE: Final = 8192
"""So many events may wait for a socket."""

PREVIEWS: Final = 32
"""So many previews may wait for a socket: one a node."""

IMAGE: Final = 1
"""Type byte of a binary frame with a picture."""

Key = tuple[str, int, str]

_DEFAULTS: Final = {
    name: NodeStatus(state="pending").model_dump()[name] for name in NodeStatus.model_fields if name != "state"
}


class Sent(NamedTuple):
    """An event as it is sent. key: what it is about; state: with the same key and state, a newer one replaces it."""

    seq: int
    text: str
    key: Key | None = None
    state: str = ""


class Client:
    """What waits for one socket."""

    def __init__(self, limit: int = QUEUE) -> None:
        self.ended = asyncio.Event()
        self.overflowed = False
        self._limit = limit
        self._events: OrderedDict[int, Sent] = OrderedDict()
        self._latest: dict[Key, Sent] = {}
        self._previews: OrderedDict[Key, bytes] = OrderedDict()
        self._wake = asyncio.Event()

    def put(self, event: Sent) -> None:
        """Have an event wait."""
        if self.ended.is_set():
            return
        if event.key is not None:
            waiting = self._latest.get(event.key)
            if waiting is not None and waiting.state == event.state:
                self._events.pop(waiting.seq, None)
            self._latest[event.key] = event
        self._events[event.seq] = event
        if len(self._events) > self._limit:
            self.overflowed = True
            self.end()
        self._wake.set()

    def put_preview(self, key: Key, frame: bytes) -> None:
        """Have a preview wait, instead of an older one of the same node."""
        if not self.ended.is_set():
            self._previews.pop(key, None)
            self._previews[key] = frame
            if len(self._previews) > PREVIEWS:
                self._previews.popitem(last=False)
            self._wake.set()

    def end(self) -> None:
        """Nothing more will be taken or given."""
        self._events.clear()
        self._latest.clear()
        self._previews.clear()
        self.ended.set()
        self._wake.set()

    def __len__(self) -> int:
        return len(self._events) + len(self._previews)

    async def take(self) -> str | bytes | None:
        """What is to be sent next, events first; None if that was all: too much has waited, or the server stops."""
        while not self.ended.is_set():
            if self._events:
                _, event = self._events.popitem(last=False)
                if event.key is not None and self._latest.get(event.key) is event:
                    del self._latest[event.key]
                return event.text
            if self._previews:
                return self._previews.popitem(last=False)[1]
            self._wake.clear()
            await self._wake.wait()
        return None


class Hub:
    """Numbers events and hands them to the clients."""

    def __init__(self, ring: int = RING) -> None:
        self.epoch = os.urandom(8).hex()
        self.seq = 0
        self.clients: set[Client] = set()
        self._ring: deque[Sent] = deque(maxlen=ring)

    # --- publishing ------------------------------------------------------------------------------------------------

    def publish(self, event: Any) -> int:
        """Send an event of `schema`; its `seq` is set here."""
        self.seq += 1
        event.seq = self.seq
        key: Key | None = None
        state = ""
        if isinstance(event, JobChanged):
            key, state = ("job", event.job.id, ""), event.job.state
        self._send(Sent(self.seq, event.model_dump_json(), key, state))
        return self.seq

    def publish_node(self, job: int, node: str, status: Mapping[str, Any]) -> int:
        """Send a `NodeChanged`; `status` may leave out what is as it is by default."""
        self.seq += 1
        whole = json.dumps(full_status(status), separators=(",", ":"))
        text = f'{{"kind":"node","seq":{self.seq},"job":{job},"node":{json.dumps(node)},"status":{whole}}}'
        self._send(Sent(self.seq, text, ("node", job, node), status["state"]))
        return self.seq

    def publish_preview(self, job: int, node: str, path: str, media: str, data: bytes) -> None:
        """Send a picture to those who listen now.

        Args:
            node: the recipe's node. path: the node within it that made the picture, or `node` again.
        """
        if not self.clients:
            return
        header = json.dumps({"job": job, "node": node, "path": path, "media_type": media}).encode()
        frame = struct.pack(">BI", IMAGE, len(header)) + header + data
        for client in self.clients:
            client.put_preview(("preview", job, path), frame)

    def _send(self, event: Sent) -> None:
        self._ring.append(event)
        for client in self.clients:
            client.put(event)

    # --- clients ---------------------------------------------------------------------------------------------------

    def can_resume(self, after: int, epoch: str) -> bool:
        """Whether everything after event `after` can still be had."""
        if epoch != self.epoch or not 0 <= after <= self.seq:
            return False
        return after == self.seq or (bool(self._ring) and self._ring[0].seq <= after + 1)

    def missed(self, after: int) -> list[Sent]:
        """The events after `after`."""
        return [event for event in self._ring if event.seq > after]

    def connect(self) -> Client:
        """A client that gets what is published from now on."""
        client = Client()
        self.clients.add(client)
        return client

    def disconnect(self, client: Client) -> None:
        self.clients.discard(client)

    def close(self) -> None:
        """The server stops: have every socket closed."""
        for client in self.clients:
            client.end()


def full_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """A node's status with what it has left out."""
    return {**_DEFAULTS, **status}
