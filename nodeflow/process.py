"""Who is alive: a name for a process that no later process can have, and whether its bearer still runs."""

from __future__ import annotations

import functools
import os
import sys
import time
from typing import Final

_STARTED: Final = time.time_ns()


@functools.cache
def _identity_of(pid: int) -> str:
    return f"{_boot()}:{pid}:{_start(pid) or _STARTED}"


def own_identity() -> str:
    """This process: which boot of the machine, process id, when it started."""
    return _identity_of(os.getpid())


def is_alive(identity: str) -> bool:
    """Whether the process of that name still runs on this machine; True if that cannot be found out."""
    boot, _, rest = identity.partition(":")
    number, _, started = rest.partition(":")
    if not number.isdecimal():
        return False
    if boot != _boot():
        return False
    pid = int(number)
    if pid == os.getpid():
        return identity == own_identity()
    now = _start(pid)
    if now is not None:
        return str(now) == started
    if sys.platform == "win32":  # there, signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return not os.path.exists("/proc/self/stat")


@functools.cache
def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def _start(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if it does not run or the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in brackets, which may contain anything.
            after_name = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    state, start = after_name[0], int(after_name[19])
    return None if state in (b"Z", b"X") else start
