"""Headers of published models without their weights: sparse files with real keys and shapes."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

MAKER = Path(__file__).resolve().parents[3] / "shared" / "parity" / "make_checkpoint.py"


def maker() -> ModuleType | None:
    """The generator of checkpoints in `../shared/parity`, if it is there."""
    if not MAKER.is_file():
        return None
    spec = importlib.util.spec_from_file_location("make_checkpoint", MAKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shape_of(value: Any) -> list[int]:
    """The shape that a layout's entry stands for."""
    if isinstance(value, str):
        if value.startswith("position table"):
            side, width = map(int, value.split()[2:])
            return [1, side * side, width]
        return [1, 77] if value == "position ids" else []
    return [] if isinstance(value, float) else list(value)


def sparse(path: Path, keys: dict[str, Any]) -> Path:
    """A file with these keys whose data are holes: gigabytes that take no room."""
    position, header = 0, {}
    for key, value in keys.items():
        shape = shape_of(value)
        size = 2 * math.prod(shape)
        header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + position)
    return path
