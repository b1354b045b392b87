"""`nodeflow nodes` and `nodeflow describe`: what can be wired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nodeflow.cli.exits import Exit, Stop
from nodeflow.cli.help import with_examples
from nodeflow.cli.text import clean, emit, emit_json, paragraphs, say, style, table

if TYPE_CHECKING:
    from nodeflow.registry import Catalogue

SHORT = 44
"""Lists of choices longer than this stand below the table of inputs."""


@with_examples("nodeflow nodes", "nodeflow nodes sampler", "nodeflow nodes --json | jq -r '.nodes[].op'")
def nodes(
    query: Annotated[list[str] | None, typer.Argument(help="Words from a name, title or summary.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ops as JSON.")] = False,
) -> None:
    """List the installed nodes by category, or those that fit a query."""
    from nodeflow.describe import search
    from nodeflow.registry import installed

    catalogue = installed()
    words = " ".join(query or ())
    found = search(catalogue, words)
    if as_json:
        listed = [
            {"op": op.id, "title": op.title, "category": op.category, "summary": op.doc.summary, "pack": owner.name}
            for op, owner in ((op, catalogue.owner(op.name)) for op in found)
        ]
        emit_json({"nodes": listed, "failed_packs": sorted(catalogue.failures)})
        return
    if not found:
        raise Stop(Exit.USAGE, f"no node fits {clean(words)!r}; `nodeflow nodes` lists all")
    categories: dict[str, list[tuple[str, str]]] = {}
    for op in found:
        summary = f"deprecated: {op.deprecated}" if op.deprecated else op.doc.summary
        categories.setdefault(op.category, []).append((op.id, summary))
    width = max(len(name) for rows in categories.values() for name, _ in rows)
    for number, (category, rows) in enumerate(categories.items()):
        if number:
            emit()
        emit(style(category, "bold"))
        table(((name.ljust(width), summary) for name, summary in rows), indent=2)
    _tell_failures(catalogue)


def _tell_failures(catalogue: Catalogue) -> None:
    for name in catalogue.failures:
        reason = catalogue.packs[name].reason
        say(clean(f"The pack {name} could not be loaded: {reason} (nodeflow doctor shows the traceback)"))


@with_examples("nodeflow describe image/blend", "nodeflow describe image/blend --json | jq .schema")
def describe(
    op: Annotated[str, typer.Argument(metavar="OP", help="The name of a node, with or without its version.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, with the JSON Schema of values.")] = False,
) -> None:
    """Show a node: its ports with types, ranges, defaults and meanings."""
    from nodeflow.describe import describe_op, search
    from nodeflow.problems import did_you_mean
    from nodeflow.registry import installed

    catalogue = installed()
    name, at, version = op.partition("@")
    found = catalogue.find(name)
    pack = catalogue.packs.get(name.partition("/")[0])
    if found is None and pack is not None and pack.error:
        raise Stop(Exit.SETUP, clean(f"the pack {pack.name} could not be loaded: {pack.reason}"))
    if found is None:
        near = [other.name for other in search(catalogue, name.rpartition("/")[2])][:4]
        hint = did_you_mean(name, catalogue.ops) or (f"did you mean {', '.join(near)}?" if near else "")
        raise Stop(Exit.USAGE, f"no installed pack has the node {clean(name, limit=80)!r}; {hint}".rstrip("; "))
    if at and version != str(found.version):
        raise Stop(Exit.USAGE, f"{name} is installed in version {found.version}, not {clean(version, limit=20)}")
    document = describe_op(found, catalogue.owner(name))
    if as_json:
        emit_json(document)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    pack = document["pack"]
    emit(f"{style(document['op'], 'bold')}  {clean(document['title'])}")
    emit(clean(f"from the pack {pack['name']} ({pack['distribution'] or 'not installed'} {pack['version']})".strip()))
    flags = _flags(document)
    if flags:
        emit("; ".join(flags))
    emit()
    paragraphs(f"{document['summary']}\n\n{document['description']}")
    if document["inputs"]:
        emit(style("Inputs", "bold"))
        table(((p["name"], p["type"], _value_text(p), p["doc"]) for p in document["inputs"]), indent=2)
        emit()
    for port in document["inputs"]:
        if len(listed := " | ".join(map(str, port.get("choices", ())))) > SHORT:
            emit(style(clean(f"Choices of {port['name']}"), "bold"))
            paragraphs(listed, indent=2)
    if document["outputs"]:
        emit(style("Outputs", "bold"))
        table(((p["name"], p["type"], p["doc"]) for p in document["outputs"]), indent=2)
    if document["raises"]:
        emit()
        emit(style("Errors", "bold"))
        paragraphs(document["raises"], indent=2)


def _flags(document: dict[str, Any]) -> list[str]:
    flags = []
    if document["deprecated"]:
        flags.append(clean(f"deprecated: {document['deprecated']}"))
    if not document["cacheable"]:
        flags.append("its results are never reused")
    if document["effects"]:
        flags.append("writes files")
    if document["device"]:
        flags.append("computes on the accelerator")
    return flags


def _value_text(port: dict[str, Any]) -> str:
    """Range, choices and default of an input in a few words."""
    parts = []
    if "choices" in port:
        listed = " | ".join(map(str, port["choices"]))
        parts.append(listed if len(listed) <= SHORT else f"one of {len(port['choices'])}")
    elif "min" in port or "max" in port:
        low, high = port.get("min"), port.get("max")
        parts.append(f"{low} to {high}" if None not in (low, high) else f"≥ {low}" if high is None else f"≤ {high}")
    if unit := port.get("unit"):
        parts.append(unit)
    if models := port.get("models"):
        parts.append(f"a model in {models}")
    if port["required"]:
        parts.append("link, required" if port.get("link_only") else "required")
    elif port["default"] is not None:
        from nodeflow.edges import describe as in_words

        parts.append(f"= {in_words(port['default'], 40)}")
    else:
        parts.append("optional")
    return ", ".join(parts)
