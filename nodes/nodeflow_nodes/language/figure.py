"""The next-token distribution as a picture: a bar for each token, drawn with Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from nodeflow import Figure

WIDTH, ROW, TOP, LABEL, VALUE = 760, 26, 54, 170, 76
BEFORE, AFTER, DRAWN, INK, FAINT = "#c9d3e0", "#2f6db3", "#c8501e", "#1c2430", "#69758a"
"""Colours: before truncation, after it, the drawn token; told apart by lightness too."""


def bars(rows: Sequence[tuple[Any, ...]], kept: int) -> Figure:
    """Draw rows of `language/next_token_distribution`'s table.

    Args:
        rows: (rank, token, id, logit, probability, after truncation, kept, drawn).
        kept: how many tokens truncation left, shown or not.
    """
    height = TOP + ROW * len(rows) + 14
    picture = Image.new("RGB", (WIDTH, height), "white")
    draw = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    draw.text((12, 8), f"Next token: {kept} kept", INK, font=font)
    for x, colour, words in (
        (12, BEFORE, "after temperature"),
        (160, AFTER, "after truncation"),
        (300, DRAWN, "drawn"),
    ):
        draw.rectangle((x, 34, x + 11, 45), fill=colour)
        draw.text((x + 17, 32), words, FAINT, font=small)
    span = WIDTH - LABEL - VALUE - 12
    scale = span / max((max(row[4], row[5]) for row in rows), default=1.0)
    for place, (_, token, _, _, before, after, _, drawn) in enumerate(rows):
        y = TOP + place * ROW
        draw.text((LABEL - 8, y + ROW // 2), visible(token), INK, font=font, anchor="rm")
        draw.rectangle((LABEL, y + 4, LABEL + before * scale, y + ROW - 5), fill=BEFORE)
        if after:
            colour = DRAWN if drawn else AFTER
            draw.rectangle((LABEL, y + 9, LABEL + after * scale, y + ROW - 10), fill=colour)
        end = LABEL + max(before, after) * scale
        text = f"{after:.3f} drawn" if drawn else f"{after:.3f}" if after else "cut off"
        draw.text((end + 7, y + ROW // 2), text, DRAWN if drawn else FAINT, font=small, anchor="lm")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return Figure(buffer.getvalue(), "image/png", _alt(rows, kept))


def visible(token: str) -> str:
    """A token with its blanks marked, and characters that the built-in font lacks written as escapes."""
    marked = token.replace(" ", "·").replace("\n", "\\n").replace("\t", "\\t")
    text = "".join(c if c.isprintable() and ord(c) < 256 else c.encode("unicode_escape").decode() for c in marked)
    return text if len(text) <= 18 else text[:17] + "…"


def _alt(rows: Sequence[tuple[Any, ...]], kept: int) -> str:
    parts = []
    for _, token, _, _, before, after, left, drawn in rows:
        fate = f"{after:.1%} after truncation" if left else "cut off"
        parts.append(f"{token!r} {before:.1%}, {fate}{', drawn' if drawn else ''}")
    return f"Bar chart of the next token's probabilities, {kept} tokens kept. " + "; ".join(parts) + "."
