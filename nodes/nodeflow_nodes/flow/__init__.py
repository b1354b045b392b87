"""Control flow: nodes that run a sub-workflow a number of times, while something holds, or once per item.

A sub-workflow is one of the recipe's `definitions`; its declared inputs become inputs of the node, its declared outputs
become outputs. Every run of it is cached under its own keys, so a loop that is made longer repeats nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

from nodeflow import Body, Context, NodeError, Range, node


@node("flow/repeat")
def repeat(body: Body, count: Annotated[int, Range(0, 10_000)], inputs: dict, *, ctx: Context) -> dict:  # type: ignore[type-arg]
    """Run a sub-workflow a number of times, each time on what the last gave.

    Outputs of the sub-workflow that have the name of an input become that input in the next turn; an input named
    `index` gets the number of the turn, from 0. With a count of 0 the inputs come out as they went in.

    Args:
        body: the sub-workflow to repeat.
        count: number of turns.
    """
    state = dict(inputs)
    result = {name: value for name, value in state.items() if name != "index"}
    for index in range(count):
        result = ctx.run(body, {**state, "index": index})
        state.update({name: value for name, value in result.items() if name in state})
        ctx.progress(index + 1, count)
    return result


@node("flow/while")
def while_(body: Body, limit: Annotated[int, Range(1, 10_000)], inputs: dict, *, ctx: Context) -> dict:  # type: ignore[type-arg]
    """Run a sub-workflow again and again while its output `continue_` is true.

    Outputs that have the name of an input become that input in the next turn. The first turn always runs.

    Args:
        body: the sub-workflow to repeat; it needs a boolean output named `continue_`.
        limit: most turns; reaching it is an error, so that no recipe runs for ever.
    """
    state = dict(inputs)
    for index in range(limit):
        result = ctx.run(body, {**state, "index": index})
        if "continue_" not in result:
            raise NodeError(f"the sub-workflow {body!r} has no output 'continue_' that says whether to go on")
        if not result["continue_"].value:
            return result
        state.update({name: value for name, value in result.items() if name in state})
        ctx.progress(index + 1, limit)
    raise NodeError(f"still going after {limit} turns; raise the limit or change the condition")


@node("flow/map")
def map_(body: Body, over: list[str], inputs: dict, *, ctx: Context) -> dict:  # type: ignore[type-arg]
    """Run a sub-workflow once per item of one or more lists, whose length may be known only while running.

    Args:
        body: the sub-workflow to run.
        over: names of its inputs that get one item each; several lists are walked together and must be equally long.
            Its other inputs are the same in every run.
    """
    columns: dict[str, list[Any]] = {}
    for name in over:
        if name not in inputs:
            raise NodeError(f"the sub-workflow {body!r} has no linked input {name!r} to walk over")
        columns[name] = _items(inputs[name])
    lengths = {name: len(items) for name, items in columns.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise NodeError(f"lists that are walked together differ in length ({text})")
    fixed = {name: value for name, value in inputs.items() if name not in columns}
    results: list[dict[str, Any]] = []
    count = next(iter(lengths.values()), 0)
    for index in range(count):
        items = {name: column[index] for name, column in columns.items()}
        results.append(ctx.run(body, {**fixed, **items, "index": index}))
        ctx.progress(index + 1, count)
    names = results[0].keys() if results else ctx.outputs_of(body)
    return {name: [result[name].value for result in results] for name in names}


def _items(carried: Any) -> list[Any]:
    """The items of a carried list, each with a key of its own."""
    if not isinstance(carried.value, list):
        raise NodeError(f"expected a list to walk over, got {type(carried.value).__name__}")
    return [type(carried)(f"{carried.key}[{i}]", item) for i, item in enumerate(carried.value)]
