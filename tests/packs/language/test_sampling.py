"""The maths of choosing a token, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import chisquare

from nodeflow import NodeError
from nodeflow_nodes.language.sampling import Sampling, distribution, draw, generator_for

from .tiny import library

LOGITS = torch.tensor([1.0, 3.0, 2.0, -1.0, 0.0])


def logits_of(*chances: float) -> torch.Tensor:
    return torch.tensor(chances, dtype=torch.float64).log()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_temperature_is_an_exact_softmax(temperature: float) -> None:
    powers = [math.exp(x / temperature) for x in LOGITS.tolist()]
    expected = torch.tensor([p / sum(powers) for p in powers], dtype=torch.float64)
    found = distribution(LOGITS, Sampling(temperature))
    assert torch.allclose(found.probability, expected, rtol=1e-12, atol=0)
    assert torch.allclose(found.final, expected, rtol=1e-12, atol=0)
    assert found.order.tolist() == [1, 2, 0, 4, 3]


def test_temperature_zero_takes_the_likeliest_and_the_first_of_equals() -> None:
    found = distribution(torch.tensor([1.0, 5.0, 5.0, 2.0]), Sampling(0.0))
    assert found.final.tolist() == [0, 1, 0, 0]
    assert {draw(found, generator_for(seed)) for seed in range(20)} == {1}


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-12])
def test_a_temperature_next_to_nothing_is_nothing(temperature: float) -> None:
    found = distribution(LOGITS, Sampling(temperature))
    assert found.final.tolist() == [0, 1, 0, 0, 0]


def test_a_model_that_gives_no_numbers_is_told() -> None:
    with pytest.raises(NodeError, match=r"not a number: .* float32"):
        distribution(torch.tensor([1.0, math.nan]), Sampling())


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(top_k=2), 2),
        (Sampling(top_k=99), 4),
        (Sampling(top_p=0.4), 1),
        (Sampling(top_p=0.5), 1),  # reached exactly: no further token is needed
        (Sampling(top_p=0.51), 2),
        (Sampling(top_p=0.8), 2),
        (Sampling(top_p=0.81), 3),
        (Sampling(top_p=0.0), 1),
        (Sampling(top_p=1.0), 4),
        (Sampling(min_p=0.6), 2),  # .3 is exactly .6 of .5
        (Sampling(min_p=0.61), 1),
        (Sampling(min_p=0.3), 3),
        (Sampling(min_p=1.0), 1),
        (Sampling(top_k=3, top_p=0.6), 2),  # .5 of .95 is .526: the second is needed
        (Sampling(top_k=2, top_p=0.6), 1),  # .5 of .8 is .625: it is not
    ],
)
def test_truncation_keeps_the_smallest_set(sampling: Sampling, kept: int) -> None:
    found = distribution(logits_of(0.05, 0.5, 0.15, 0.3), sampling)
    assert found.kept == kept
    order = [1, 3, 2, 0][:kept]
    assert sorted(found.final.nonzero()[:, 0].tolist()) == sorted(order)
    assert float(found.final.sum()) == pytest.approx(1, abs=1e-12)
    ratio = found.final[order] / found.probability[order]
    assert torch.allclose(ratio, ratio[:1].expand(kept), rtol=1e-12)


def test_repetition_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    found = distribution(LOGITS, Sampling(repetition_penalty=1.5), seen=[1, 3, 3, 4])
    assert found.logits.tolist() == pytest.approx([1.0, 2.0, 2.0, -1.5, 0.0])
    assert distribution(LOGITS, Sampling(), seen=[1]).logits.tolist() == LOGITS.tolist()


def test_agrees_with_the_librarys_own_processors() -> None:
    chain = library().generation.logits_process
    logits = torch.randn(4, 200, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 3
    seen = torch.arange(0, 200, 7)[None].expand(4, -1)
    value = chain.RepetitionPenaltyLogitsProcessor(1.3)(seen, logits)
    for step in (
        chain.TemperatureLogitsWarper(0.7),
        chain.TopKLogitsWarper(60),
        chain.TopPLogitsWarper(0.9),
        chain.MinPLogitsWarper(0.05),
    ):
        value = step(seen, value)
    expected = value.softmax(-1)
    sampling = Sampling(0.7, 60, 0.9, 0.05, 1.3)
    for row in range(4):
        found = distribution(logits[row], sampling, seen[row].tolist())
        assert torch.allclose(found.final, expected[row], rtol=1e-9, atol=1e-15)


def test_draws_follow_the_distribution() -> None:
    chances = (0.4, 0.3, 0.15, 0.1, 0.05)
    found = distribution(logits_of(*chances), Sampling())
    generator = generator_for(5)
    counts = torch.bincount(torch.tensor([draw(found, generator) for _ in range(4000)]), minlength=5)
    assert chisquare(counts.numpy(), [4000 * c for c in chances]).pvalue > 0.01


def test_neighbouring_seeds_are_independent_enough() -> None:
    found = distribution(logits_of(0.5, 0.25, 0.25), Sampling())
    counts = torch.bincount(torch.tensor([draw(found, generator_for(seed)) for seed in range(3000)]), minlength=3)
    assert chisquare(counts.numpy(), [1500, 750, 750]).pvalue > 0.01


def test_what_is_cut_off_is_never_drawn() -> None:
    found = distribution(logits_of(0.4, 0.3, 0.2, 0.1), Sampling(top_k=2))
    generator = generator_for(0)
    assert {draw(found, generator) for _ in range(300)} == {0, 1}


def test_the_same_seed_draws_the_same_chance_at_every_temperature() -> None:
    """A colder distribution moves every draw towards the likeliest token, never away from it."""
    for seed in range(50):
        ranks = [
            distribution(LOGITS, Sampling(t))
            .order.tolist()
            .index(draw(distribution(LOGITS, Sampling(t)), generator_for(seed)))
            for t in (0.2, 0.6, 1.0, 2.0)
        ]
        assert ranks == sorted(ranks)
