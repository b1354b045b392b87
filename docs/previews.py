"""Make workflows/previews/: for each workflow that ships, a small picture that it really makes.

`python -m docs.previews [NAME...]` runs them (all, or those that are named) with the built-in models. The server shows
the pictures on the canvas's first page. A workflow whose model does not ship has none.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from nodeflow.engine import Engine
from nodeflow.settings import Settings
from nodeflow.workflow import Workflow

FOLDER = Path(__file__).parents[1] / "workflows"
SIDE = 384
MAX_BYTES = 30_000
WANTED = ("image", "grid", "sheet", "triptych", "strip")
"""Which of a workflow's outputs is its picture: the first of these that it has."""


def picture(pixels: Any) -> Image.Image:
    """The first picture of a tensor [B, C, H, W], 0..1."""
    array = (pixels[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(array).convert("RGB")


def small(made: Image.Image) -> bytes:
    """As PNG, no larger than `SIDE` and `MAX_BYTES` allow."""
    made.thumbnail((SIDE, SIDE))
    while True:
        out = io.BytesIO()
        made.save(out, "PNG", optimize=True)
        if out.tell() <= MAX_BYTES:
            return out.getvalue()
        made = made.resize((made.width * 7 // 8, made.height * 7 // 8), Image.Resampling.LANCZOS)


def main(names: list[str]) -> None:
    (FOLDER / "previews").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with Engine(Settings(home=home, cache=home / "cache", output=home / "output")) as engine:
            for path in sorted(FOLDER.glob("*.json")):
                if names and path.stem not in names:
                    continue
                workflow = Workflow.read(path)
                if not engine.check(workflow).ok:
                    print(f"{path.stem}: cannot run here")
                    continue
                output = next(name for name in WANTED if name in workflow.outputs)
                run = engine.run(workflow, targets=[output], record=False)
                data = small(picture(run[output]))
                (FOLDER / "previews" / f"{path.stem}.png").write_bytes(data)
                print(f"{path.stem}: {output}, {len(data):,} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
