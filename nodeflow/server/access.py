"""Who may come in: the exact names that the server answers under, the token, the cookie, one-time codes.

The cookie is derived from the token and the port, so it outlives a restart and does not tell the token. Codes are in
memory only, work once, and for ten minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from nodeflow.errors import NodeflowError

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
CODE_SECONDS = 600.0
MAX_CODES = 20


@dataclass(frozen=True)
class Access:
    """The Host and Origin texts that are taken, the two secrets, and the name of the cookie.

    public: the address under which a proxy offers the server (`https://name`), or nothing.
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    token: str = field(repr=False)
    session: str = field(repr=False)
    cookie: str
    public: str = ""

    @classmethod
    def on_port(cls, port: int, token: str, *, name: str = "localhost", public: str = "") -> Access:
        """Access on this port of this machine (`name`: a further address of its own) and, if there is a proxy before
        it, under its address."""
        names = {*LOOPBACK_NAMES, name.lower()}
        hosts = {f"{one}:{port}" for one in names}
        if port == 80:
            hosts |= names
        origins = {f"http://{host}" for host in hosts}
        if public:
            origins.add(public)
            hosts.add(public.partition("://")[2])
        return cls(frozenset(hosts), frozenset(origins), token, session_of(token, port), f"nodeflow-{port}", public)


def same(given: str, secret: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def session_of(token: str, port: int) -> str:
    """What the cookie holds."""
    return hmac.new(token.encode(), f"nodeflow session on port {port}".encode(), hashlib.sha256).hexdigest()


def read_token(path: Path) -> str:
    """The token in this file, which is made (readable by its owner only) if it is not there.

    Raises:
        NodeflowError: if it cannot be read or made, or holds no token.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not path.exists():
            temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
            try:
                os.link(temporary, path)  # never replaces one that another process has just made
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
        token = path.read_text().strip()
    except OSError as error:
        raise NodeflowError(f"{path}: the token cannot be read or written: {error.strerror}") from error
    if len(token) < 20 or not token.isascii() or not token.isprintable():
        raise NodeflowError(f"{path} holds no token; delete it, and a new one is made")
    return token


@dataclass
class Codes:
    """One-time codes, each with the part of the canvas that it leads to (`#…`, or nothing)."""

    seconds: float = CODE_SECONDS
    _good: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def make(self, target: str = "") -> str:
        with self._lock:
            now = time.monotonic()
            self._good = {code: entry for code, entry in self._good.items() if entry[0] > now}
            while len(self._good) >= MAX_CODES:
                self._good.pop(next(iter(self._good)))
            code = secrets.token_urlsafe(24)
            self._good[_name(code)] = now + self.seconds, target
            return code

    def use(self, code: str) -> str | None:
        """Where the code leads; None if it is not good. From now on it is not."""
        with self._lock:
            end, target = self._good.pop(_name(code), (0.0, ""))
            return target if end > time.monotonic() else None


def _name(code: str) -> str:
    """Codes are looked up by their hash, so the time of a look-up tells nothing about them."""
    return hashlib.sha256(code.encode("utf-8", "surrogateescape")).hexdigest()
