"""The real server as a process, and its HTTP API as tests use it to prepare and to look."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path
from typing import Any

READY = re.compile(r"NODEFLOW READY (http://127\.0\.0\.1:(\d+)/login\?code=\S+)")


class Server:
    """`python -m nodeflow serve` with a home of its own, stopped by its pid."""

    def __init__(self, home: Path, port: int = 0) -> None:
        self.home = home
        self.port = port
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Server:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "stderr.txt").open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nodeflow", "serve", "--port", str(self.port)],
                env={**os.environ, "NODEFLOW_HOME": str(self.home)},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := READY.search(line):
                self.link, self.port = match.group(1), int(match.group(2))
                break
        else:
            self.stop()
            raise AssertionError(f"the server did not start:\n{(self.home / 'stderr.txt').read_text()}")
        self.origin = f"http://127.0.0.1:{self.port}"
        self.token = (self.home / "server.token").read_text().strip()
        self.cookie = self._sign_in()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def kill(self) -> None:
        """As a power cut would end it."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.stop()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _sign_in(self) -> Any:
        """The cookie that a browser gets for the one-time link."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", self.link.removeprefix(self.origin))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 303, answer.status
        name, _, value = str(answer.getheader("Set-Cookie")).partition(";")[0].partition("=")
        return {"name": name, "value": value, "url": self.origin, "httpOnly": True, "sameSite": "Strict"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, answer (parsed if it is JSON) and headers. A body of bytes goes as it is, any other as JSON."""
        raw = isinstance(body, bytes)
        if method != "GET" and method != "DELETE" and body is None:
            body = {}
        kind = "application/octet-stream" if raw else "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(
            method,
            urllib.parse.quote(path, safe="/?=&%"),
            body=None if body is None else body if raw else json.dumps(body),
            headers={"Authorization": f"Bearer {self.token}", **({} if body is None else {"Content-Type": kind})}
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        parsed = json.loads(data) if data and "json" in (answer.getheader("Content-Type") or "") else data
        return answer.status, parsed, {name.lower(): value for name, value in answer.getheaders()}

    def get(self, path: str) -> Any:
        status, answer, _ = self.ask("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    def save(self, name: str, document: dict[str, Any]) -> str:
        """A saved recipe; its etag."""
        status, answer, _ = self.ask("PUT", f"/api/workflows/{name}", document, If_None_Match="*")
        assert status in (200, 201), answer
        return str(answer["etag"])

    def run(self, document: dict[str, Any], **request: Any) -> list[int]:
        status, answer, _ = self.ask("POST", "/api/jobs", {"workflow": document, **request})
        assert status == 202, answer
        return [job["id"] for job in answer["jobs"]]

    def finished(self, job: int, seconds: float = 60) -> dict[str, Any]:
        """The job, when it has ended."""
        return self.until(
            lambda: self.get(f"/api/jobs/{job}")["job"],
            lambda found: found["state"] in ("completed", "failed", "cancelled"),
            seconds,
        )

    def until(self, look: Any, good: Any, seconds: float = 5) -> Any:
        """What `look` gives, as soon as it is good."""
        end = time.monotonic() + seconds
        while True:
            found = look()
            if good(found):
                return found
            assert time.monotonic() < end, f"after {seconds} s still {found!r}"
            time.sleep(0.05)

    def clean(self) -> None:
        """No drafts, no saved recipes, nothing running or waiting, not paused."""
        self.ask("POST", "/api/queue/clear?running=1")
        self.ask("POST", "/api/queue/resume")
        for draft in self.get("/api/drafts"):
            self.ask("DELETE", f"/api/drafts/{draft['id']}")
        for info in self.get("/api/workflows"):
            self.ask("DELETE", f"/api/workflows/{info['name']}", If_Match=f'"{info["etag"].strip(chr(34))}"')
