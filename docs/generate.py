"""Make the pages that come from the code: nodes, problem codes, types, the command line, the schema. `make docs`.

A test compares what is committed with what this makes. Examples whose recipe has changed are run, for their pictures;
`--pictures` runs all of them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from docs.examples import EXAMPLES, results
from docs.examples.pages import example_lines, workflow_lines
from nodeflow.annotations import Choices, InputFile, ModelFile
from nodeflow.cli import reference
from nodeflow.op import Op
from nodeflow.ports import Port
from nodeflow.problems import CODES
from nodeflow.registry import Catalogue, installed
from nodeflow.types import TensorType, port_types

ROOT = Path(__file__).parent
SKIP = {"engine/export"}


def pages(catalogue: Catalogue) -> dict[str, str]:
    """All generated pages: path below `docs/` → text."""
    ops = {name: op for name, op in catalogue.ops.items() if name not in SKIP}
    made = {f"nodes/{name}.md": node_page(op) for name, op in ops.items()}
    made |= {f"examples/{name}.json": example.text for name, example in EXAMPLES.items() if name in ops}
    made["nodes/README.md"] = index_page(ops)
    made["problems.md"] = problems_page()
    made["types.md"] = types_page()
    return made


def node_page(op: Op) -> str:
    """The page of one node."""
    lines = [f"# {op.title}", "", f"`{op.id}`", "", op.doc.summary]
    if op.doc.body:
        lines += ["", op.doc.body]
    if op.deprecated:
        lines += ["", f"**Deprecated:** {op.deprecated}"]
    if op.inputs:
        lines += ["", "## Inputs", "", "| name | type | default | range or choices | |", "|---|---|---|---|---|"]
        lines += [_input_row(port) for name, port in op.inputs.items() if name != "inputs" or op.body_port is None]
    if op.body_port:
        lines += ["", "The inputs and outputs that the sub-workflow declares are added to these."]
    elif op.outputs:
        lines += ["", "## Outputs", "", "| name | type | |", "|---|---|---|"]
        lines += [f"| `{name}` | {_cell(str(port.type))} | {_cell(port.doc)} |" for name, port in op.outputs.items()]
    notes = [text for flag, text in ((op.effects, "writes a file"), (not op.cacheable, "is never taken from the cache"),
             (op.device, "runs on the accelerator if there is one")) if flag]  # fmt: skip
    if op.lazy:
        notes.append(f"computes {', '.join(op.lazy)} only if asked for")
    if notes:
        lines += ["", "It " + "; it ".join(notes) + "."]
    if op.doc.raises:
        lines += ["", "## Errors", "", op.doc.raises]
    lines += example_lines(op.name) or ["", "## In a recipe", "", "```json", _snippet(op), "```"]
    return "\n".join([*lines, *workflow_lines(op.name), ""])


def _input_row(port: Port) -> str:
    default = "required" if port.required else f"`{port.default!r}`" if port.default is not None else "none"
    return (
        f"| `{port.name}` | {_cell(str(port.type))} | {_cell(default)} | {_cell(_limits(port))} | {_cell(port.doc)} |"
    )


def _limits(port: Port) -> str:
    if port.choices:
        return ", ".join(f"`{c}`" for c in port.choices)
    if kind := port.extra(ModelFile):
        return f"a model in `{kind.folder}`"
    if kind := port.extra(InputFile):
        return "a file: " + ", ".join(f"`{s}`" for s in kind.suffixes)
    if port.extra(Choices):
        return "what is installed"
    low = next((m.ge for m in port.metadata if getattr(m, "ge", None) is not None), None)
    high = next((m.le for m in port.metadata if getattr(m, "le", None) is not None), None)
    unit = next((m.unit for m in port.metadata if getattr(m, "unit", "")), "")
    if low is None and high is None:
        return unit
    text = (
        f"{low:g} … {high:g}"
        if low is not None and high is not None
        else f"≥ {low:g}"
        if high is None
        else f"≤ {high:g}"
    )
    return f"{text} {unit}".strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _snippet(op: Op) -> str:
    from nodeflow.jsonio import dump_json

    values = {n: p.default for n, p in op.inputs.items() if not p.required and p.takes_values and p.default is not None}
    links = {n: f"other.{n}" for n, p in op.inputs.items() if p.required and not p.takes_values and n != "inputs"}
    document: dict[str, Any] = {"op": op.id}
    plain = {k: v for k, v in values.items() if isinstance(v, (str, int, float, bool))}
    if plain:
        document["values"] = plain
    if links:
        document["links"] = links
    return dump_json({op.name.rpartition("/")[2]: document})


def index_page(ops: dict[str, Op]) -> str:
    """All nodes by pack."""
    packs: dict[str, list[Op]] = defaultdict(list)
    for op in ops.values():
        packs[op.category].append(op)
    lines = ["# Nodes", "", f"{len(ops)} nodes in {len(packs)} packs. Made from the code by `make docs`."]
    for pack in sorted(packs):
        lines += ["", f"## {pack}", ""]
        lines += [f"- [{op.name}]({op.name}.md): {op.doc.summary}" for op in sorted(packs[pack], key=lambda o: o.name)]
    return "\n".join([*lines, ""])


def problems_page() -> str:
    """All problem codes."""
    lines = ["# Problems", "", "What `nodeflow check` can find. A code never changes its meaning.", "",
             "| code | name | meaning |", "|---|---|---|"]  # fmt: skip
    lines += [f"| {code} | {name} | {meaning} |" for code, (name, meaning) in CODES.items()]
    return "\n".join([*lines, ""])


def types_page() -> str:
    """All port types."""
    intro = (
        "What may travel along a wire, besides `str`, `int`, `float`, `bool`, lists of these, and `X | None`. "
        "An output fits an input of the same type or a wider one; `int` fits `float`; nothing else is converted."
    )
    lines = ["# Port types", "", intro]
    for name, cls in port_types().items():
        kind = "tensor " + cls.shape_text() if issubclass(cls, TensorType) else "structure"
        text = (cls.__doc__ or "").strip()
        paragraphs = "\n".join(line.strip() for line in text.splitlines())
        lines += ["", f"## {name}", "", f"*{kind}*", "", paragraphs]
    return "\n".join([*lines, ""])


def stale(catalogue: Catalogue) -> list[str]:
    """Pages that are missing, differ from what the code says, or belong to nodes that are gone."""
    made = pages(catalogue)
    wrong = [
        path for path, text in made.items() if not (ROOT / path).is_file() or (ROOT / path).read_text("utf-8") != text
    ]
    found = [*(ROOT / "nodes").rglob("*.md"), *(ROOT / "examples").rglob("*/*.json")]
    there = {p.relative_to(ROOT).as_posix() for p in found}
    return sorted([*wrong, *(there - made.keys())])


def main() -> int:
    """Write all pages and examples, and remove those of nodes that are gone."""
    reference.main()
    catalogue = installed()
    if catalogue.failures:
        print("\n".join(catalogue.failures.values()), file=sys.stderr)
        return 1
    everything = "--pictures" in sys.argv
    if everything:
        results.make_files()
    failed = results.update(everything=everything)
    made = pages(catalogue)
    for path in stale(catalogue):
        text = made.get(path)
        if text is None:
            (ROOT / path).unlink()
            continue
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, "utf-8")
    print(*failed, sep="\n", end="\n" if failed else "", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
