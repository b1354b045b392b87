"""Lanes: the threads that work on ready steps, one lane a kind of work; and the gate to the accelerator.

A worker takes the next step of its lane without a hand-over: the one that became ready last. So a branch is followed to
its end before the next is begun: in a sweep the first picture is finished first, and few values are held. A lane grows,
up to its limit, when steps have been waiting for a tick of the run's coordinator. This module knows steps by number
only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Lane:
    """Ready steps of one kind and the threads that run them. Called with `lock` held, except for the threads.

    Args:
        lock: the run's. limit: most threads. begin: called with a step's number, and the lock, when it is taken.
        work: called with it, without the lock.
    """

    def __init__(
        self, lock: threading.Lock, limit: int, begin: Callable[[int], None], work: Callable[[int], None]
    ) -> None:
        self.lock = lock
        self.limit = limit
        self.begin = begin
        self.work = work
        self.ready: list[int] = []
        self.threads = 0
        self.idle = 0
        self.closed = False
        self.abandoned: set[int] = set()
        self.wake = threading.Condition(lock)

    def put(self, index: int) -> None:
        self.ready.append(index)
        if self.threads == 0:
            self._start()
        elif self.idle == self.threads:
            self.wake.notify()

    def grow(self) -> bool:
        """Have one more worker take from a queue that has been waiting for a tick; whether one was found."""
        if not self.ready:
            return False
        if self.idle:
            self.wake.notify()
        elif self.threads < self.limit:
            self._start()
        else:
            return False
        return True

    def abandon(self, index: int) -> None:
        """Give up on the thread that works on a step; it ends when it comes back, another may take its place."""
        self.abandoned.add(index)
        self.threads -= 1

    def close(self) -> None:
        self.closed = True
        self.ready.clear()
        self.wake.notify_all()

    def _start(self) -> None:
        self.threads += 1
        threading.Thread(target=self._serve, name="nodeflow-worker", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self.lock:
                while not self.ready and not self.closed:
                    self.idle += 1
                    self.wake.wait()
                    self.idle -= 1
                if self.closed:
                    self.threads -= 1
                    return
                index = self.ready.pop()
                self.begin(index)
            self.work(index)
            with self.lock:
                if index in self.abandoned:
                    self.abandoned.discard(index)
                    return


class DeviceGate:
    """Lets one node at a time use the accelerator. The place of a node that hangs can be taken away from it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object = None

    def enter(self, holder: object) -> None:
        with self._changed:
            while self._holder is not None:
                self._changed.wait()
            self._holder = holder

    def leave(self, holder: object) -> None:
        """Free the place if `holder` still has it."""
        with self._changed:
            if self._holder == holder:
                self._holder = None
                self._changed.notify()
