"""Examples of the language pack, with the built-in language model `shapes-lm`."""

from __future__ import annotations

from typing import Any

from docs.examples.kit import example, outputs, use
from nodeflow.builder import Graph

NEEDS = "the language model `shapes-lm`"


def model() -> Any:
    """The built-in language model."""
    return use("language/load_model", model="shapes-lm")


@example("language/load_model", "The model is read when it is first used.", needs=NEEDS)
def _(graph: Graph) -> None:
    graph.output("tokens", use("language/count_tokens", model=model(), text="a red star"))


@example("language/chat_template", "The prompt with the marks that the model was trained on.", needs=NEEDS)
def _(graph: Graph) -> None:
    text = use("language/chat_template", model=model(), prompt="Name a shape.", system="Answer with one word.")
    graph.output("text", text)


@example("language/count_tokens", needs=NEEDS)
def _(graph: Graph) -> None:
    text = "a red star on a blue background"
    graph.output("tokens", use("language/count_tokens", model=model(), text=text))


@example("language/generate", "The same seed writes the same text.", needs=NEEDS)
def _(graph: Graph) -> None:
    written = use("language/generate", model=model(), prompt="a red star", max_tokens=24, seed=7)
    outputs(graph, text=written.text, tokens=written.tokens, finish=written.finish)


@example("language/generate_batch", "Three texts from one prompt.", needs=NEEDS)
def _(graph: Graph) -> None:
    texts = use("language/generate_batch", model=model(), prompt="a red", count=3, max_tokens=16, seed=7)
    graph.output("texts", texts)


@example("language/next_token_distribution", "What could come next, and how likely each is.", needs=NEEDS)
def _(graph: Graph) -> None:
    next_token = use("language/next_token_distribution", model=model(), prompt="a red", count=8, top_p=0.9)
    outputs(graph, figure=next_token.figure, token=next_token.token, table=next_token.table)


@example("language/perplexity", "How well the model foresees a text: 1 is perfectly.", needs=NEEDS)
def _(graph: Graph) -> None:
    measured = use("language/perplexity", model=model(), text="a red star on a blue background")
    outputs(graph, perplexity=measured.perplexity, bits=measured.bits)


@example("language/token_table", "The pieces that a text is cut into, with their numbers.", needs=NEEDS)
def _(graph: Graph) -> None:
    graph.output("table", use("language/token_table", model=model(), text="a red star"))
