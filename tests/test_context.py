"""What a node may ask of its run, and of nobody when it is called as a function."""

from __future__ import annotations

import pytest
from blake3 import blake3

from nodeflow.context import Carried, StandaloneContext
from nodeflow.errors import Cancelled
from nodeflow.events import NodePreview, NodeProgress, NodeText, NodeWarning
from nodeflow.op import Context, node
from nodeflow.types import Artefact
from tests.packs_for_tests import n, recipe, run


@node("t/talks")
def talks(value: int, *, ctx: Context) -> list[Artefact]:
    """Uses all of its context."""
    ctx.check()
    ctx.progress(1, 2, "half")
    ctx.preview(b"png")
    ctx.text("word")
    ctx.warn("hm")
    return [ctx.save(b"data", "a.txt", "text/plain")]


def test_all_that_a_node_may_say() -> None:
    ran = run(recipe({"x": n("talks", value=1)}, {"x": "x.artefacts"}), talks)
    assert [event[1:] for kind in (NodeProgress, NodePreview, NodeText, NodeWarning) for event in ran.told(kind)] == [
        ("x", 1, 2, "half"),
        ("x", b"png"),
        ("x", "word"),
        ("x", "hm"),
    ]
    assert ran.value("x") == [Artefact(blake3(b"data").hexdigest(), "text/plain", "a.txt", 4)]
    assert ran.outcome.warnings == [("x", "hm")]


def test_called_as_a_function() -> None:
    context = StandaloneContext()
    talks(1, ctx=context)
    assert (context.warnings, context.texts, context.previews, context.saved) == (
        ["hm"],
        ["word"],
        [b"png"],
        {"a.txt": b"data"},
    )
    assert context.run(lambda x: {"y": x + 1}, {"x": 1}) == {"y": 2}
    context.cancelled.set()
    with pytest.raises(Cancelled):
        talks(1, ctx=context)


def test_a_carried_value_has_the_key_of_what_it_is() -> None:
    assert Carried.of(1) == Carried.of(1) != Carried.of(1.0)
    assert Carried.of(Carried("k", 5)) == ("k", 5)
