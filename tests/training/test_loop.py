"""A run that was killed and resumed is the run that was not, bit for bit; so is one with other shards at hand."""

import pytest
import torch
from torch import nn

from training.loop import Settings, averaged, home, progress, rng, train


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NODEFLOW_TRAINING", str(tmp_path))


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, x):
        return self.blocks(x)


def fit(model: nn.Module, count: int, generator: torch.Generator):
    x = torch.randn(count, 4, generator=generator)
    value = (model(x) - x.roll(1, 1)).square().mean()
    return value, {"miss": float(value.detach())}


def settings(name: str, **changes: object) -> Settings:
    return Settings(name, 40, batch=8, shards=2, warmup=5, log_every=10, **changes)


@pytest.mark.parametrize("muon", [False, True])
def test_resuming_gives_the_same_bits(muon: bool) -> None:
    whole = train(settings("whole", muon=muon), Toy(), fit)
    train(settings("halves", muon=muon), Toy(), fit, until=23)
    assert progress("halves")["step"] == 20
    resumed = train(settings("halves", muon=muon), Toy(), fit)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    loaded = averaged("halves", Toy())
    assert torch.equal(loaded.blocks[0].weight, whole.blocks[0].weight)
    assert (home("halves") / "curves.png").stat().st_size > 1000


def test_it_learns() -> None:
    seen: list[float] = []

    def watch(model: nn.Module, count: int, generator: torch.Generator):
        value, figures = fit(model, count, generator)
        seen.append(figures["miss"])
        return value, figures

    train(Settings("learns", 300, batch=16, rate=1e-2, warmup=5), Toy(), watch)
    assert sum(seen[-20:]) < 0.5 * sum(seen[:20])


def test_generators_depend_on_every_number() -> None:
    draws = {float(torch.rand((), generator=rng(*key))) for key in ((1, 2, 3), (1, 3, 2), (2, 2, 3), (1, 2, 4), (1, 2))}
    assert len(draws) == 5
    assert torch.equal(torch.rand(3, generator=rng(1, 2)), torch.rand(3, generator=rng(1, 2)))


def test_the_rate_rises_holds_and_falls() -> None:
    plan = Settings("plan", 100, warmup=10, decay=0.5)
    assert plan.rate_at(0) == pytest.approx(0.1)
    assert plan.rate_at(30) == 1.0
    assert plan.rate_at(75) == pytest.approx(0.505)
    assert plan.rate_at(99) < 0.02
