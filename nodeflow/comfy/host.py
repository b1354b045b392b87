"""Promoted values: what an instance of a sub-graph gives to the widgets inside."""

from __future__ import annotations

from typing import Any

from nodeflow.comfy.document import Scope, UiNode, ident, text

MAX_NESTING = 30


def host_values(
    scope: Scope, definitions: dict[str, Scope], node: UiNode
) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    """Values that an instance gives: to inputs of its definition, and to widgets of inner nodes.

    Three ways of writing them: `proxyWidgets`, names, or by the order of the definition's inputs.
    """
    host: dict[str, Any] = {}
    inner_values: dict[tuple[str, str], Any] = {}
    promoted = node.properties.get("proxyWidgets")
    values = node.values if isinstance(node.values, list) else []
    if isinstance(promoted, list) and promoted:
        plain = [p for p in promoted if isinstance(p, list) and len(p) >= 2]
        if len(values) == len(plain):
            for (inner, name, *_), value in zip(plain, values, strict=True):
                if value is not None and ident(inner) == "-1":
                    host[text(name)] = value
                elif value is not None:
                    inner_values[ident(inner), text(name)] = value
        return host, inner_values
    if isinstance(node.named, dict) and node.named and len(node.named) != len(values):
        host.update({k: v for k, v in node.named.items() if v is not None})
        return host, inner_values
    rest = list(values)
    targets = [(b.name, _widget_inside(scope, definitions, b.links)) for b in scope.inputs]
    slots = [(name, widget) for name, widget in targets if widget]
    extra = len(rest) - len(slots)
    for name, widget in slots:
        if not rest:
            break
        value = rest.pop(0)
        if value is not None:
            host[name] = value
        if extra > 0 and widget in ("seed", "noise_seed") and rest:
            rest.pop(0)
            extra -= 1
    return host, inner_values


def _widget_inside(scope: Scope, definitions: dict[str, Scope], links: list[str], depth: int = 0) -> str:
    """The name of the widget that a definition's input leads to, through nested instances."""
    for link in links:
        row = scope.links.get(link)
        node = scope.nodes.get(row.target) if row else None
        if node is None:
            continue
        entry = next((s for s in node.inputs if s.link == link), None)
        inner = definitions.get(node.type)
        if inner is not None and entry is not None and depth < MAX_NESTING:
            bound = next((b for b in inner.inputs if b.name == entry.name), None)
            found = _widget_inside(inner, definitions, bound.links, depth + 1) if bound else ""
        else:
            found = entry.widget if entry is not None else ""
        if found:
            return found
    return ""
