"""Reading a file of ComfyUI's, whatever it is: JSON of either format, a request's body, or a picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nodeflow.comfy.convert import convert
from nodeflow.comfy.document import is_ui, version_of
from nodeflow.comfy.flatten import flatten
from nodeflow.comfy.fold import fold
from nodeflow.comfy.graph import Graph, Source, is_api, read_api
from nodeflow.comfy.maker import KEY
from nodeflow.comfy.media import texts
from nodeflow.comfy.models import note_models
from nodeflow.comfy.report import Report
from nodeflow.comfy.text import pack, parse, refuse, shorten, unpack
from nodeflow.files import Files
from nodeflow.share.embed import is_picture
from nodeflow.workflow import Workflow


@dataclass(frozen=True)
class Imported:
    """What a file became."""

    workflow: Workflow
    report: Report


def is_comfy(document: Any) -> bool:
    """Whether a parsed document is one of ComfyUI's."""
    return is_ui(document) or is_api(document) or _body(document) is not None


def _body(document: Any) -> dict[str, Any] | None:
    """The prompt in a request's body."""
    inner = document.get("prompt") if isinstance(document, dict) else None
    return inner if is_api(inner) else None


def read(
    data: bytes,
    *,
    source: str = "",
    ops: Iterable[str] | None = None,
    files: Files | None = None,
    definitions: bool = True,
) -> Imported:
    """The recipe in a file of ComfyUI's.

    Args:
        data: JSON, or a PNG, WebP or JPEG picture that carries it. source: its name, for messages.
        ops: names of the ops there are (those that are installed). files: where models are looked for.
        definitions: make sub-graphs definitions; else their nodes stay in the recipe itself.

    Raises:
        ProblemsError: if it is unreadable, beyond a limit, or not ComfyUI's. Whatever else is wrong is in the report.
    """
    report = Report()
    if not is_picture(data):
        document = parse(data, report, source=source)
        return read_document(document, source=source, ops=ops, files=files, report=report, definitions=definitions)
    found = texts(data, source=source)
    if not found:
        raise refuse("the picture carries no workflow of ComfyUI's", source, hint="messengers and editors take it out")
    parsed = {key: parse(text, report, source=source) for key, text in found.items()}
    prompt = parsed.get("prompt")
    ui = parsed.get("workflow")
    if is_ui(ui):
        return read_document(ui, prompt, source=source, ops=ops, files=files, report=report, definitions=definitions)
    if not is_comfy(prompt):
        raise refuse("the picture's text is no workflow of ComfyUI's", source, code="NF003")
    return read_document(prompt, source=source, ops=ops, files=files, report=report)


def read_document(
    document: Any,
    prompt: Any = None,
    *,
    source: str = "",
    ops: Iterable[str] | None = None,
    files: Files | None = None,
    report: Report | None = None,
    definitions: bool = True,
) -> Imported:
    """The recipe of a parsed document; `prompt` is what ran, if it is known too, and its values count."""
    report = report if report is not None else Report()
    kept: dict[str, Any] = {"document": document}
    if prompt is not None:
        kept["prompt"] = prompt
    if (body := _body(document)) is not None and not is_ui(document):
        report.format, graph = "api", read_api(body, report)
    elif is_ui(document):
        report.format, graph = version_of(document), flatten(document, report)
        if is_api(prompt):
            graph = _with_prompt(graph, prompt, report)
    elif is_api(document):
        report.format, graph = "api", read_api(document, report)
    else:
        recipe = isinstance(document, dict) and str(document.get("format", "")).startswith("nodeflow/")
        hint = "it is a recipe already; run it with: nodeflow run FILE" if recipe else ""
        raise refuse("the document is no workflow of ComfyUI's", source, code="NF003", place="format", hint=hint)
    if ops is None:
        from nodeflow.registry import installed

        ops = installed().ops
    made = convert(graph, report, ops)
    note_models(document, made.workflow, report, files)
    flat = made.workflow.to_json()
    extras = {KEY: {"format": report.format, **{k: pack(v) for k, v in kept.items()}}}
    if definitions:
        flat = fold(flat, graph.instances, made, report)
    else:
        for path, instance in graph.instances.items():
            report.add("flattened", f"the nodes of the sub-graph {shorten(instance.name)!r} get ids {path}-…", path)
    return Imported(Workflow.from_json({**flat, **extras}), report)


def _with_prompt(graph: Graph, prompt: dict[str, Any], report: Report) -> Graph:
    """The document's graph with the values that ran; or the graph that ran, if it is another one."""
    ran = read_api(prompt, report)
    mine = {i.id: i.type for i in graph.items.values() if not i.off}
    if any(mine.get(item.id) != item.type for item in ran.items.values()):
        report.add("repaired", "the file holds two graphs that disagree; the one that ran is read")
        return ran
    changed = 0
    for item in ran.items.values():
        for name, value in item.inputs.items():
            now = graph.items[item.id].inputs.get(name)
            if not isinstance(value, Source) and not isinstance(now, Source) and now != value:
                graph.items[item.id].inputs[name] = value
                changed += 1
    if changed:
        report.add("repaired", f"{changed} values differ between the drawing and what ran; what ran counts")
    return graph


def original(workflow: Workflow) -> Any:
    """The document of ComfyUI's that a recipe was made of, as it was; None if there is none."""
    kept = (workflow.model_extra or {}).get(KEY)
    return unpack(kept["document"]) if isinstance(kept, dict) and "document" in kept else None
