"""Nodes about tokens and chat templates: they need a model's tokenizer, not its weights."""

from __future__ import annotations

from typing import Annotated

from nodeflow import Context, LanguageModel, Multiline, Table, node

from .load_nodes import tokens_of


@node("language/count_tokens")
def count_tokens(model: LanguageModel, text: Annotated[str, Multiline()], *, ctx: Context) -> int:
    """Count the tokens that a text has for a model.

    The weights are not read. Tokens that the model wants around every text are counted.

    Args:
        model: the language model; each has a vocabulary of its own.
        text: what to count.
    """
    with ctx.weights.use(tokens_of(model)) as tokens:
        return len(tokens.encode(text))


@node("language/token_table")
def token_table(model: LanguageModel, text: Annotated[str, Multiline()], *, ctx: Context) -> Table:
    """Show how a model cuts a text into tokens.

    Args:
        model: the language model; each has a vocabulary of its own.
        text: what to cut.

    Returns:
        A row for each token: its place, its text with blanks kept, and its id in the vocabulary.
    """
    with ctx.weights.use(tokens_of(model)) as tokens:
        rows = tuple((place, tokens.piece(i), i) for place, i in enumerate(tokens.encode(text)))
    return Table(("place", "token", "id"), rows)


@node("language/chat_template")
def chat_template(
    model: LanguageModel,
    prompt: Annotated[str, Multiline()],
    system: Annotated[str, Multiline()] = "",
    history: list[str] | None = None,
    *,
    ctx: Context,
) -> str:
    """Write a conversation in the form that a chat model was trained on.

    The result ends where the model's answer begins; feed it to `language/generate` with `chat` off.

    Args:
        model: a language model with a chat template.
        prompt: what the user says.
        system: how the model should behave; may be empty.
        history: earlier turns, the user's text and the model's answer in turn.
    """
    from .chat import messages_of, render

    with ctx.weights.use(tokens_of(model)) as tokens:
        return render(tokens, messages_of(prompt, system, history or []))
