"""Examples of the gan pack, with the built-in generator `shapes-gan`."""

from __future__ import annotations

from docs.examples.kit import example, use
from nodeflow.builder import Graph


@example("gan/load_generator", "Eight pictures from eight random vectors.")
def _(graph: Graph) -> None:
    vectors = use("latent/random", seed=1, batch_size=8, channels=64, height=1, width=1)
    pictures = use("gan/generate", generator=use("gan/load_generator", model="shapes-gan"), latent=vectors)
    graph.output("sheet", use("image/grid", images=pictures, columns=4))


@example("gan/generate", "A walk from one vector to another is a walk from one picture to another.")
def _(graph: Graph) -> None:
    one, other = (use("latent/random", seed=s, channels=64, height=1, width=1) for s in (67, 91))
    walk = use("latent/slerp", a=one, b=other, t=[0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    pictures = use("gan/generate", generator=use("gan/load_generator", model="shapes-gan"), latent=walk)
    graph.output("walk", use("image/grid", images=pictures, columns=6))
