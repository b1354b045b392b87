"""Settings: which folders and budgets this process uses. Read from `nodeflow.toml` and the environment only.

Order, the later wins: defaults, `nodeflow.toml` in the configuration folder, environment variables `NODEFLOW_...`.
"""

from __future__ import annotations

import operator
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError
from nodeflow.hub import cache_folder

GB = 1 << 30


def _default_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "nodeflow"


@dataclass(frozen=True)
class Settings:
    """All that a user may set.

    home: own models, records and configuration. cache: results and digests; may be deleted at any time.
    output: where results get their readable names. model_folders: further folders laid out like ComfyUI's `models`
    or A1111's. input_roots: folders that recipes may read files from, besides the recipe's own and the working folder.
    hub_cache: where the Hugging Face libraries keep models; searched for names like owner/name@revision.
    ram_budget, disk_budget, weights_budget: bytes. device_cache_budget, device_weights_budget: the same on the
    accelerator. device: "auto", "cpu", "cuda", "cuda:1", "mps".
    threads: CPU threads for tensors; 0: one a physical core. deadline: seconds a node may take; 0: no limit.
    certificate, private_key: PEM files that pictures are signed with (content credentials); none: they are not signed.
    """

    home: Path = field(default_factory=_default_home)
    cache: Path = field(
        default_factory=lambda: Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nodeflow"
    )
    output: Path = field(default_factory=lambda: Path("output"))
    model_folders: tuple[Path, ...] = ()
    input_roots: tuple[Path, ...] = ()
    hub_cache: Path = field(default_factory=cache_folder)
    ram_budget: int = 4 * GB
    disk_budget: int = 20 * GB
    weights_budget: int = 12 * GB
    device_cache_budget: int = 1 * GB
    device_weights_budget: int = 12 * GB
    device: str = "auto"
    threads: int = 0
    deadline: float = 0.0
    certificate: Path = Path()
    private_key: Path = Path()

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
        """The settings of this process.

        Raises:
            NodeflowError: if the file or a variable cannot be read, or names a setting that does not exist.
        """
        settings = cls()
        if home := environment.get("NODEFLOW_HOME"):
            folder = Path(home).expanduser()
            settings = replace(settings, home=folder, cache=folder / "cache")
        file = settings.home / "nodeflow.toml"
        if file.is_file():
            try:
                table = tomllib.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise NodeflowError(f"{file}: cannot be read as TOML: {error}") from None
            settings = settings._with(table, str(file))
        names = {f"NODEFLOW_{f.name.upper()}": f.name for f in fields(cls) if f.name != "home"}
        found = {names[key]: value for key, value in environment.items() if key in names and value}
        settings = settings._with(found, "environment")
        return replace(settings, **{k: v for k, v in overrides.items() if v is not None})

    def _with(self, table: Mapping[str, Any], source: str) -> Settings:
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        changes: dict[str, Any] = {}
        for name, value in table.items():
            if name not in known:
                raise NodeflowError(f"{source}: unknown setting {name!r} (known: {', '.join(known)})")
            try:
                changes[name] = converted = _convert(value, known[name])
                if isinstance(converted, (int, float)) and not 0 <= converted < float("inf"):
                    raise ValueError
            except (TypeError, ValueError, OverflowError):
                kind = type(known[name]).__name__
                kind = f"{kind}, 0 or more" if kind in ("int", "float") else kind
                raise NodeflowError(f"{source}: setting {name}: expected {kind}, got {value!r}") from None
        return replace(self, **changes)


def _convert(value: Any, like: Any) -> Any:
    if isinstance(like, tuple):
        parts = value.split(os.pathsep) if isinstance(value, str) else value
        return tuple(Path(p).expanduser() for p in parts if p)
    if isinstance(like, Path):
        return Path(value).expanduser()
    if isinstance(value, bool):
        raise TypeError
    if isinstance(like, int):
        return parse_bytes(value) if isinstance(value, str) else operator.index(value)
    return type(like)(value)


def parse_bytes(text: str) -> int:
    """`4GB`, `500 MB`, `1073741824` as bytes (powers of 1024)."""
    number = text.strip().upper().removesuffix("B").removesuffix("I")
    for power, unit in enumerate("KMGT", start=1):
        if number.endswith(unit):
            return int(float(number[:-1]) * 1024**power)
    return int(number)
