"""Control flow: nodes that run a sub-workflow a number of times, while something holds, or once per item.

A sub-workflow is one of the recipe's `definitions`; its declared inputs become inputs of the node, its declared outputs
become outputs. Every run of it is cached under its own keys, so a loop that is made longer repeats nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

from nodeflow import Body, Context, NodeError, Range, node


@node("flow/repeat")
def repeat(body: Body, count: Annotated[int, Range(0, 10_000)], inputs: dict, *, ctx: Context) -> dict:  # type: ignore[type-arg]
    """Run a sub-workflow a number of times, each time on what the last time gave.

    For example: sharpen a picture a little, five times; or draw a picture, and let each next one begin from the one
    before. The sub-workflow's declared inputs and outputs become ports of this node. An output that has the name of an
    input goes into that input in the next turn; the other inputs stay what they were. An input named `index`, if there
    is one, gets the number of the turn, from 0.

    Args:
        body: the sub-workflow to repeat, by its name in the recipe's `definitions`.
        count: number of turns. With 0 the inputs come out as they went in.

    Returns:
        The outputs of the last turn. Turns are cached one by one: more turns later compute only the new ones.
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
    """Run a sub-workflow again and again for as long as it says so.

    For example: draw with the next seed until the picture is bright enough. The sub-workflow decides in each turn by
    an output named `continue_`: true runs it once more, false ends the loop. An output that has the name of an input
    goes into that input in the next turn; the other inputs stay what they were. An input named `index`, if there is
    one, gets the number of the turn, from 0. The first turn always runs.

    Args:
        body: the sub-workflow to repeat, by its name in the recipe's `definitions`; it needs a boolean output named
            `continue_`.
        limit: most turns, so that no recipe runs for ever.

    Returns:
        The outputs of the last turn. Turns are cached one by one.

    Raises:
        NodeError: if `continue_` is still true after `limit` turns, or there is no such output.
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
    """Run a sub-workflow once for each item of a list.

    For example: a list of prompts becomes a list of pictures. Use it where the list is known only while running, or
    where several nodes belong together; a list that is written in the recipe can also be walked by a single node
    (`each`). The sub-workflow's declared inputs become ports of this node; those named in `over` take a list here.

    Args:
        body: the sub-workflow to run, by its name in the recipe's `definitions`.
        over: names of its inputs that get one item a run. Several lists are walked together, first with first, and must
            be equally long. Its other inputs are the same in every run; one named `index` gets the number of the run,
            from 0.

    Returns:
        For each output of the sub-workflow the list of what the runs gave, in order; empty lists for an empty list.

    Raises:
        NodeError: if an input that is named has no list, or the lists differ in length.
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
