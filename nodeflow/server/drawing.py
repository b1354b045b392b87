"""How types are drawn: one table for all clients. A colour is the name of a colour; the canvas has the values.

Colours follow what users of ComfyUI know (models violet, text encoders yellow, latents pink, pictures blue, masks
green); the shape says the family, so that nobody has to tell colours apart: circles are plain values, squares what can
be looked at or heard, diamonds what sampling works on, triangles what steers it, hexagons weights, rings lists.
Within a shape the colours are those that people who see red and green alike tell apart best (searched, with the palette
of `web/src/styles/tokens.css`). Types of other packs get a colour by their name, always the same one, and the shape of
what they are made of.
"""

from __future__ import annotations

import zlib
from typing import Literal, get_args

from nodeflow.edges import EdgeType
from nodeflow.server.schema import TypeInfo
from nodeflow.types import TensorType, WeightsHandle

Colour = Literal[
    "grey", "blue", "sky", "teal", "green", "lime", "yellow", "amber", "orange", "red", "pink", "violet", "brown"
]
Shape = Literal["circle", "square", "diamond", "triangle", "hexagon", "ring"]

COLOURS: tuple[str, ...] = get_args(Colour)
FOR_OTHERS: tuple[Colour, ...] = ("teal", "brown", "sky", "lime", "amber", "red", "orange")

TABLE: dict[str, tuple[Colour, Shape]] = {
    "any": ("grey", "circle"),
    "None": ("grey", "circle"),
    "Body": ("grey", "circle"),
    "str": ("blue", "circle"),
    "int": ("sky", "circle"),
    "float": ("lime", "circle"),
    "bool": ("orange", "circle"),
    "dict": ("brown", "circle"),
    "File": ("brown", "circle"),
    "Artefact": ("grey", "square"),
    "Table": ("sky", "square"),
    "Figure": ("lime", "square"),
    "Image": ("blue", "square"),
    "Mask": ("green", "square"),
    "Video": ("orange", "square"),
    "Audio": ("brown", "square"),
    "Latent": ("pink", "diamond"),
    "Noise": ("amber", "diamond"),
    "Sigmas": ("violet", "diamond"),
    "Sampler": ("brown", "diamond"),
    "Conditioning": ("orange", "triangle"),
    "Guider": ("violet", "triangle"),
    "Model": ("violet", "hexagon"),
    "TextEncoder": ("yellow", "hexagon"),
    "Vae": ("red", "hexagon"),
    "ControlNet": ("blue", "hexagon"),
    "LanguageModel": ("sky", "hexagon"),
    "UpscaleModel": ("grey", "hexagon"),
    "Generator": ("green", "hexagon"),
    "Pipeline": ("pink", "hexagon"),
}


def drawn(edge: EdgeType) -> TypeInfo:
    """How this type is drawn: a list as a ring in its items' colour, a union as the first thing it may be."""
    name = str(edge)
    if edge.item is not None and isinstance(edge.members[0], tuple):
        return TypeInfo(name=name, colour=drawn(edge.item).colour, shape="ring")
    if edge.is_any or edge.variable is not None:
        colour, shape = TABLE["any"]
        return TypeInfo(name=name, colour=colour, shape=shape)
    first = edge.members[0]
    known = str(EdgeType((first,)))
    colour, shape = TABLE.get(known) or (_colour(known), _shape(first))
    return TypeInfo(name=name, colour=colour, shape=shape)


def _colour(name: str) -> Colour:
    return FOR_OTHERS[zlib.crc32(name.encode()) % len(FOR_OTHERS)]


def _shape(cls: type) -> Shape:
    if issubclass(cls, WeightsHandle):
        return "hexagon"
    return "square" if issubclass(cls, TensorType) else "circle"
