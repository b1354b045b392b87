"""What an import has to say: every finding at once, for a terminal and for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

KINDS: dict[str, tuple[str, str]] = {
    "unknown-node": ("error", "A node type without an equivalent here; it is kept as a placeholder with all its data."),
    "unknown-value": ("error", "A value that has no equivalent here; it is kept as it is."),
    "lost-input": ("warning", "An input that the equivalent node does not have; its value stays in the kept document."),
    "changed-value": ("warning", "A value that is written differently here, or means something else."),
    "changed-meaning": ("warning", "A node whose equivalent computes something slightly different."),
    "missing-model": ("warning", "A model file that the file names and that was not found."),
    "dropped-link": ("warning", "A link that leads nowhere, or to a muted node; the input is left out."),
    "left-out": ("note", "A muted, bypassed or purely visual part; it stays in the kept document."),
    "flattened": ("note", "A sub-graph whose nodes were put into the recipe, one by one."),
    "repaired": ("note", "Something in the file that is not as it should be, and how it was read."),
}
MAX_FINDINGS = 10_000


@dataclass(frozen=True)
class Finding:
    """One thing to know. node: the node's id in ComfyUI's file, empty for the whole; type: its type there."""

    kind: str
    message: str
    node: str = ""
    type: str = ""
    got: str = ""
    used: str = ""
    hint: str = ""

    @property
    def severity(self) -> str:
        return KINDS[self.kind][0]

    def __str__(self) -> str:
        where = f"node {self.node} ({self.type}): " if self.node and self.type else f"node {self.node}: "
        text = f"{self.severity} {self.kind}: {where if self.node else ''}{self.message}"
        if self.got:
            text += f", got {self.got}"
        if self.used:
            text += f", now {self.used}"
        return f"{text} ({self.hint})" if self.hint else text

    def to_json(self) -> dict[str, Any]:
        return {"severity": self.severity, **{k: v for k, v in asdict(self).items() if v != ""}}


@dataclass
class Report:
    """All findings of one import, and how much of the file was understood."""

    format: str = ""
    nodes: int = 0
    converted: int = 0
    findings: list[Finding] = field(default_factory=list)
    _seen: set[Finding] = field(default_factory=set, repr=False)

    def add(self, kind: str, message: str, node: str = "", type: str = "", **more: str) -> None:
        finding = Finding(kind, message, node[:200], type[:200], **{k: v[:300] for k, v in more.items()})
        if finding not in self._seen and len(self.findings) < MAX_FINDINGS:
            self._seen.add(finding)
            self.findings.append(finding)

    def of(self, kind: str) -> list[Finding]:
        return [f for f in self.findings if f.kind == kind]

    @property
    def complete(self) -> bool:
        """Whether every node that runs has an equivalent, with every value."""
        return not any(f.severity == "error" for f in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "nodes": self.nodes,
            "converted": self.converted,
            "complete": self.complete,
            "findings": [f.to_json() for f in self.findings],
        }

    def text(self) -> str:
        """One line a finding, the gravest first, and a summary."""
        order = {"error": 0, "warning": 1, "note": 2}
        lines = [str(f) for f in sorted(self.findings, key=lambda f: order[f.severity])]
        counts = Counter(f.kind for f in self.findings)
        tail = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "nothing to report"
        lines.append(f"{self.format}: {self.converted} of {self.nodes} nodes have an equivalent; {tail}")
        return "\n".join(lines)


def shown(value: Any, limit: int = 80) -> str:
    """A value in a message."""
    text = repr(value[:limit] if isinstance(value, str) else value) if not isinstance(value, (dict, list)) else "…"
    if isinstance(value, (dict, list)):
        text = f"{type(value).__name__} of {len(value)}"
    return text if len(text) <= limit else text[: limit - 1] + "…"
