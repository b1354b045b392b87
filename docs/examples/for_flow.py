"""Examples of the flow pack: each has a sub-workflow among its definitions."""

from __future__ import annotations

from docs.examples.kit import example, landscape, outputs, use
from nodeflow import build
from nodeflow.builder import Graph


@example("flow/repeat", "Four turns: each rotates and softens what the turn before it gave.")
def _(graph: Graph) -> None:
    with build() as turn:
        image = use("image/rotate", image=turn.input("image"), angle=20, expand=False, color="white")
        turn.output("image", use("image/blur", image=image, sigma=1))
    graph.define("turn", turn.workflow)
    before = landscape()
    after = use("flow/repeat", body="turn", count=4, image=before)
    outputs(graph, before=before, after=after.image)


@example("flow/while", "Doubled until it is more than 100: the turn says with `continue_` whether to go on.")
def _(graph: Graph) -> None:
    with build() as turn:
        doubled = use("value/expression", expression="a * 2", a=turn.input("number"))
        more = use("value/compare", a=doubled.integer, b=100, test="a <= b")
        outputs(turn, number=doubled.integer, continue_=more)
    graph.define("double", turn.workflow)
    graph.output("number", use("flow/while", body="double", limit=20, number=3).number)


@example("flow/map", "Three amounts of blur from a list; the sub-workflow runs once for each.")
def _(graph: Graph) -> None:
    with build() as one:
        one.output("image", use("image/blur", image=one.input("image"), sigma=one.input("sigma")))
    graph.define("blur", one.workflow)
    sigmas = use("value/linspace", start=1, stop=9, count=3)
    mapped = use("flow/map", body="blur", over=["sigma"], image=landscape(), sigma=sigmas)
    graph.output("grid", use("image/grid", images=mapped.image, columns=3))
