"""What handlers work with: the engine (which only checks, plans and describes here), the queue, the hub, the folders.

Nothing in this process imports a tensor library: recipes run in the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from nodeflow.engine import Engine
from nodeflow.server.access import Access, Codes
from nodeflow.server.described import Described
from nodeflow.settings import Settings

if TYPE_CHECKING:
    from nodeflow.server.hub import Hub
    from nodeflow.server.jobs import JobQueue

T = TypeVar("T")


@dataclass
class Services:
    """Everything a handler may use.

    saving: held while a version is compared and the next one written, so that nobody comes between.
    """

    engine: Engine
    access: Access
    address: str
    queue: JobQueue
    hub: Hub
    codes: Codes = field(default_factory=Codes)
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    engine_thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="nodeflow-engine")
    )

    @property
    def settings(self) -> Settings:
        return self.engine.settings

    @property
    def home(self) -> Path:
        return self.settings.home

    @cached_property
    def described(self) -> Described:
        """The installed ops; loads every pack."""
        return Described(self.engine.catalogue)

    def link(self, target: str = "") -> str:
        """A link that signs a browser in, once, and leads to this part of the canvas (`#…`)."""
        return f"{self.access.public or self.address}/login?code={self.codes.make(target)}"

    async def in_engine(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that uses the engine, on its one thread, while the event loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(self.engine_thread, function, *arguments)

    def close(self) -> None:
        self.engine_thread.shutdown(wait=False, cancel_futures=True)
        self.engine.close()


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)


def server_engine(settings: Settings) -> Engine:
    """The engine as the server and its worker have it: recipes may read uploads and the input roots, not the folder
    that the process happens to stand in."""
    uploads = settings.home / "uploads"
    return Engine(replace(settings, input_roots=(uploads, *settings.input_roots)), working_folder=False)
