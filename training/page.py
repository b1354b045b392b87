"""docs/models/README.md: the scores as tables and the contact sheets, from docs/models/scores.json."""

from __future__ import annotations

from pathlib import Path

HEAD = """# The built-in models: scores and pictures

Written by `make eval-models`: measured on the files that ship, {samples} samples a line (64 walks), {steps} steps,
guidance {guidance:g}, on combinations that were held out of training. A share of 1 is all. What the models are and how
to feed them: [nodes/nodeflow_nodes/models](../../nodes/nodeflow_nodes/models/README.md); how they were made:
[training](../../training/README.md).
"""
SHEETS = {
    "contact-sheet.png": (
        "`shapes-64`: sixty held-out prompts, a column for each shape (circle, square, triangle, star, cross, ring, "
        "heart, diamond, hexagon, moon)"
    ),
    "contact-sheet-unet.png": "`shapes-64-unet`: the same prompts and the same noise",
    "contact-sheet-gan.png": "`shapes-gan`: sixty random vectors",
}


def write(folder: Path, scores: dict[str, dict], targets: dict[str, str]) -> None:
    """Write the page beside the scores; sheets that are not there are left out."""
    parts = [HEAD.format(**scores["what"])]
    for name, figures in scores.items():
        if name == "what":
            continue
        parts.append(f"## {name.replace('_', ' ')}\n\n{scores['what'].get(name, '')}\n")
        if name in targets:
            parts.append(f"Asked: {targets[name]}.\n")
        rows = (f"| {key.replace('_', ' ')} | {value:g} |" for key, value in figures.items())
        parts.append("\n".join(["| measure | value |", "|---|---|", *rows]) + "\n")
    for sheet, caption in SHEETS.items():
        if (folder / sheet).exists():
            parts.append(f"![{caption.replace('`', '')}]({sheet})\n\n{caption}\n")
    (folder / "README.md").write_text("\n".join(parts))
