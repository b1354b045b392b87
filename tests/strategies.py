"""Hypothesis strategies, in one place."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nodeflow.workflow import Workflow
from tests.packs_for_tests import n

ids = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_-]{0,12}\Z")
ports = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,12}\Z")
texts = st.text(st.characters(codec="utf-8"), max_size=12)
links = st.builds("{}.{}".format, ids, ports)
numbers = st.one_of(
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not (x.is_integer() and abs(x) <= 2**53)),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
"""Values that are the same after saving: integers beyond 2**53 become strings, whole real numbers integers."""
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
extras = st.dictionaries(st.builds("x-{}".format, texts), values, max_size=2)


@st.composite
def nodes(draw: st.DrawFn) -> dict[str, Any]:
    """A node of any op, well-formed but for what only the rules know."""
    node: dict[str, Any] = {"op": draw(st.sampled_from(["t/add@1", "pack/none@2", "workflow:x"])), **draw(extras)}
    node["values"] = draw(st.dictionaries(ports, values, max_size=3))
    node["links"] = draw(st.dictionaries(ports, links | st.lists(links, min_size=1, max_size=3), max_size=3))
    node["title"] = draw(texts)
    node["mode"] = draw(st.sampled_from(["active", "muted", "bypassed"]))
    node[draw(st.sampled_from(["each", "product"]))] = draw(st.lists(ports, max_size=2))
    return node


@st.composite
def documents(draw: st.DrawFn, depth: int = 1) -> dict[str, Any]:
    """A recipe's JSON."""
    inputs = st.fixed_dictionaries({"to": st.lists(links, min_size=1, max_size=2), "title": texts})
    document: dict[str, Any] = {
        "title": draw(texts),
        "inputs": draw(st.dictionaries(ports, inputs, max_size=2)),
        "outputs": draw(st.dictionaries(ports, links, max_size=2)),
        "nodes": draw(st.dictionaries(ids, nodes(), max_size=4)),
        "layout": draw(st.dictionaries(texts, values, max_size=2)),
        **draw(extras),
    }
    if depth:
        document["definitions"] = draw(st.dictionaries(ids, documents(depth - 1), max_size=1))
        document["format"] = "nodeflow/1"
    return document


workflows = documents().map(Workflow.from_json)


@st.composite
def sums(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """The nodes of a graph that runs: numbers, sums, splits and totals, each fed by earlier ones."""
    graph: dict[str, dict[str, Any]] = {"n0": n("number", value=draw(st.integers(-9, 9)))}
    outputs = ["@n0.value"]
    for i in range(1, draw(st.integers(1, 10))):
        kind = draw(st.sampled_from(["number", "add", "add", "split", "total", "same"]))
        source = st.sampled_from(outputs)
        name = f"n{i}"
        if kind == "number":
            graph[name] = n("number", value=draw(st.integers(-9, 9)))
        elif kind == "add":
            graph[name] = n("add", a=draw(source), b=draw(source | st.integers(-9, 9)))
        elif kind == "total":
            graph[name] = n("total", items=draw(st.lists(source, min_size=1, max_size=3)))
        else:
            graph[name] = n(kind, value=draw(source))
        outputs += [f"@{name}.low", f"@{name}.high"] if kind == "split" else [f"@{name}.value"]
    return graph


def renamed(graph: dict[str, dict[str, Any]], names: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The same graph with other ids, in the order of `names`."""

    def link(text: str) -> str:
        node, _, port = text.partition(".")
        return f"{names[node]}.{port}"

    return {
        new: {
            **graph[old],
            "links": {
                port: [link(one) for one in to] if isinstance(to, list) else link(to)
                for port, to in graph[old]["links"].items()
            },
        }
        for old, new in names.items()
    }
