"""Contact sheets: pictures in rows and columns with text, drawn with the font that comes with Pillow."""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect
from dataclasses import dataclass, field, replace

import torch
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor

from nodeflow import NodeError
from nodeflow_nodes.image.ops.files import from_pillow
from nodeflow_nodes.image.ops.shape import parse_color, to_channels

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
LIMIT = 100_000_000
"""Most pixels of a sheet."""


@dataclass
class Sheet:
    """How a sheet looks. Lengths in pixels; texts may be left empty.

    captions: one below each picture. columns_text, rows_text: one above each column, before each row.
    font: path of a TrueType or OpenType font; empty: the one that comes with Pillow, which has ASCII only.
    """

    columns: int = 0
    gap: int = 8
    color: str = "white"
    font_size: int = 16
    font: str = ""
    title: str = ""
    captions: list[str] = field(default_factory=list)
    columns_text: list[str] = field(default_factory=list)
    rows_text: list[str] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [self.title, *self.captions, *self.columns_text, *self.rows_text]

    def in_ascii(self) -> Sheet:
        """The same with all texts spelled in ASCII."""
        lists = {name: [spelled(t) for t in getattr(self, name)] for name in ("captions", "columns_text", "rows_text")}
        return replace(self, title=spelled(self.title), **lists)


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue, _ = parse_color(color)
    return round(red * 255), round(green * 255), round(blue * 255)


def _ink(color: str) -> tuple[int, int, int]:
    """Black or white, whichever is easier to read on `color`."""
    red, green, blue = _rgb(color)
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)


_SPELLED = str.maketrans({
    "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"', "€": "EUR", "→": "->",
    "←": "<-", "≤": "<=", "≥": ">=", "±": "+/-", "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l",
    "Ł": "L", "đ": "d", "µ": "u", "σ": "sigma", "α": "alpha", "•": "*", "·": "*", "\u00a0": " ", "\t": " ",
})  # fmt: skip


def spelled(text: str) -> str:
    """A text in ASCII: accents are dropped, some signs are written out, the rest becomes `?`."""
    plain = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    return "".join(c if c.isascii() else "?" for c in plain if not unicodedata.combining(c))


def load_font(path: str, size: int) -> Font:
    """The font in the file, or Pillow's own.

    Raises:
        NodeError: if the file is no font.
    """
    if not path:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(path, size)
    except Exception as error:
        raise NodeError(f"expected a TrueType or OpenType font, but it cannot be read: {error}") from None


def wrap(text: str, font: Font, width: int) -> list[str]:
    """Text in lines no wider than `width` pixels, broken at spaces, or anywhere if a word is too long."""
    lines = []
    for paragraph in text[:2000].splitlines() or [""]:
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if font.getlength(longer) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            while word and font.getlength(word) > width and len(word) > 1:
                fits = max(1, bisect(range(1, len(word)), width, key=lambda n, w=word: font.getlength(w[:n])))
                lines.append(word[:fits])
                word = word[fits:]
            line = word
        lines.append(line)
    return lines


def grid(pictures: list[Tensor], sheet: Sheet) -> Tensor:
    """One picture [1, 3, H, W] with all `pictures` ([C, H, W] each), each in the middle of a cell of equal size.

    Raises:
        NodeError: if there are more texts than places for them, or the sheet would be gigantic.
    """
    columns = min(sheet.columns, len(pictures)) if sheet.columns else math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    for texts, places, what in (
        (sheet.captions, len(pictures), "captions"),
        (sheet.columns_text, columns, "column titles"),
        (sheet.rows_text, rows, "row titles"),
    ):
        if len(texts) > places:
            raise NodeError(f"expected at most {places} {what} for {len(pictures)} pictures, got {len(texts)}")
    font, large = load_font(sheet.font, sheet.font_size), load_font(sheet.font, round(sheet.font_size * 1.5))
    if not sheet.font:
        sheet = sheet.in_ascii()
    line = round(sheet.font_size * 1.35)
    cell_height = max(p.shape[1] for p in pictures)
    cell_width = max(p.shape[2] for p in pictures)
    captions = [wrap(text, font, cell_width) for text in sheet.captions]
    caption_height = line * max((len(c) for c in captions), default=0)
    side = max((math.ceil(font.getlength(t)) for r in sheet.rows_text for t in r.splitlines()), default=0)
    left = side + 2 * sheet.gap if side else sheet.gap
    width = left + columns * (cell_width + sheet.gap)
    title = wrap(sheet.title, large, width - 2 * sheet.gap) if sheet.title else []
    heads = [wrap(text, font, cell_width) for text in sheet.columns_text]
    head_height = line * max((len(h) for h in heads), default=0)
    top = sheet.gap + round(line * 1.5) * len(title) + head_height
    row_height = cell_height + caption_height + sheet.gap
    height = top + rows * row_height
    if width * height > LIMIT:
        raise NodeError(f"the grid would be {width} × {height} pixels large; make the pictures smaller first")

    paper = Pillow.new("RGB", (width, height), _rgb(sheet.color))
    draw = ImageDraw.Draw(paper)
    ink = _ink(sheet.color)

    def write(lines: list[str], x: float, y: float, face: Font = font) -> None:
        step = line if face is font else round(line * 1.5)
        for number, text in enumerate(lines):
            draw.text((x, y + number * step), text, fill=ink, font=face, anchor="ma")

    write(title, width / 2, sheet.gap, large)
    for column, lines in enumerate(heads):
        write(lines, left + column * (cell_width + sheet.gap) + cell_width / 2, top - head_height)
    for row, text in enumerate(sheet.rows_text):
        lines = text.splitlines()
        write(lines, (side + 2 * sheet.gap) / 2, top + row * row_height + (cell_height - line * len(lines)) / 2)
    for number, lines in enumerate(captions):
        row, column = divmod(number, columns)
        x = left + column * (cell_width + sheet.gap) + cell_width / 2
        write(lines, x, top + row * row_height + cell_height)

    result = from_pillow(paper)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        y = top + row * row_height + (cell_height - picture.shape[1]) // 2
        x = left + column * (cell_width + sheet.gap) + (cell_width - picture.shape[2]) // 2
        target = result[0, :, y : y + picture.shape[1], x : x + picture.shape[2]]
        colours = to_channels(picture[None], 4)[0].to("cpu", torch.float32)
        target += (colours[:3] - target) * colours[3:]
    return result
