"""The table of rules as text, for `docs/comfyui.md`: `python -m nodeflow.comfy.table` writes it there."""

from __future__ import annotations

from pathlib import Path

from nodeflow.comfy.rules import RULES

BEGIN, END = "<!-- table: made by python -m nodeflow.comfy.table -->", "<!-- end of table -->"


def table() -> str:
    """One line a rule: ComfyUI's type, the op, what is set, what differs, whether it is written back."""
    lines = ["| ComfyUI | nodeflow | always | differs | written back |", "|---|---|---|---|---|"]
    for rule in RULES:
        always = ", ".join(f"`{name}` {value}" for name, value in rule.constants.items())
        notes = [rule.note, *(f"`{name}`: {c.note}" for name, c in rule.converts.items() if c.note)]
        back = "yes" if rule.export else ""
        lines.append(f"| `{rule.type}` | `{rule.op}` | {always} | {'; '.join(n for n in notes if n)} | {back} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    page = Path(__file__).parents[2] / "docs" / "comfyui.md"
    page.write_text(with_table(page.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
