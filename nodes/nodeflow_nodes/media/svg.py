"""SVG figures as pixels, as far as nodeflow's own figures go: rectangles and polygons in plain colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from PIL import Image, ImageDraw

from nodeflow import NodeError

LARGEST = 1 << 22
"""Bytes of a figure, and pixels of its picture."""
FINE = 4
"""Edges are drawn this many times larger and made smaller, so that they are smooth."""
NAMESPACE = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")


def rasterise(data: bytes) -> Image.Image:
    """The figure as an RGB picture on white, one pixel a unit of its `viewBox`.

    Raises:
        NodeError: if it is no SVG, too large, or has elements other than `rect` and `polygon`; names them.
    """
    root = _root(data)
    box = [float(n) for n in NUMBER.findall(root.get("viewBox", ""))]
    if len(box) != 4 or not 1 <= box[2] * box[3] <= LARGEST:
        raise NodeError(f"the SVG figure has viewBox {root.get('viewBox')!r}: expected x, y, width and height")
    left, top, width, height = box
    picture = Image.new("RGBA", (round(width * FINE), round(height * FINE)), "white")
    for points, fill in _shapes(root):
        layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
        ImageDraw.Draw(layer).polygon([((x - left) * FINE, (y - top) * FINE) for x, y in points], fill)
        picture = Image.alpha_composite(picture, layer)
    return picture.convert("RGB").resize((round(width), round(height)), Image.Resampling.BOX)


def _root(data: bytes) -> Any:
    if len(data) > LARGEST or b"<!" in data:
        raise NodeError("the SVG figure is too large or has declarations (<!...>), which are not read")
    try:
        root = ElementTree.fromstring(data.decode())  # text: no encoding named in the file can hide a declaration
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise NodeError(f"the SVG figure cannot be read: {error}") from None
    if root.tag != f"{NAMESPACE}svg":
        raise NodeError(f"expected an SVG figure, got <{root.tag}>")
    return root


def _shapes(root: Any) -> Iterator[tuple[list[tuple[float, float]], tuple[int, int, int, int]]]:
    for part in root:
        kind = part.tag.removeprefix(NAMESPACE)
        if kind == "rect":
            x, y, width, height = (_number(part, name) for name in ("x", "y", "width", "height"))
            points = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        elif kind == "polygon":
            numbers = [float(n) for n in NUMBER.findall(part.get("points", ""))]
            points = list(zip(numbers[::2], numbers[1::2], strict=False))
        else:
            raise NodeError(
                f"the SVG figure has a <{kind}>; only rectangles and polygons are read here: save it as a file"
            )
        if len(points) > 1:
            yield points, _fill(part)


def _number(part: Any, name: str) -> float:
    found = NUMBER.match(part.get(name, "0"))
    return float(found[0]) if found else 0.0


def _fill(part: Any) -> tuple[int, int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(part.get("fill", "black"))[:3]
    except ValueError:
        raise NodeError(f"the SVG figure has the colour {part.get('fill')!r}, which is not understood") from None
    return red, green, blue, round(255 * min(1.0, max(0.0, float(part.get("fill-opacity", "1")))))
