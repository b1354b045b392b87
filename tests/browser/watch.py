"""What no page may do, collected while tests run."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

POLICY = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"""


class Watch:
    """Errors of all pages of the contexts it follows."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.allowed: list[str] = []

    def follow(self, context: BrowserContext, origin: str) -> None:
        context.add_init_script(POLICY)
        context.on("page", self._page)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"page error: {error.error}"))
        context.on("request", lambda request: self._request(request, origin))

    def expect(self, pattern: str) -> None:
        """Faults in which this is found are wanted here."""
        self.allowed.append(pattern)

    def verify(self) -> None:
        left = [fault for fault in self.faults if not any(re.search(pattern, fault) for pattern in self.allowed)]
        assert not left, "\n".join(left)

    def _page(self, page: Page) -> None:
        page.on("crash", lambda _: self.faults.append("the page crashed"))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request, origin: str) -> None:
        if not request.url.startswith(
            (origin + "/", "data:", f"blob:{origin}/", origin.replace("http", "ws", 1) + "/")
        ):
            self.faults.append(f"request to {request.url}")
