"""Chains, fans, trees and diamond ladders of trivial nodes: check + plan + run, and the same again from the cache.

Targets: at most 100 µs a node, 30 µs fully cached, time a node at 10,000 at most 1.5 times that at 100, linear memory.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

from nodeflow.cache import Cache
from nodeflow.executor import Executor
from nodeflow.files import Files
from nodeflow.op import node
from nodeflow.planner import Planner
from nodeflow.registry import Pack, make_catalogue
from nodeflow.workflow import Workflow

SIZES = (100, 1_000, 10_000)


@node("bench/add")
def add(a: int = 0, b: int = 1) -> int:
    """Add two numbers, keeping 32 bits, so that the arithmetic stays trivial."""
    return (a + b) & 0xFFFFFFFF


@node("bench/total")
def total(items: list[int]) -> int:
    """Add up a list."""
    return sum(items)


CATALOGUE = make_catalogue([Pack("bench", __name__, ops={"bench/add": add, "bench/total": total})])


def _document(nodes: dict[str, Any], output: str) -> Workflow:
    return Workflow.from_json({"format": "nodeflow/1", "outputs": {"value": output}, "nodes": nodes})


def chain(n: int) -> Workflow:
    """n0 → n1 → n2 → …"""
    links = [{} if i == 0 else {"a": f"n{i - 1}.value"} for i in range(n)]
    return _document({f"n{i}": {"op": "bench/add@1", "links": links[i]} for i in range(n)}, f"n{n - 1}.value")


def fan(n: int) -> Workflow:
    """n - 1 independent nodes into one."""
    nodes: dict[str, Any] = {f"n{i}": {"op": "bench/add@1", "values": {"b": i}} for i in range(n - 1)}
    nodes["total"] = {"op": "bench/total@1", "links": {"items": [f"n{i}.value" for i in range(n - 1)]}}
    return _document(nodes, "total.value")


def tree(n: int) -> Workflow:
    """A binary tree, leaves first: node i adds nodes 2i + 1 and 2i + 2."""
    nodes = {}
    for i in range(n):
        links = {p: f"n{c}.value" for p, c in (("a", 2 * i + 1), ("b", 2 * i + 2)) if c < n}
        nodes[f"n{i}"] = {"op": "bench/add@1", "links": links, "values": {} if links else {"a": i}}
    return _document(nodes, "n0.value")


def ladder(n: int) -> Workflow:
    """A chain of diamonds: each rung feeds two nodes, which meet in the next."""
    nodes: dict[str, Any] = {"a0": {"op": "bench/add@1"}, "b0": {"op": "bench/add@1", "values": {"b": 2}}}
    for i in range(1, n // 2):
        both = {"a": f"a{i - 1}.value", "b": f"b{i - 1}.value"}
        nodes[f"a{i}"] = {"op": "bench/add@1", "links": both}
        nodes[f"b{i}"] = {"op": "bench/add@1", "links": {"a": f"a{i - 1}.value"}}
    nodes["end"] = {"op": "bench/add@1", "links": {"a": f"a{n // 2 - 1}.value", "b": f"b{n // 2 - 1}.value"}}
    return _document(nodes, "end.value")


SHAPES = {"chain": chain, "fan": fan, "tree": tree, "ladder": ladder}


def once(workflow: Workflow, cache: Cache) -> float:
    """Seconds for check + plan + run."""
    gc.collect()
    begun = time.perf_counter()
    planner = Planner(CATALOGUE, Files(), "")
    plan = planner.plan(workflow)
    outcome = Executor(planner, cache).run(plan)
    seconds = time.perf_counter() - begun
    if outcome.state != "completed":
        raise RuntimeError(outcome.state)
    return seconds


def measure(shape: str, n: int, repeats: int = 5) -> tuple[float, float]:
    """µs a node, fresh and fully cached: the smallest of some repeats."""
    workflow = SHAPES[shape](n)
    fresh, cached = [], []
    for _ in range(repeats):
        with Cache(None, ram_bytes=1 << 30) as cache:
            fresh.append(once(workflow, cache))
            cached.append(once(workflow, cache))
    return min(fresh) / n * 1e6, min(cached) / n * 1e6


def memory(shape: str, n: int) -> float:
    """Peak bytes a node that check, plan and run allocate."""
    workflow = SHAPES[shape](n)
    tracemalloc.start()
    with Cache(None, ram_bytes=1 << 30) as cache:
        once(workflow, cache)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / n


def table() -> list[tuple[str, ...]]:
    """Rows for `python -m benchmarks`."""
    once(chain(50), Cache(None, ram_bytes=1 << 20))  # imports, adapters
    rows = [("shape", "nodes", "µs a node", "cached", "÷ that at 100", "bytes a node")]
    for shape in SHAPES:
        base = 0.0
        for n in SIZES:
            fresh, cached = measure(shape, n)
            base = base or fresh
            rows.append(
                (shape, f"{n:,}", f"{fresh:.1f}", f"{cached:.1f}", f"{fresh / base:.2f}", f"{memory(shape, n):,.0f}")
            )
    return rows
