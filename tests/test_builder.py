"""Recipes built in Python are the recipes that the canvas and the CLI read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodeflow.builder import build
from nodeflow.errors import NodeflowError
from nodeflow.types import Sampler
from nodeflow.workflow import Workflow
from tests.packs_for_tests import (
    Colour,
    add,
    anything,
    each_turn,
    keys,
    listed,
    n,
    number,
    options,
    read,
    real,
    recipe,
    run,
    sampler,
    split,
    total,
)


def test_calling_nodes_makes_a_graph() -> None:
    with build("Sums", "Adds.") as graph:
        start = graph.input("start", 3, title="Start")
        low, high = split(start)
        both = add(a=low, b=high)
        graph.output("sum", total(items=[both, add(both), number(value=5)]))
    assert graph.workflow == recipe(
        {
            "split": n("split", value=3),
            "add": n("add", a="@split.low", b="@split.high"),
            "add_2": n("add", a="@add.value"),
            "number": n("number", value=5),
            "total": n("total", items=["@add.value", "@add_2.value", "@number.value"]),
        },
        {"sum": "total.value"},
        title="Sums",
        description="Adds.",
        inputs={"start": {"to": ["split.value"], "title": "Start"}},
    )
    assert run(graph.workflow).values == {"sum": 12}
    assert number(value=1) == 1, "outside of the block a node is a function"


def test_what_is_built_has_the_keys_of_what_is_saved() -> None:
    with build() as graph:
        graph.output("a", anything(2.0))
        graph.output("b", real(value=2.0))
        graph.output("c", number(value=2**60))
        graph.output("d", options(colour=Colour.BLUE, amount=1.0, seed=2**64 - 1))
        graph.output("e", add(a=[1, 2], b=1, each=["a"]))
        graph.output("f", total(items=(1, 2)))
    saved = Workflow.parse(graph.workflow.text())
    assert keys(saved) == keys(graph.workflow)
    assert run(saved).values == run(graph.workflow).values
    assert saved.text() == graph.workflow.text()


def test_values_that_json_has_no_word_for() -> None:
    with build() as graph:
        graph.output("x", read(file=Path("a/b.txt")))
        graph.output("y", options(colour=Colour.RED))
    nodes = graph.workflow.nodes
    assert (nodes["read"].values, nodes["options"].values) == ({"file": "a/b.txt"}, {"colour": "red"})


def test_control_flow_and_sub_workflows() -> None:
    with build() as inner:
        graph_in = inner.input("x")
        inner.output("x", add(a=graph_in, b=10))
    with build() as graph:
        turn = graph.define("turn", inner.workflow)
        graph.output("looped", each_turn(body=turn, count=3, x=1).x)
        graph.output("once", graph.call("turn", x=5).x)
    assert run(graph.workflow).values == {"looped": 31, "once": 15}


def mistake(action: Any) -> str:
    with build() as graph, pytest.raises((NodeflowError, TypeError, AttributeError)) as raised:
        action(graph)
    return str(raised.value)


def test_mistakes_are_named() -> None:
    with build() as other:
        foreign = number(value=1)
    assert mistake(lambda g: number(1, 2)) == "t/number@1 has 1 inputs, got 2 values"
    assert mistake(lambda g: number(1, value=2)) == "t/number@1: the input 'value' is given twice"
    assert mistake(lambda g: number(vlaue=2)) == "t/number@1 has no input 'vlaue'; did you mean value?"
    assert mistake(lambda g: add(a=split(value=1))) == "t/add@1: input 'a': name one of the outputs low, high"
    assert mistake(lambda g: add(a=foreign)) == "number.value belongs to another graph"
    assert mistake(lambda g: anything(Sampler("x"))).endswith(
        "expected a plain value or a node's output, got a Sampler"
    )
    assert mistake(lambda g: total(items=[number(value=1), 2])).endswith("either outputs of nodes or plain values only")
    assert mistake(lambda g: g.output("x", 5)) == "output 'x': expected a node's output, got int"
    assert mistake(lambda g: bool(number(value=1))).startswith("number.value is an output in a recipe, not a value")
    assert mistake(lambda g: list(listed(count=2))).startswith("listed.values is an output in a recipe")
    assert mistake(lambda g: split(value=1).middle) == "no output 'middle'; it has low, high"
    assert other.workflow.nodes.keys() == {"number"}


def test_declared_inputs_that_nothing_uses() -> None:
    with build() as graph:
        graph.input("seed", 1)
        sampler(name="x")
    with pytest.raises(NodeflowError, match="declared inputs that no node uses: seed"):
        _ = graph.workflow
