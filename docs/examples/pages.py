"""The parts of a node's page that show its example and the shipped workflows that use it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from docs.examples.kit import EXAMPLES, ROOT, Example
from docs.examples.results import recorded
from nodeflow.jsonio import dump_json
from nodeflow.workflow import Node, Workflow

WHOLE = 50
"""Most lines of a recipe that is shown whole; of longer ones only the node itself."""


def example_lines(name: str) -> list[str]:
    """The section with a node's example; nothing if it has none."""
    example = EXAMPLES.get(name)
    if example is None:
        return []
    made = recorded().get(name, {})
    lines = ["", "## Example", ""]
    if example.note:
        lines += [example.note, ""]
    if example.needs:
        lines += [f"Needs {example.needs}.", ""]
    up = "../" * (name.count("/") + 1)
    if "picture" in made:
        lines += [f"![{', '.join(made['picture'])}]({up}images/nodes/{name}.png)", ""]
    if "figure" in made:
        lines += [f"![figure]({up}images/nodes/{name}.svg)", ""]
    if "values" in made:
        lines += _values(made["values"])
    shown = example.text.rstrip() if example.text.count("\n") <= WHOLE else _entry(example)
    whole = "" if shown == example.text.rstrip() else ", where this node is"
    lines += [f"Recipe: [{name}.json]({up}examples/{name}.json){whole}:", "", "```json", shown, "```", ""]
    return [*lines, "```console", f"$ nodeflow run docs/examples/{name}.json", "```"]


def _values(values: dict[str, Any]) -> list[str]:
    long = {name: value for name, value in values.items() if isinstance(value, dict) or "\n" in str(value).strip()}
    short = [f"`{name}`: `{dump_json(value, indent=None)}`" for name, value in values.items() if name not in long]
    lines = [", ".join(short), ""] if short else []
    for output, value in long.items():
        shown = _table(value["columns"], value["rows"]) if isinstance(value, dict) else ["```text", value, "```"]
        lines += [f"`{output}`:", "", *shown, ""]
    return lines


def _table(columns: list[str], rows: list[list[Any]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return [*head, *(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)]


def _entry(example: Example) -> str:
    document = example.workflow.to_json()
    recipes = [document, *document.get("definitions", {}).values()]
    for recipe in recipes:
        for key, node in recipe["nodes"].items():
            if node["op"].partition("@")[0] == example.name:
                shown = {key: node}
                inner = document.get("definitions")
                return dump_json({"definitions": inner, "nodes": shown} if inner else shown)
    raise ValueError(f"the example of {example.name} does not use it")


def workflow_lines(name: str) -> list[str]:
    """The section with the shipped workflows that use a node; nothing if none does."""
    used = _users().get(name)
    if not used:
        return []
    up = "../" * (name.count("/") + 2)
    links = [f"- [{title}]({up}workflows/{file}): {description}" for file, title, description in used]
    return ["", "## Workflows that use it", "", *links]


@cache
def _users() -> dict[str, list[tuple[str, str, str]]]:
    """By node: file, title and description of the workflows that use it."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for path in sorted((ROOT / "workflows").glob("*.json")):
        workflow = Workflow.read(path)
        for name in sorted({node.op.partition("@")[0] for node in nodes(workflow)}):
            found.setdefault(name, []).append((path.name, workflow.title, workflow.description.replace("\n", " ")))
    return found


def nodes(workflow: Workflow) -> Iterator[Node]:
    """All nodes of a recipe and of its sub-workflows."""
    for recipe in (workflow, *workflow.definitions.values()):
        yield from recipe.nodes.values()
