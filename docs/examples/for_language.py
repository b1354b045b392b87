"""Examples of the language pack, with the built-in language model `shapes-lm`."""

from __future__ import annotations

from typing import Any

from docs.examples.kit import example, outputs, use
from nodeflow.builder import Graph

CHAT = "a language model with a chat template"


def model() -> Any:
    """The built-in language model."""
    return use("language/load_model", model="shapes-lm")


@example("language/load_model", "The model is read when it is first used.")
def _(graph: Graph) -> None:
    graph.output("tokens", use("language/count_tokens", model=model(), text="a red star"))


@example("language/chat_template", "The prompt with the marks that the model was trained on.", needs=CHAT)
def _(graph: Graph) -> None:
    chat = use("language/load_model", model="smollm2-135m-instruct")
    text = use("language/chat_template", model=chat, prompt="Name a shape.", system="Answer with one word.")
    graph.output("text", text)


@example("language/count_tokens")
def _(graph: Graph) -> None:
    text = "a large red star in the centre on a blue background"
    graph.output("tokens", use("language/count_tokens", model=model(), text=text))


@example("language/generate", "The same seed writes the same text.")
def _(graph: Graph) -> None:
    written = use("language/generate", model=model(), prompt="write a prompt: red star =>", max_tokens=24, seed=7)
    outputs(graph, text=written.text, tokens=written.tokens, finish=written.finish)


@example("language/generate_batch", "Three texts from one prompt.")
def _(graph: Graph) -> None:
    texts = use(
        "language/generate_batch", model=model(), prompt="write a prompt: red star =>", count=3, max_tokens=24, seed=7
    )
    graph.output("texts", texts)


@example("language/next_token_distribution", "What could come next, and how likely each is.")
def _(graph: Graph) -> None:
    next_token = use(
        "language/next_token_distribution", model=model(), prompt="write a prompt: red star => a", count=8, top_p=0.9
    )
    outputs(graph, figure=next_token.figure, token=next_token.token, table=next_token.table)


@example("language/perplexity", "How well the model foresees a text: 1 is perfectly.")
def _(graph: Graph) -> None:
    measured = use(
        "language/perplexity",
        model=model(),
        text="write a prompt: red star => a large red star in the centre on a blue background",
    )
    outputs(graph, perplexity=measured.perplexity, bits=measured.bits)


@example("language/token_table", "The pieces that a text is cut into, with their numbers.")
def _(graph: Graph) -> None:
    graph.output("table", use("language/token_table", model=model(), text="a red star"))
