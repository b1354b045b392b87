"""Packs of the tests, installed as `pip install -e` would, and enabled."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def install(site: Path, source: Path, pack: str) -> None:
    """Install the module `source`, PACK_pack.py, as the package PACK-pack 1.0 with one pack, in the folder `site`."""
    info = site / f"{source.stem}-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(source, site)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {pack}-pack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[nodeflow.packs]\n{pack} = {source.stem}\n")
    (info / "direct_url.json").write_text(json.dumps({"url": site.as_uri(), "dir_info": {"editable": True}}))


def enable(home: Path, site: Path, pack: str) -> None:
    """What `nodeflow packs enable` writes into `home` for a pack that `install` put into `site`."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "packs.json").write_text(json.dumps({f"{pack}-pack": f"folder:{site.as_uri()}"}))
