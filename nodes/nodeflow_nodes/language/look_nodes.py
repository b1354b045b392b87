"""Nodes that look into a language model: the next token's distribution, and how surprising a text is."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

from nodeflow import Context, Figure, LanguageModel, Multiline, NodeError, Range, Seed, Table, node

from .generate_nodes import Penalty, Share, Temperature, TopK, prompt_ids


class NextToken(NamedTuple):
    """The next token's distribution."""

    table: Table
    figure: Figure
    token: str
    entropy: float


@node("language/next_token_distribution", device=True, title="Next-token distribution")
def next_token_distribution(
    model: LanguageModel,
    prompt: Annotated[str, Multiline()],
    count: Annotated[int, Range(1, 200, step=1)] = 12,
    temperature: Temperature = 1.0,
    top_k: TopK = 0,
    top_p: Share = 1.0,
    min_p: Share = 0.0,
    repetition_penalty: Penalty = 1.0,
    seed: Seed = 0,
    chat: bool = False,
    system: Annotated[str, Multiline()] = "",
    *,
    ctx: Context,
) -> NextToken:
    """Show how a language model chooses the next token: logits, probabilities, truncation, and the draw.

    The token drawn is the first that `language/generate` writes with the same settings and seed.

    Args:
        model: the language model.
        prompt: the text before the token; with `chat`, what the user says.
        count: how many of the likeliest tokens to show; the drawn one is added if it is not among them.
        temperature: logits are divided by it before the softmax; 0 takes the likeliest token.
        top_k: keep this many likeliest tokens only; 0: all.
        top_p: keep the likeliest tokens that together have this probability; 1: all.
        min_p: leave out tokens with less than this share of the likeliest token's probability; 0: none.
        repetition_penalty: above 1 makes tokens that are in the prompt less likely.
        seed: where chance begins.
        chat: put prompt and system text into the model's chat template first.
        system: how the model should behave; only with `chat`.

    Returns:
        table: a row for each token: rank, text, id, logit (after the repetition penalty), probability after the
            temperature, probability after truncation, whether truncation kept it, whether it was drawn.
        figure: the same as bars.
        token: the text of the drawn token.
        entropy: of the distribution that is drawn from (bits): 0 if there is no choice.
    """
    from .figure import bars
    from .sampling import Sampling, distribution, draw, generator_for
    from .writing import read_prompt

    with ctx.weights.use(model, ctx.device) as module:
        ids = prompt_ids(module.tokens, prompt, chat, system)
        logits = read_prompt(module, ids, 1, ctx).logits
        tokens = module.tokens
    chances = distribution(logits, Sampling(temperature, top_k, top_p, min_p, repetition_penalty), ids)
    drawn = draw(chances, generator_for(seed))
    ranks = {int(token): rank for rank, token in enumerate(chances.order.tolist(), 1)}
    shown = [int(token) for token in chances.order[:count]]
    rows = tuple(
        (
            ranks[token],
            tokens.piece(token),
            token,
            float(chances.logits[token]),
            float(chances.probability[token]),
            float(chances.final[token]),
            ranks[token] <= chances.kept,
            token == drawn,
        )
        for token in (shown if drawn in shown else [*shown, drawn])
    )
    columns = ("rank", "token", "id", "logit", "probability", "after truncation", "kept", "drawn")
    left = chances.final[chances.final > 0]
    entropy = abs(float(-(left * left.log2()).sum()))
    return NextToken(Table(columns, rows), bars(rows, chances.kept), tokens.piece(drawn), entropy)


class Surprise(NamedTuple):
    """How well a model predicts a text."""

    perplexity: float
    bits: float
    table: Table


@node("language/perplexity", device=True)
def perplexity(model: LanguageModel, text: Annotated[str, Multiline()], *, ctx: Context) -> Surprise:
    """Measure how surprising a text is for a model: 1 is perfectly expected, the vocabulary's size pure guessing.

    Args:
        model: the language model.
        text: at least two tokens, at most the model's context. The first token has nothing before it to be predicted
            from, and is not counted unless the model has a start token.

    Returns:
        perplexity: e to the mean of -log p(token | tokens before it).
        bits: surprise of the whole text: the sum of -log2 p.
        table: a row for each token: its text, id, probability, and surprise in bits.
    """
    import torch

    with ctx.weights.use(model, ctx.device) as module:
        ids = module.tokens.encode(text)
        if not 2 <= len(ids) <= module.context:
            raise NodeError(f"the text has {len(ids)} tokens: expected 2 to {module.context} for this model")
        logits = module.read(ids[:-1], module.start(len(ids)), every=True, check=ctx.check)
        tokens = module.tokens
    logs = logits.double().log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    rows = tuple(
        (tokens.piece(token), token, math.exp(log), -log / math.log(2))
        for token, log in zip(ids[1:], logs.tolist(), strict=True)
    )
    table = Table(("token", "id", "probability", "surprise (bits)"), rows)
    return Surprise(math.exp(-float(logs.mean())), -float(logs.sum()) / math.log(2), table)
