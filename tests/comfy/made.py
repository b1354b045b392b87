"""Short ways to write ComfyUI's documents.

node(3, "KSampler", inputs={"model": (7, "MODEL")}, values=[...])    an input is (link id, type)
ui([...], [[7, 4, 0, 3, 0, "MODEL"]])                                link: id, from, slot, to, slot, type
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

OPS = ("image/resize", "image/sharpen", "diffusion/sample")


def node(key: Any, kind: str, inputs: Any = None, outputs: Any = (), values: Any = None, **more: Any) -> dict[str, Any]:
    entries = []
    for name, spec in (inputs or {}).items():
        link, type_, *widget = spec
        entries.append(
            {"name": name, "type": type_, "link": link, **({"widget": {"name": widget[0]}} if widget else {})}
        )
    return {
        "id": key,
        "type": kind,
        "pos": [100, 50],
        "mode": 0,
        "inputs": entries,
        "outputs": [{"name": t, "type": t, "links": []} for t in outputs],
        "widgets_values": values,
        "properties": {},
        **more,
    }


def ui(nodes: list[Any], links: list[Any], **more: Any) -> dict[str, Any]:
    return {"last_node_id": 99, "last_link_id": 99, "nodes": nodes, "links": links, "version": 0.4, **more}


def text_to_image() -> dict[str, Any]:
    """4 checkpoint ─▶ 6, 7 prompts ─▶ 3 KSampler ─▶ 8 decode ─▶ 9 save; 5 empty latent ─▶ 3"""
    nodes = [
        node(4, "CheckpointLoaderSimple", {}, ("MODEL", "CLIP", "VAE"), ["sd15.safetensors"]),
        node(5, "EmptyLatentImage", {}, ("LATENT",), [64, 96, 2]),
        node(6, "CLIPTextEncode", {"clip": (3, "CLIP")}, ("CONDITIONING",), ["a fox"], title="Positive"),
        node(7, "CLIPTextEncode", {"clip": (5, "CLIP")}, ("CONDITIONING",), ["blurry"]),
        node(
            3,
            "KSampler",
            {
                "model": (1, "MODEL"),
                "positive": (4, "CONDITIONING"),
                "negative": (6, "CONDITIONING"),
                "latent_image": (2, "LATENT"),
            },
            ("LATENT",),
            [2**63 + 1, "randomize", 12, 7.5, "dpmpp_2m_sde_gpu", "karras", 0.8],
        ),
        node(8, "VAEDecode", {"samples": (7, "LATENT"), "vae": (8, "VAE")}, ("IMAGE",), None),
        node(9, "SaveImage", {"images": (9, "IMAGE")}, (), ["ComfyUI"]),
    ]
    links = [
        [1, 4, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"], [4, 6, 0, 3, 1, "CONDITIONING"],
        [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"], [7, 3, 0, 8, 0, "LATENT"], [8, 4, 2, 8, 1, "VAE"],
        [9, 8, 0, 9, 0, "IMAGE"],
    ]  # fmt: skip
    return ui(nodes, links)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(k, b) for k, b in chunks) + chunk(b"IEND", b"")


def exif(*texts: bytes, order: str = "<") -> bytes:
    """A TIFF block whose first directory holds these strings, under the tags that ComfyUI uses."""
    start = 8 + 2 + 12 * len(texts) + 4
    entries, data = b"", b""
    for tag, text in zip((0x0110, 0x010F, 0x010E), texts, strict=False):
        entries += struct.pack(order + "HHII", tag, 2, len(text) + 1, start + len(data))
        data += text + b"\0"
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HIH", 42, 8, len(texts)) + entries + struct.pack(order + "I", 0) + data


def webp(body: bytes) -> bytes:
    part = b"EXIF" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)
    return b"RIFF" + struct.pack("<I", len(part) + 4) + b"WEBP" + part


def jpeg(body: bytes) -> bytes:
    body = b"Exif\0\0" + body
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body + b"\xff\xda\0\x02"
