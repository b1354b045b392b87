"""`nodeflow serve` and `nodeflow open`: the canvas in a browser."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import emit, emit_json, say

if TYPE_CHECKING:
    from nodeflow.server.services import Services
    from nodeflow.workflow import Workflow


@with_examples(
    "nodeflow serve",
    "nodeflow serve recipe.json --open  opens the browser, with this recipe in a tab",
    "nodeflow serve --port 9000",
    "nodeflow serve --host 0.0.0.0 --behind-tls-proxy https://gpu.example.org",
)
def serve(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="A recipe, or a picture that carries one, to open in a tab.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="The address to listen on; others than this machine's own need --behind-tls-proxy."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0: any that is free.")] = 8765,
    public: Annotated[
        str,
        typer.Option(
            "--behind-tls-proxy",
            metavar="URL",
            help="Acknowledge that a proxy that does TLS stands before the server, under this address.",
        ),
    ] = "",
    open_browser: Annotated[bool, typer.Option("--open", help="Open the canvas in a browser.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the address as JSON when the server is ready.")
    ] = False,
) -> None:
    """Start the server and the canvas.

    Prints a link that signs a browser in, once, within ten minutes; `nodeflow open` makes further ones. Programs send
    the token in the home folder's server.token: Authorization: Bearer TOKEN.
    """
    import asyncio

    from nodeflow.server.listen import Options, serve
    from nodeflow.server.logs import configure
    from nodeflow.settings import Settings

    configure()
    settings = Settings.load()
    opened = _read(file) if file is not None else None

    def ready(services: Services) -> None:
        link = services.link(_as_draft(services, opened) if opened is not None else "")
        _tell(services.address, link, settings.home / "server.token", as_json)
        if open_browser:
            _browse(link)

    asyncio.run(serve(Options(host, port, public), settings, ready))


def _read(file: str) -> Workflow:
    """The recipe in a file.

    Raises:
        Stop: if it cannot be read. ProblemsError: if it is none.
    """
    from nodeflow.cli.source import read

    return read(file).workflow


def _as_draft(services: Services, workflow: Workflow) -> str:
    """Put a recipe into a tab of its own; the part of the canvas that shows it. The file itself is left alone."""
    import secrets
    import time

    from nodeflow.server.drafts import shelf_of
    from nodeflow.server.schema import Draft

    name = secrets.token_hex(16)
    title = workflow.title or "Untitled"
    draft = Draft(id=name, title=title, workflow=workflow.to_json(), modified=time.time())
    shelf_of(services).write(name, draft.model_dump_json().encode())
    return f"#draft={name}"


def _tell(address: str, link: str, token: Path, as_json: bool) -> None:
    """The link: in words on a terminal, else on one line for programs."""
    if as_json:
        emit_json({"url": link, "address": address, "token_file": str(token)})
    elif sys.stdout.isatty():
        emit(f"nodeflow is at {address}")
        emit(f"Open this link, once, within ten minutes: {link}")
        emit("Stop with Ctrl-C.")
    else:
        emit(f"NODEFLOW READY {link}")
    sys.stdout.flush()


def _browse(link: str) -> None:
    """Open the link in a browser. Others may see it in a list of processes, but its code works only once."""
    import webbrowser

    if not webbrowser.open(link):
        say("No browser could be opened; use the link.")


@with_examples("nodeflow open", "nodeflow open --print")
def open_(
    only_print: Annotated[bool, typer.Option("--print", help="Only print the link.")] = False,
) -> None:
    """Sign a browser in to the server that is running: print a new link and open it."""
    from nodeflow.settings import Settings

    settings = Settings.load()
    link = str(ask(settings.home, "/api/login-links")["url"])
    emit(link)
    sys.stdout.flush()
    if not only_print:
        _browse(link)


def ask(home: Path, path: str) -> Any:
    """What the server of this home answers to a POST without content.

    Raises:
        Stop: none runs, or it does not answer.
    """
    import urllib.request

    try:
        address = json.loads((home / "server.json").read_text())["address"]
        token = (home / "server.token").read_text().strip()
    except (OSError, ValueError, KeyError):
        raise Stop(Exit.SETUP, "no server is running for this home; start one with: nodeflow serve") from None
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}{path}", b"{}", headers)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=60) as answer:
            return json.load(answer)
    except OSError as error:
        raise Stop(
            Exit.SETUP, f"the server at {address} does not answer ({error}); start it with: nodeflow serve"
        ) from None
