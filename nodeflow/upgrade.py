"""Bringing a recipe's nodes up to the installed versions of their ops: the step between reading and the rules.

Pure: returns the same object if there is nothing to do. Nodes that no chain of migrations brings up to date are left
as they are, for the rules to report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nodeflow.migrate import migrate_node
from nodeflow.op import OP_VERSION, Op
from nodeflow.workflow import Link, Node, Workflow


def upgrade(workflow: Workflow, find: Callable[[str], Op | None]) -> Workflow:
    """Migrate every node, in the recipe and its definitions, whose op is installed in a newer version.

    Args:
        find: the installed op of a name.
    """
    current: set[str] = set()
    changed: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    moved: dict[str, str] = {}
    for name, node in workflow.nodes.items():
        if node.op in current:
            continue
        name_of_op, _, version = node.op.partition("@")
        op = find(name_of_op)
        if op is None or not OP_VERSION.fullmatch(version) or int(version) >= op.version:
            current.add(node.op)
            continue
        document = migrate_node(op.name, int(version), op.version, node.to_json())
        if document is None:
            continue
        for old, new in document.pop("renamed_outputs").items():
            renamed[f"{name}.{old}"] = f"{name}.{new}"
        for old, new in document.pop("renamed_inputs").items():
            moved[f"{name}.{old}"] = f"{name}.{new}"
        changed[name] = Node.model_validate(document)
    definitions = {name: upgrade(inner, find) for name, inner in workflow.definitions.items()}
    if not changed and all(definitions[name] is workflow.definitions[name] for name in definitions):
        return workflow
    nodes = {**workflow.nodes, **changed}
    if renamed:
        nodes = {name: _relinked(node, renamed) for name, node in nodes.items()}
    outputs = {name: renamed.get(link, link) for name, link in workflow.outputs.items()}
    inputs = {
        name: part.model_copy(update={"to": [moved.get(target, target) for target in part.to]})
        for name, part in workflow.inputs.items()
    }
    update = {"inputs": inputs, "nodes": nodes, "outputs": outputs, "definitions": definitions}
    return workflow.model_copy(update=update)


def _relinked(node: Node, renamed: Mapping[str, str]) -> Node:
    links: dict[str, Link | list[Link]] = {
        port: renamed.get(link, link) if isinstance(link, str) else [renamed.get(one, one) for one in link]
        for port, link in node.links.items()
    }
    return node if links == node.links else node.model_copy(update={"links": links})
