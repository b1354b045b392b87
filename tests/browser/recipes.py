"""Small recipes that the tests open. All but `PICTURE` compute in no time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.browser.canvas import Document, recipe

SHIPPED = Path(__file__).parents[2] / "workflows"


def shipped(name: str) -> Document:
    document: Document = json.loads((SHIPPED / f"{name}.json").read_text())
    return document


def text(value: str = "hello", **parts: Any) -> Document:
    return {"op": "value/text@1", "values": {"value": value}, **parts}


def wiring() -> Document:
    """A picture, two nodes that take one, and two that do not.

    picture ── blur      invert (not linked)      words      number
    """
    return recipe(
        {
            "picture": {"op": "image/empty@1", "values": {"width": 32, "height": 32}},
            "blur": {"op": "image/blur@1", "links": {"image": "picture.image"}},
            "invert": {"op": "image/invert@1"},
            "words": {"op": "value/join_text@1", "values": {"a": "hello"}},
            "number": {"op": "value/integer@1", "values": {"value": 3}},
        },
        layout={
            "picture": {"at": [0, 0]},
            "blur": {"at": [340, 0]},
            "invert": {"at": [680, 0]},
            "words": {"at": [340, 300]},
            "number": {"at": [0, 300]},
        },
    )


def chain() -> Document:
    """a ── b ── c, texts that are joined; `c` is the declared output."""
    return recipe(
        {
            "a": text("one"),
            "b": {"op": "value/join_text@1", "values": {"b": " two"}, "links": {"a": "a.text"}},
            "c": {"op": "value/join_text@1", "values": {"b": " three"}, "links": {"a": "b.text"}},
        },
        outputs={"text": "c.text"},
    )


def seeded() -> Document:
    """A number drawn from a seed."""
    return recipe(
        {"draw": {"op": "value/random_integer@1", "values": {"seed": 5, "low": 0, "high": 1000000}}},
        outputs={"number": "draw.value"},
    )


def picture(steps: int = 2, seed: int = 7) -> Document:
    """The shipped text-to-image, with few steps; many steps make it run as long as a test wants."""
    document = shipped("text-to-image")
    document["nodes"]["sample"]["values"] |= {"steps": steps, "seed": seed}
    return document


def failing() -> Document:
    """A recipe that passes the check and fails when `find` runs."""
    return recipe(
        {
            "words": text("some words"),
            "find": {"op": "value/regex_find@1", "values": {"pattern": "("}, "links": {"text": "words.text"}},
        },
        outputs={"found": "find.texts"},
    )


def faulty() -> Document:
    """Three faults that are there before anything runs: an input missing, a wrong type, a value out of range."""
    return recipe(
        {
            "words": text("some words"),
            "blur": {"op": "image/blur@1"},
            "invert": {"op": "image/invert@1", "links": {"image": "words.text"}},
            "empty": {"op": "image/empty@1", "values": {"width": -5}},
        },
        outputs={"image": "blur.image"},
    )


def many(count: int = 1000) -> Document:
    """A thousand nodes in 40 columns, each linked to the one before it in its row."""
    nodes: Document = {}
    layout: Document = {}
    for place in range(count):
        column, row = place % 40, place // 40
        node: Document = {"op": "value/join_text@1", "values": {"a": "x", "b": str(place), "separator": ""}}
        if column:
            del node["values"]["a"]
            node["links"] = {"a": f"n{place - 1}.text"}
        nodes[f"n{place}"] = node
        layout[f"n{place}"] = {"at": [column * 340, row * 260]}
    return recipe(nodes, layout=layout, outputs={"text": f"n{count - 1}.text"})
