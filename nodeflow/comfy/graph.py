"""What both of ComfyUI's formats are brought to before conversion: nodes that run, with named inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nodeflow.comfy.report import Report
from nodeflow.comfy.text import refuse, shorten

MAX_ITEMS = 20_000
MAX_STEPS = 1_000_000
"""Of all links together, from node to node: many that go through one long chain would take for ever."""


class Source(NamedTuple):
    """An input's link: which output (counted from 0) of which node."""

    node: str
    slot: int


@dataclass
class Item:
    """A node that runs. inputs: a `Source` or a constant by name; shared: inputs that a PrimitiveNode gives, by its id.

    control: what happens to a seed after a run. off: muted or bypassed. promoted: inputs whose value is that of an
    instance of a sub-graph, by (its path, the name there).
    """

    id: str
    type: str
    title: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    control: dict[str, str] = field(default_factory=dict)
    promoted: dict[str, tuple[str, str]] = field(default_factory=dict)
    at: list[float] | None = None
    off: bool = False


@dataclass(frozen=True)
class Instance:
    """A node that stands for a sub-graph: the sub-graph's name, its own title and place, and by the names of the
    sub-graph's outputs where each comes from."""

    name: str
    title: str = ""
    at: list[float] | None = None
    outputs: tuple[tuple[str, Source], ...] = ()


@dataclass
class Graph:
    """Nodes by id, and what is only for the eye. instances: by path, such as `12` or `12:5`; items in one have ids that
    begin with its path and a colon."""

    items: dict[str, Item] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)
    form: list[tuple[str, str]] = field(default_factory=list)

    def add(self, item: Item) -> None:
        if len(self.items) >= MAX_ITEMS:
            raise refuse(f"more than {MAX_ITEMS:,} nodes", code="NF115", place="nodes")
        self.items[item.id] = item


RENAMED = {
    "T2IAdapterLoader": "ControlNetLoader",
    "ConditioningAverage ": "ConditioningAverage",
    "SDV_img2vid_Conditioning": "SVD_img2vid_Conditioning",
    "Load3DAnimation": "Load3D",
}


def renamed(item: Item) -> Item:
    """Old names of types and inputs brought up to date."""
    if item.type == "T2IAdapterLoader" and "t2i_adapter_name" in item.inputs:
        item.inputs["control_net_name"] = item.inputs.pop("t2i_adapter_name")
    item.type = RENAMED.get(item.type, item.type)
    sampler = item.inputs.get("sampler_name")
    if isinstance(sampler, str):
        item.inputs["sampler_name"] = sampler.removeprefix("sample_")
    return item


def is_api(document: Any) -> bool:
    """Whether a parsed document has ComfyUI's API format."""
    return (
        isinstance(document, dict)
        and "format" not in document
        and any(isinstance(v, dict) and isinstance(v.get("class_type"), str) for v in document.values())
    )


def read_api(document: dict[str, Any], report: Report) -> Graph:
    """A prompt in API format."""
    graph = Graph()
    for key, node in document.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
            report.add("repaired", f"{shorten(key)!r} is no node; it is left out")
            continue
        if "is_changed" in node:
            report.add("repaired", "`is_changed` is not an input; it is ignored", key, node["class_type"])
        inputs = node.get("inputs")
        meta = node.get("_meta")
        title = meta.get("title") if isinstance(meta, dict) else ""
        item = Item(key, node["class_type"], title if isinstance(title, str) else "")
        for name, value in inputs.items() if isinstance(inputs, dict) else ():
            item.inputs[name] = _api_value(value, item, document, report)
        graph.add(renamed(item))
    for item in graph.items.values():
        for name, value in list(item.inputs.items()):
            if isinstance(value, Source) and value.node not in graph.items:
                message = f"input {shorten(name)!r} is linked to node {shorten(value.node)!r}, which does not exist"
                report.add("dropped-link", message, item.id, item.type)
                del item.inputs[name]
    return graph


def _api_value(value: Any, item: Item, document: dict[str, Any], report: Report) -> Any:
    if isinstance(value, dict) and "__value__" in value:
        return value["__value__"]
    if not isinstance(value, list) or len(value) != 2 or type(value[1]) is not int or value[1] < 0:
        return value
    node, slot = value
    if isinstance(node, str):
        return Source(node, slot)
    if type(node) is int and str(node) in document:
        report.add("repaired", "a link names its node by a number; links have texts", item.id, item.type)
        return Source(str(node), slot)
    return value
