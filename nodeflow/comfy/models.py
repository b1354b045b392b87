"""Model files that a document names, with where they come from: to say which are missing and how to get them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nodeflow.comfy.report import Report
from nodeflow.files import Files
from nodeflow.workflow import Workflow

FOLDERS = {
    "diffusion/load_checkpoint": {"model": "checkpoints"},
    "diffusion/load_model": {"model": "diffusion_models"},
    "diffusion/load_text_encoder": dict.fromkeys(("first", "second", "third"), "text_encoders"),
    "diffusion/load_vae": {"vae": "vae"},
    "diffusion/load_controlnet": {"control_net": "controlnet"},
    "diffusion/apply_lora": {"lora": "loras"},
    "diffusion/apply_lora_model": {"lora": "loras"},
    "image/load_upscale_model": {"model": "upscale_models"},
}
MAX_MODELS = 1_000
_FOLDER = re.compile(r"[A-Za-z0-9_]{1,64}")
"""A folder's name comes from outside: it must not lead elsewhere."""


def named_models(document: Any) -> dict[str, dict[str, str]]:
    """By file name: `url`, `directory`, `hash` and `hash_type` as far as the document gives them."""
    result: dict[str, dict[str, str]] = {}
    for part in _lists(document):
        for entry in part[:MAX_MODELS]:
            name = entry.get("name") if isinstance(entry, dict) else None
            if isinstance(name, str) and len(result) < MAX_MODELS:
                keys = ("url", "directory", "hash", "hash_type")
                result.setdefault(name, {k: entry[k] for k in keys if isinstance(entry.get(k), str)})
    return result


def _lists(document: Any) -> Iterator[list[Any]]:
    if not isinstance(document, dict):
        return
    definitions = document.get("definitions")
    scopes = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    for scope in [document, *(scopes if isinstance(scopes, list) else [])]:
        if not isinstance(scope, dict):
            continue
        holders = [scope]
        nodes = scope.get("nodes")
        holders += (
            [n["properties"] for n in nodes if isinstance(n, dict) and isinstance(n.get("properties"), dict)]
            if (isinstance(nodes, list))
            else []
        )
        for holder in holders:
            if isinstance(holder.get("models"), list):
                yield holder["models"]


def note_models(document: Any, workflow: Workflow, report: Report, files: Files | None) -> None:
    """A finding for each model file that the recipe names and the model folders do not have."""
    known = named_models(document)
    for node in workflow.nodes.values():
        memory = (node.model_extra or {}).get("x-comfy", {})
        for port, folder in FOLDERS.get(node.op.partition("@")[0], {}).items():
            name = node.values.get(port)
            if not isinstance(name, str) or node.mode != "active":
                continue
            if files is not None and name in files.models(folder):
                continue
            about = known.pop(name, None) or known.pop(name.rpartition("/")[2], {})
            _note(name, folder, about, report, str(memory.get("id", "")), str(memory.get("type", "")))
    for name, about in known.items():
        folder = about.get("directory", "")
        if files is None or not _FOLDER.fullmatch(folder) or name not in files.models(folder):
            _note(name, folder or "models", about, report, "", "")


def _note(name: str, folder: str, about: dict[str, str], report: Report, node: str, kind: str) -> None:
    hint = ", ".join(
        part
        for part in (
            f"from {about['url']}" if about.get("url") else "",
            f"{about.get('hash_type', 'hash')} {about['hash']}" if about.get("hash") else "",
        )
        if part
    )
    report.add("missing-model", f"{name[:200]!r} is needed in {folder[:80]!r}", node, kind, hint=hint)
