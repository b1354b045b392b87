"""`nodeflow packs`: which installed packages may bring nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import examples
from nodeflow.cli.text import clean, emit, emit_json, say, table

if TYPE_CHECKING:
    from nodeflow.registry import Package

app = typer.Typer(
    invoke_without_command=True,
    epilog=examples("nodeflow packs", "nodeflow packs enable nodeflow-pack-mine", "nodeflow packs --json"),
)

_NAME = typer.Argument(metavar="PACKAGE", help="The package's name as pip knows it, or that of a pack in it.")


@app.callback()
def listing(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """Show the packages that bring nodes or models, and whether their code may run; enable or disable one.

    A package of others is off until you enable it. That is pinned to its files: after a change it is off again. One
    that is installed to be edited (pip install -e) is pinned to its folder.
    """
    if context.invoked_subcommand is not None:
        return
    from nodeflow.registry import packages

    rows: list[dict[str, Any]] = [
        {
            "package": package.distribution.name,
            "version": package.distribution.version,
            "packs": sorted(point.name for point in package.packs),
            "pin": package.pin,
            "enabled": not package.refusal,
            "refusal": package.refusal,
        }
        for package in packages()
    ]
    if as_json:
        emit_json({"packages": rows})
        return
    for row in rows:
        state = row["refusal"] or ("enabled" if row["pin"] else "nodeflow's own")
        emit(clean(f"{row['package']} {row['version']}: {state}"))
        table(((clean(", ".join(row["packs"]) or "models only"), clean(row["pin"])),), indent=2)


@app.command()
def enable(
    name: Annotated[str, _NAME],
    pin: Annotated[
        str, typer.Option("--pin", help="Enable it only if this is its pin (`nodeflow packs --json`).")
    ] = "",
) -> None:
    """Let the code of an installed package run, as it is now."""
    package = _foreign(name)
    found = package.distribution.name
    if pin and pin != package.pin:
        raise Stop(
            Exit.SETUP, f"{found} is not what was expected: its pin is {package.pin}, not {clean(pin, limit=80)}"
        )
    _consents().enable(found, package.pin)
    emit(clean(f"enabled {found} {package.distribution.version} ({package.pin})"))
    brought = ", ".join(sorted(point.name for point in package.packs)) or "models only"
    say(clean(f"It brings: {brought}. A server that runs has it once it is started again."))


@app.command()
def disable(name: Annotated[str, _NAME]) -> None:
    """Let no code of a package run any more."""
    package = _foreign(name)
    _consents().disable(package.distribution.name)
    emit(clean(f"disabled {package.distribution.name}"))


def _consents() -> Any:
    from nodeflow.consent import Consents
    from nodeflow.settings import Settings

    return Consents(Settings.load().home)


def _foreign(name: str) -> Package:
    """The package of others with this name, or with a pack of this name.

    Raises:
        Stop: if there is none.
    """
    from nodeflow.consent import OWN
    from nodeflow.problems import did_you_mean
    from nodeflow.registry import packages

    found = packages()
    for package in found:
        if name in (package.distribution.name, *(point.name for point in package.packs)):
            if package.distribution.name == OWN:
                raise Stop(Exit.USAGE, f"{clean(name)} is nodeflow's own, and always enabled")
            return package
    names = [package.distribution.name for package in found]
    hint = did_you_mean(name, names) or "is it installed? see: nodeflow packs"
    raise Stop(Exit.USAGE, f"no installed package with packs is called {clean(name, limit=80)!r}; {hint}")
