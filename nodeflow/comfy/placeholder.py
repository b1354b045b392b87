"""Placeholders: nodes that have no equivalent keep their values and links under an op that no pack has.

`check` reports such an op as unknown (NF102); a pack that brings `comfyui/…` ops, or an edit, makes the recipe whole.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

PREFIX = "comfyui/"
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SYNONYMS = {
    "clip": ("text", "encoder"),
    "unet": ("model",),
    "checkpoint": ("checkpoint",),
    "lora": ("lora",),
    "upscale": ("resize", "upscale"),
    "scale": ("resize",),
    "loader": ("load",),
    "combine": ("combine", "batch"),
    "string": ("text",),
    "latent": ("latent",),
    "scheduler": ("sigmas",),
    "ksampler": ("sample",),
    "concat": ("join", "concat"),
    "preview": ("preview", "show"),
    "controlnet": ("control", "net", "controlnet"),
}


def words_of(kind: str) -> list[str]:
    return [w.lower() for w in _WORDS.findall(kind[:200])]


def op_of(kind: str) -> str:
    """The placeholder op of a node type: `ImageUpscaleWithModel` → `comfyui/image_upscale_with_model@1`."""
    slug = re.sub(r"[^a-z0-9_]", "", "_".join(words_of(kind)))[:100]
    if not slug or not slug[0].isalpha():
        slug = f"node_{slug}".rstrip("_")
    return f"{PREFIX}{slug}@1"


def port_of(name: str) -> str:
    """An input's name as a port's."""
    port = re.sub(r"[^A-Za-z0-9_]", "_", name)[:60]
    return port if port and not port[0].isdigit() else f"_{port}"


def port_names(names: Iterable[str]) -> dict[str, str]:
    """Ports for the inputs of one node, all different."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        port, number = port_of(name), 2
        while port in taken:
            port, number = f"{port_of(name)[:56]}_{number}", number + 1
        taken.add(port)
        result[name] = port
    return result


def nearest_ops(kind: str, known: Iterable[str], limit: int = 2) -> list[str]:
    """The ops whose names share most words with a node type, best first."""
    return list(_nearest(kind[:200], tuple(known), limit))


@functools.lru_cache(maxsize=2048)
def _nearest(kind: str, known: tuple[str, ...], limit: int) -> tuple[str, ...]:
    words = set(words_of(kind))
    words |= {s for w in words for s in _SYNONYMS.get(w, ())}
    ranked = []
    for op in known:
        parts = set(re.split(r"[/_]", op))
        ranked.append((-len(words & parts) / (len(parts) + 1), op))
    return tuple(op for score, op in sorted(ranked)[:limit] if score <= -0.3)
