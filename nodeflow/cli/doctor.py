"""`nodeflow doctor`: what is installed, and whether it can work."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json, size_text, style, table


@with_examples("nodeflow doctor", "nodeflow doctor --json > report.json  to put into a report of a fault")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show versions, device, numeric class, packs, folders and settings, and what is wrong with them.

    Packs that could not be loaded are shown with their tracebacks. Exit code 5 if something stops runs from working.
    """
    from nodeflow.engine import Engine
    from nodeflow.health import health

    engine = Engine()
    try:
        found = health(engine)
    finally:
        engine.close()
    if as_json:
        emit_json(found)
    else:
        _show(found)
    if found["faults"]:
        raise Stop(Exit.SETUP)


def _show(found: dict[str, Any]) -> None:
    _section("Versions")
    table((item for item in found["versions"].items() if not item[0].startswith("pack:")), indent=2)
    _section("Device")
    numeric = {**found["numeric"], "device": found["device"]}
    table(((name, str(value)) for name, value in numeric.items()), indent=2)
    _section("Packs")
    table(((p["name"], _pack_text(p)) for p in found["packs"]), indent=2)
    for pack in found["packs"]:
        if pack["error"]:
            emit()
            emit(style(clean(f"  {pack['name']} ({pack['module']}) could not be loaded:"), "red"))
            for line in clean(pack["error"], lines=True).rstrip().splitlines():
                emit(f"    {line}")
    _section("Folders")
    table(((name, _folder_text(f)) for name, f in found["folders"].items()), indent=2)
    _section(f"Settings ({found['settings_file']} and NODEFLOW_… variables)")
    table(((name, _setting_text(name, value)) for name, value in found["settings"].items()), indent=2)
    _section("Models")
    table(((folder, str(count)) for folder, count in found["models"].items()), indent=2)
    emit()
    for warning in found["warnings"]:
        emit(style(clean(f"warning: {warning}"), "yellow"))
    for fault in found["faults"]:
        emit(style(clean(f"fault: {fault}"), "red"))
    if not found["faults"]:
        emit(style("everything that a run needs is there", "green"))


def _section(title: str) -> None:
    emit()
    emit(style(clean(title), "bold"))


def _pack_text(pack: dict[str, Any]) -> str:
    version = f"{pack['distribution']} {pack['version']}".strip()
    state = "FAILED" if pack["error"] else f"{pack['ops']} nodes"
    return f"{state}, {pack['module']}" + (f", {version}" if version else "")


def _folder_text(folder: dict[str, Any]) -> str:
    state = "writable" if folder["writable"] else "NOT WRITABLE"
    exists = "" if folder["exists"] else ", not made yet"
    free = f", {size_text(folder['free'])} free" if folder["free"] is not None else ""
    return f"{folder['path']} ({state}{exists}{free})"


def _setting_text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return size_text(value) if name.endswith("_budget") else str(value)
