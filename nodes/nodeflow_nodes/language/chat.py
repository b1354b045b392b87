"""Chat templates: a conversation as the text that a chat model was trained on.

A template is a Jinja program that comes with the model, so it runs in Jinja's sandbox: it sees the messages and the
special tokens and nothing else, not even the date (a template that prints the date takes its fixed default), so the
text depends on nothing but its input.
"""

from __future__ import annotations

import json
from typing import Any

from nodeflow import NodeError

from .tokens import Tokens

LONGEST = 1_000_000
"""Characters that a template may make at most."""


def messages_of(prompt: str, system: str, history: list[str]) -> list[dict[str, str]]:
    """System text, earlier turns (the user's first, then alternating), and the prompt as messages."""
    roles = ("user", "assistant")
    if len(history) % 2:
        raise NodeError(f"history has {len(history)} turns: expected pairs, the user's text and the model's answer")
    return [
        *([{"role": "system", "content": system}] if system else []),
        *({"role": roles[i % 2], "content": text} for i, text in enumerate(history)),
        {"role": "user", "content": prompt},
    ]


def render(tokens: Tokens, messages: list[dict[str, str]]) -> str:
    """The text of a conversation, up to where the model's answer begins.

    Raises:
        NodeError: if the model has no chat template, or its template fails or refuses the messages.
    """
    if not tokens.template:
        raise NodeError(
            "this model has no chat template, so it was not made for conversations: turn chat off and write the "
            "prompt as text that it should continue"
        )
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = refuse
    parts, length = [], 0
    try:
        for part in environment.from_string(tokens.template).generate(
            messages=messages, add_generation_prompt=True, **tokens.named
        ):
            parts.append(part)
            length += len(part)
            if length > LONGEST:
                raise TemplateError(f"it makes more than {LONGEST} characters")
    except (TemplateError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise NodeError(f"the model's chat template does not take this conversation: {error}") from error
    return "".join(parts)


def _tojson(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
