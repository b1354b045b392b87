"""The loop that writes: read, look at the logits, choose a token, until an end, a stop string or the limit.

Texts of a batch are written one after another from copies of the state after the prompt, each with a generator of its
own: in a batched forward pass the last bits of an item depend on the others, and so would its text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nodeflow import Context, NodeError

from .models import LanguageModule
from .sampling import Sampling, distribution, draw, generator_for
from .tokens import Stream

Finish = Literal["end", "stop", "length"]


@dataclass(frozen=True)
class Written:
    """A text that a model wrote: `text` as written, ids of its tokens, and why it ended there."""

    text: str
    ids: tuple[int, ...]
    finish: Finish


class StopFinder:
    """Finds stop strings in text that comes in pieces: holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = [s for s in stops if s]
        self.held = ""
        self.found = False

    def push(self, piece: str) -> str:
        """The text that is safe to show. Once `found`, it ends before the stop string, and nothing may follow."""
        text = self.held + piece
        places = [(place + len(stop), place) for stop in self.stops if (place := text.find(stop)) >= 0]
        if places:  # the one that is complete first, so that it does not matter how the text was cut into pieces
            self.found, self.held = True, ""
            return text[: min(places)[1]]
        longest = max((len(s) - 1 for s in self.stops), default=0)
        keep = next(
            (n for n in range(min(longest, len(text)), 0, -1) if any(s.startswith(text[-n:]) for s in self.stops)), 0
        )
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]


@dataclass
class Read:
    """A prompt that was read: its ids, the state after it, and the logits of what follows."""

    ids: list[int]
    state: Any
    logits: Any


def read_prompt(module: LanguageModule, ids: list[int], room: int, ctx: Context) -> Read:
    """Read a prompt.

    Args:
        room: how many tokens will be written behind it at most.

    Raises:
        NodeError: if the prompt is empty for a model without a start token, or fills the model's context.
    """
    if not ids:
        raise NodeError("the prompt is empty, and this model has no token to start from: give it at least one word")
    if len(ids) >= module.context:
        raise NodeError(
            f"the prompt has {len(ids)} tokens; this model reads at most {module.context - 1} before it writes"
        )
    state = module.start(len(ids) + room)
    return Read(ids, state, module.read(ids, state, check=ctx.check))


def write(
    module: LanguageModule,
    start: Read,
    sampling: Sampling,
    seed: int,
    limit: int,
    stops: Sequence[str],
    ctx: Context,
    on_text: Callable[[str], None],
    on_token: Callable[[int], None],
) -> Written:
    """Write one text behind a prompt that was read. `start.state` is used up: pass a copy to keep it.

    Args:
        limit: tokens to write at most.
        on_text: gets the text piece by piece; the pieces together are the text.
        on_token: gets the number of tokens so far after each token.
    """
    generator = generator_for(seed)
    stream, finder = Stream(module.tokens, start.ids), StopFinder(stops)
    logits, seen, ids, pieces = start.logits, set(start.ids), list[int](), list[str]()
    finish: Finish = "length"

    def say(piece: str) -> None:
        if piece:
            pieces.append(piece)
            on_text(piece)

    while len(ids) < limit:
        ctx.check()
        token = draw(distribution(logits, sampling, seen), generator)
        ids.append(token)
        on_token(len(ids))
        if token in module.tokens.ends:
            finish = "end"
            break
        say(finder.push(stream.push(token)))
        if finder.found:
            finish = "stop"
            break
        if len(ids) < limit:
            seen.add(token)
            logits = module.read([token], start.state)
    if not finder.found:
        say(finder.held)
    return Written("".join(pieces), tuple(ids), finish)


def allowed(module: LanguageModule, ids: list[int], limit: int, ctx: Context) -> int:
    """How many tokens may follow `ids`; warns where the model's context is shorter than what was asked for."""
    room = module.context - len(ids)
    if limit > room > 0:
        ctx.warn(f"at most {room} of {limit} tokens: the model's context of {module.context} ends there")
    return min(limit, room)


def stop_strings(stop: list[str] | str) -> list[str]:
    """Stop strings from a list, or from lines of text in which \\n and \\t stand for a line break and a tab."""
    if isinstance(stop, list):
        return stop
    return [line.replace("\\n", "\n").replace("\\t", "\t") for line in stop.splitlines() if line]
