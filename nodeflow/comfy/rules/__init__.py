"""The table: ComfyUI's node types that have an equivalent, one row each.

`docs/comfyui.md` shows it. Rows that need more than renaming have their function in `builders`. A row whose type may
stand for several ops comes before the others of its op, which is written back as the first one that fits.
"""

from __future__ import annotations

from nodeflow.comfy.rule import Rule
from nodeflow.comfy.rules import masks, models, pictures, sampling

RULES: tuple[Rule, ...] = (*models.RULES, *sampling.RULES, *pictures.RULES, *masks.RULES)
BY_TYPE = {rule.type: rule for rule in RULES}
