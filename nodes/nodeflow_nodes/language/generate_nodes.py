"""Nodes that write text."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import Context, LanguageModel, Multiline, NodeError, Range, Seed, node

Temperature = Annotated[float, Range(0, 2, step=0.05)]
TopK = Annotated[int, Range(0, 1000, step=1)]
Share = Annotated[float, Range(0, 1, step=0.01)]
Penalty = Annotated[float, Range(1, 2, step=0.05)]
Stop = Annotated[list[str] | str, Multiline()]


class Text(NamedTuple):
    """What a model wrote, and why it ended."""

    text: str
    whole: str
    tokens: int
    finish: Literal["end", "stop", "length"]


@node("language/generate", device=True, title="Write text")
def generate(
    model: LanguageModel,
    prompt: Annotated[str, Multiline()],
    max_tokens: Annotated[int, Range(1, 32768, step=1, unit="tokens")] = 64,
    temperature: Temperature = 0.8,
    top_k: TopK = 0,
    top_p: Share = 1.0,
    min_p: Share = 0.0,
    repetition_penalty: Penalty = 1.0,
    stop: Stop = "",
    seed: Seed = 0,
    chat: bool = False,
    system: Annotated[str, Multiline()] = "",
    *,
    ctx: Context,
) -> Text:
    """Let a language model continue a text, or answer in a chat.

    The same seed gives the same text, alone or in a batch, whatever the device draws. Text appears while it is
    written.

    Args:
        model: the language model.
        prompt: what the model continues; with `chat`, what the user says.
        max_tokens: tokens to write at most; a token is a word or a piece of one.
        temperature: how daring the choice is: 0 always takes the likeliest token, 1 follows the model's own
            probabilities, above 1 flattens them.
        top_k: choose among this many likeliest tokens only; 0: all.
        top_p: choose among the likeliest tokens that together have this probability; 1: all.
        min_p: leave out tokens with less than this share of the likeliest token's probability; 0: none.
        repetition_penalty: above 1 makes tokens that were already there less likely.
        stop: end before any of these texts: a list, or one in each line (\\n means a line break).
        seed: where chance begins; every seed gives another text.
        chat: put prompt and system text into the model's chat template first.
        system: how the model should behave; only with `chat`.

    Returns:
        text: what the model wrote, without blanks at its ends.
        whole: the prompt and what the model wrote, exactly; in a chat, with an empty line between them.
        tokens: how many tokens were written, the end token included.
        finish: why it ended: the model said so ("end"), a stop text came, or `max_tokens` was reached ("length").
    """
    from .sampling import Sampling
    from .writing import allowed, read_prompt, stop_strings, write

    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    with ctx.weights.use(model, ctx.device) as module:
        ids = prompt_ids(module.tokens, prompt, chat, system)
        limit = allowed(module, ids, max_tokens, ctx)
        start = read_prompt(module, ids, limit, ctx)
        written = write(
            module, start, sampling, seed, limit, stop_strings(stop), ctx, ctx.text,
            lambda done: ctx.progress(done, limit, "tokens"),
        )  # fmt: skip
    whole = f"{prompt}\n\n{written.text.strip()}" if chat else prompt + written.text
    return Text(written.text.strip(), whole, len(written.ids), written.finish)


@node("language/generate_batch", device=True, title="Write several texts")
def generate_batch(
    model: LanguageModel,
    prompt: Annotated[str, Multiline()],
    count: Annotated[int, Range(1, 1000, step=1)] = 4,
    max_tokens: Annotated[int, Range(1, 32768, step=1, unit="tokens")] = 64,
    temperature: Temperature = 0.8,
    top_k: TopK = 0,
    top_p: Share = 1.0,
    min_p: Share = 0.0,
    repetition_penalty: Penalty = 1.0,
    stop: Stop = "",
    seed: Seed = 0,
    chat: bool = False,
    system: Annotated[str, Multiline()] = "",
    *,
    ctx: Context,
) -> list[str]:
    """Let a language model write several texts from one prompt.

    Text i is the one that `language/generate` writes with `seed` + i. The prompt is read once.

    Args:
        model: the language model.
        prompt: what the model continues; with `chat`, what the user says.
        count: how many texts.
        max_tokens: tokens of each text at most.
        temperature: 0 always takes the likeliest token (all texts are the same then), up to 2.
        top_k: choose among this many likeliest tokens only; 0: all.
        top_p: choose among the likeliest tokens that together have this probability; 1: all.
        min_p: leave out tokens with less than this share of the likeliest token's probability; 0: none.
        repetition_penalty: above 1 makes tokens that were already there less likely.
        stop: end before any of these texts: a list, or one in each line (\\n means a line break).
        seed: of the first text; the following ones count up.
        chat: put prompt and system text into the model's chat template first.
        system: how the model should behave; only with `chat`.

    Returns:
        What the model wrote, without blanks at the ends.
    """
    from .sampling import Sampling
    from .writing import Read, allowed, read_prompt, stop_strings, write

    sampling = Sampling(temperature, top_k, top_p, min_p, repetition_penalty)
    stops = stop_strings(stop)
    texts = []
    with ctx.weights.use(model, ctx.device) as module:
        ids = prompt_ids(module.tokens, prompt, chat, system)
        limit = allowed(module, ids, max_tokens, ctx)
        first = read_prompt(module, ids, limit, ctx)
        for number in range(count):
            start = Read(ids, first.state.copy(), first.logits)
            written = write(
                module, start, sampling, (seed + number) % 2**64, limit, stops, ctx, ctx.text, lambda done: None
            )
            texts.append(written.text.strip())
            if number + 1 < count:
                ctx.text("\n\n")
            ctx.progress(number + 1, count, "texts")
    return texts


def prompt_ids(tokens: Any, prompt: str, chat: bool, system: str) -> list[int]:
    """Ids of what the model is to continue."""
    if not chat:
        if system:
            raise NodeError("system text is used in a chat only: turn chat on, or put it into the prompt")
        return list(tokens.encode(prompt))
    from .chat import messages_of, render

    return list(tokens.encode(render(tokens, messages_of(prompt, system, [])), special=False))
