"""The canvas in Chromium, in front of the real server: one server and one browser for all tests here, a fresh profile
for each.

Every test fails if the page had an error, wrote an error to the console, met its content policy, or asked anything of
another origin. A test that brings such an error about says so (`watch.expect`).

Chromium is that of the system ($NODEFLOW_CHROMIUM, chromium, chromium-browser, google-chrome); without it the tests are
skipped, or fail if NODEFLOW_TEST_BROWSER=required.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.canvas import Canvas
from tests.browser.server import Server
from tests.browser.watch import Watch

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("NODEFLOW_CHROMIUM", "")
REQUIRED = os.environ.get("NODEFLOW_TEST_BROWSER") == "required"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEW = {"width": 1280, "height": 800}


def chromium() -> str | None:
    names = [CHROMIUM] if CHROMIUM else ["chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="package")
def assets(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The canvas as `web/` has it now: built by `make install`, or here, once, if it has changed since."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "canvas.lock"):
        build()


def build() -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hook = module.BuildHook(str(ROOT), {}, None, None, "", "wheel")
    if hook.fresh():
        return
    if not (ROOT / "web/node_modules").exists() or not module.npm_on_path():
        pytest.fail("nodeflow/_web is not built from web/ as it is now: make web")
    source = module.digest(ROOT / "web")
    command = ["npm", "run", "build", "--", "--outDir", str(hook.out), "--emptyOutDir"]
    done = subprocess.run(command, cwd=ROOT / "web", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (hook.out / "build.sha256").write_text(source)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        (pytest.fail if REQUIRED else pytest.skip)("no Chromium: apt-get install chromium, or set NODEFLOW_CHROMIUM")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="package")
def shared_server(browser: Browser, assets: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The server that the tests share, as if it were new: no drafts, no saved recipes, nothing in the queue."""
    yield shared_server
    shared_server.clean()


@pytest.fixture
def start_server(browser: Browser, assets: None, tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """A server of this test's own, which it may kill."""
    servers: list[Server] = []

    def start() -> Server:
        servers.append(Server(tmp_path / "home").__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def watch() -> Iterator[Watch]:
    watching = Watch()
    yield watching
    watching.verify()


@pytest.fixture
def new_context(browser: Browser, watch: Watch, server: Server) -> Iterator[Callable[..., BrowserContext]]:
    """A signed-in profile. Keyword arguments are Playwright's (`color_scheme`, `has_touch`, ...).

    Asks for the shared server so that its pages are closed before it is cleaned: a page that closes keeps its drafts.
    """
    contexts: list[BrowserContext] = []

    def make(to: Server = server, **options: object) -> BrowserContext:
        options = {"viewport": VIEW, "color_scheme": "dark", "reduced_motion": "reduce", **options}
        context = browser.new_context(base_url=to.origin, **options)  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=to.origin)
        context.add_cookies([to.cookie])
        watch.follow(context, to.origin)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def context(new_context: Callable[..., BrowserContext]) -> BrowserContext:
    return new_context()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """The first page, loaded."""
    page = context.new_page()
    page.goto("/")
    return page


@pytest.fixture
def canvas(page: Page, server: Server) -> Canvas:
    """The canvas on the first page, with what tests do to it."""
    return Canvas(page, server)
