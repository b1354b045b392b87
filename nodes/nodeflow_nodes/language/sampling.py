"""From logits to a token: repetition penalty → temperature → softmax → truncation → one draw.

Everything is float64 on the CPU, so the choice depends on nothing but the logits and the generator. One draw takes
exactly one number from the generator: with the same seed, runs at two temperatures are driven by the same chances.
V: size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from nodeflow import NodeError

SMALLEST = 1e-9
"""Temperatures below it are 0: a quotient must not leave the numbers."""
ROUNDING = 1e-12
"""What probabilities may be off by: a token that reaches a limit exactly counts as reaching it."""


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen.

    temperature: logits are divided by it; 0 (and what is too small to divide by): always the likeliest token.
    top_k: keep the k likeliest; 0: all. top_p: keep the likeliest until their probabilities sum to top_p; 1: all.
    min_p: keep what has at least this share of the likeliest token's probability; 0: all. repetition_penalty: above 1
    makes tokens that were read or written before less likely; 1: off.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True)
class Distribution:
    """The next token's chances, in every stage. All tensors are [V], by token id, float64.

    logits: after the repetition penalty. probability: after the temperature. final: after truncation (0 where it was
    cut off), what is drawn from. order: token ids, the likeliest first, equal ones by id. kept: how many of them are
    left after truncation.
    """

    logits: Tensor
    probability: Tensor
    final: Tensor
    order: Tensor
    kept: int


def penalise(logits: Tensor, seen: Iterable[int], penalty: float) -> Tensor:
    """Make the tokens in `seen` less likely: positive logits are divided by `penalty`, negative ones multiplied by it
    (Keskar et al. 2019, CTRL, section 4.1, in the form for negative logits that all libraries use). Once a token."""
    if penalty == 1.0:
        return logits
    ids = torch.tensor(sorted(set(seen)), dtype=torch.long)
    chosen = logits[ids]
    return logits.index_put((ids,), torch.where(chosen > 0, chosen / penalty, chosen * penalty))


def count_kept(falling: Tensor, sampling: Sampling) -> int:
    """How many of the likeliest tokens truncation leaves, at least one.

    The three cuts follow each other, and each sees the rest as a whole: top-k (Fan et al. 2018), top-p, the smallest
    set that reaches the sum (Holtzman et al. 2020), min-p (Nguyen et al. 2024).

    Args:
        falling: [V] probabilities, the largest first, with sum 1.
    """
    count = len(falling)
    if sampling.top_k:
        count = min(count, sampling.top_k)
    if sampling.top_p < 1.0:
        sums = falling[:count].cumsum(0)
        short = sums < sampling.top_p * sums[-1] - ROUNDING  # sums that have not reached it
        count = min(count, int(short.sum()) + 1)
    if sampling.min_p > 0.0:
        count = int((falling[:count] >= sampling.min_p * falling[0] - ROUNDING).sum())
    return max(1, count)


def distribution(logits: Tensor, sampling: Sampling, seen: Iterable[int] = ()) -> Distribution:
    """The chances of every token to come next.

    Args:
        logits: [V], as the model gives them.
        seen: ids that the repetition penalty counts: the prompt's and those written so far.

    Raises:
        NodeError: if a logit is not a number.
    """
    changed = penalise(logits.detach().to("cpu", torch.float64), seen, sampling.repetition_penalty)
    if changed.isnan().any():
        raise NodeError("the model's answer is not a number: its weights are damaged, or it needs precision float32")
    values, order = changed.sort(descending=True, stable=True)
    if sampling.temperature < SMALLEST:
        falling = torch.zeros_like(values)
        falling[0] = 1.0
        kept = 1
    else:
        falling = (values / sampling.temperature).softmax(0)
        kept = count_kept(falling, sampling)
    cut = torch.zeros_like(falling)
    cut[:kept] = falling[:kept] / falling[:kept].sum()
    probability, final = torch.empty_like(falling), torch.empty_like(falling)
    probability[order], final[order] = falling, cut
    return Distribution(changed, probability, final, order, kept)


def draw(chances: Distribution, generator: torch.Generator) -> int:
    """One token: the bars of `final` stand side by side from 0 to 1, the likeliest first; a uniform number falls into
    one of them (inversion of the distribution function)."""
    number = torch.rand((), dtype=torch.float64, generator=generator)
    sums = chances.final[chances.order[: chances.kept]].cumsum(0)
    place = int(torch.searchsorted(sums, number * sums[-1], right=True))
    return int(chances.order[min(place, chances.kept - 1)])


def generator_for(seed: int) -> torch.Generator:
    """The generator of one text: on the CPU, whatever the model computes on."""
    return torch.Generator("cpu").manual_seed(seed)
