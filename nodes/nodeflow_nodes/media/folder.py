"""What a diffusers pipeline folder says it is, checked before anything of it is loaded: no torch, no diffusers.

A folder names classes. Only classes of diffusers and transformers are accepted: nothing that would make the library
import code from the folder, and no pickled weights.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nodeflow import NodeError

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class PipelineFolder:
    """path, and the name of its class in diffusers."""

    path: Path
    class_name: str


def read_folder(path: str | Path) -> PipelineFolder:
    """Check a pipeline folder.

    Raises:
        NodeError: if it is none, is of no class of diffusers, wants code of its own to be run, or has pickled weights.
    """
    folder = Path(path)
    index = _index(folder)
    name = index.get("_class_name")
    if not isinstance(name, str):
        raise NodeError(f"{folder}: wants a pipeline of its own to be run ({name!r}), which nodeflow never does")
    if name not in pipeline_names():
        near = difflib.get_close_matches(name, pipeline_names(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise NodeError(f"{folder}: {name!r} is no pipeline of the installed diffusers{hint}")
    for component, value in index.items():
        if not component.startswith("_") and isinstance(value, list) and any(value):
            _check_component(folder, component, value)
    return PipelineFolder(folder, name)


def _index(folder: Path) -> dict[str, Any]:
    file = folder / "model_index.json"
    if not file.is_file():
        raise NodeError(f"{folder}: expected a diffusers pipeline folder, with a model_index.json in it")
    try:
        index = json.loads(file.read_bytes()[: 1 << 20])
    except (ValueError, RecursionError) as error:
        raise NodeError(f"{file}: is no valid JSON ({error}); fetch it again") from error
    if not isinstance(index, dict):
        raise NodeError(f"{file}: expected a JSON object, got a {type(index).__name__}")
    return index


def _check_component(folder: Path, component: str, value: list[Any]) -> None:
    """A component is `[library, class]`; the library is diffusers, transformers, or a pipeline's name in diffusers."""
    where = f"{folder}: component {component!r}"
    if len(value) != 2 or not all(isinstance(v, str) and NAME.fullmatch(v) for v in value):
        raise NodeError(f"{where} is {value!r}: expected the names of a library and a class")
    library = value[0]
    if (
        library not in {"diffusers", "transformers", *_pipeline_modules()}
        or (folder / component / f"{library}.py").exists()
    ):
        raise NodeError(f"{where} wants code of its own to be run ({library}.{value[1]}), which nodeflow never does")
    files = [p for p in (folder / component).glob("*") if p.is_file()]
    pickled = [p.name for p in files if p.suffix in PICKLED and p.name not in ("training_args.bin", "scheduler.bin")]
    if pickled and not any(p.suffix == ".safetensors" for p in files):
        raise NodeError(
            f"{where} has pickled weights ({pickled[0]}). Such files can run code when they are opened, so nodeflow "
            "does not read them; use the folder's .safetensors files"
        )


def _home() -> Path:
    spec = importlib.util.find_spec("diffusers")
    if spec is None or spec.origin is None:
        raise NodeError("diffusers is not installed: pip install diffusers")
    return Path(spec.origin).parent


@lru_cache(maxsize=1)
def pipeline_names() -> frozenset[str]:
    """All pipelines that diffusers has, read from its list of names without importing it."""
    text = (_home() / "__init__.py").read_text("utf-8")
    return frozenset(re.findall(r'"([A-Z][A-Za-z0-9]*Pipeline)"', text))


@lru_cache(maxsize=1)
def _pipeline_modules() -> frozenset[str]:
    """Names of diffusers' own pipeline modules: older folders name parts such as a safety checker by them."""
    home = _home() / "pipelines"
    folders = [p for parent in (home, home / "deprecated") for p in parent.glob("*") if (p / "__init__.py").is_file()]
    return frozenset(p.name for p in folders)
