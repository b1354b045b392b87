"""What comes of the examples: run them, draw their pictures, write down their values.

Pictures' bits differ between machines, so nothing compares them: `results.json` holds, for each example that was run,
the digest of its recipe, and a picture or values are made anew when that has changed (or with `--all`).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

from docs.examples.kit import EXAMPLES, ROOT, Example
from docs.examples.small_models import write_models
from nodeflow.engine import Engine, Run
from nodeflow.export import encode, pixels
from nodeflow.settings import Settings
from nodeflow.types import Figure, Latent, Table, Video

RESULTS = ROOT / "docs" / "examples" / "results.json"
PICTURES = ROOT / "docs" / "images" / "nodes"
SMALL = 96
FILES = {
    "image/files/picture.png": "image/save",
    "latent/files/picture.latent": "latent/save",
    "media/files/tone.wav": "media/save_audio",
    "media/files/spin.webp": "media/save_video",
    "value/files/words.txt": "media/save_text",
}
"""Files that examples load, and whose example writes them."""

GAP = 12
CAPTION = 18
COLORS = 96
MOST_BYTES = 15_000


def digest(example: Example) -> str:
    """Names the recipe that a result was made by."""
    return hashlib.sha256(example.text.encode()).hexdigest()[:16]


def recorded() -> dict[str, Any]:
    """By node: the recipe's digest, the picture's captions if there is one, values that can be written down."""
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}


def engine(folder: Path) -> Engine:
    """One for all examples, with a cache: they share a picture and a model. Its model folder has `small_models`."""
    write_models(folder / "models")
    return Engine(Settings(home=folder, cache=folder / "cache", output=folder / "output"))


def update(*, everything: bool = False) -> list[str]:
    """Run the examples whose recipe has changed, and keep what came of them; gives what failed."""
    failed: list[str] = []
    known = recorded()
    kept = {name: known[name] for name in EXAMPLES if name in known}
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder)) as running:
        for name, example in EXAMPLES.items():
            if not everything and known.get(name, {}).get("recipe") == digest(example):
                continue
            if any(p.code == "NF301" for p in running.check(example.workflow, path=example.path).problems):
                kept.pop(name, None)  # its model is not here
                continue
            run = running.run(example.workflow, path=example.path)
            if run.failures:
                failed.append(f"the example of {name} fails: {run.failures[0]}")
            else:
                kept[name] = {"recipe": digest(example), **keep(name, run)}
    text = json.dumps(dict(sorted(kept.items())), indent=2, ensure_ascii=False) + "\n"
    if not RESULTS.is_file() or RESULTS.read_text("utf-8") != text:
        RESULTS.write_text(text, "utf-8")
    for path in sorted(PICTURES.rglob("*.*")):
        if path not in files(kept):
            path.unlink()
    return failed


def files(results: dict[str, Any]) -> set[Path]:
    """The pictures that should be there."""
    kinds = {"picture": ".png", "figure": ".svg"}
    return {PICTURES / f"{name}{kinds[kind]}" for name, made in results.items() for kind in kinds if kind in made}


def make_files() -> None:
    """Make the files that some examples load anew, by the examples that save them."""
    for path, name in FILES.items():
        with tempfile.TemporaryDirectory() as folder, engine(Path(folder)) as running:
            run = running.run(EXAMPLES[name].workflow)
            if run.failures:
                raise RuntimeError(f"the example of {name} fails: {run.failures[0]}")
            (saved,) = (file.path for file in run.published if file.path.name.startswith(Path(path).stem))
            target = ROOT / "docs" / "examples" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(saved, target)


def keep(name: str, run: Run) -> dict[str, Any]:
    """Draw the picture of an example that has run, and give what `results.json` says about it."""
    made: dict[str, Any] = {}
    shown = [(output.replace("_", " "), tiles) for output, value in run.outputs.items() if (tiles := pictures(value))]
    if shown:
        path = PICTURES / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(strip(shown))
        made["picture"] = [caption for caption, _ in shown]
    for value in run.outputs.values():
        if isinstance(value, Figure) and value.media == "image/svg+xml":
            path = PICTURES / f"{name}.svg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value.data)
            made["figure"] = True
    values = {output: plain for output, value in run.outputs.items() if (plain := written(value)) is not None}
    return {**made, "values": values} if values else made


def written(value: Any) -> Any:
    """A value as it stands in the page: text, numbers (four digits), lists and tables of them; None for others."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, list):
        items = [written(item) for item in value]
        return None if any(item is None for item in items) else items
    if isinstance(value, Table):
        return {"columns": list(value.columns), "rows": [written(list(row)) for row in value.rows]}
    if type(value).__name__ == "Tensor" and value.dim() == 1:
        return [float(f"{number:.3f}") for number in value.tolist()]
    return None


def pictures(value: Any) -> list[Any]:
    """What can be seen of a value: one picture for each of a batch or video."""
    from PIL import Image

    if isinstance(value, Video):
        value = value.frames
    if isinstance(value, Figure):
        return [] if value.media == "image/svg+xml" else [Image.open(io.BytesIO(value.data))]
    if isinstance(value, Latent):  # a cell of the built-in model's latents is 4 pixels wide
        return [_enlarged(Image.open(io.BytesIO(file.data)), 4) for file in encode(value)]
    if type(value).__name__ == "Tensor" and value.dim() in (3, 4):
        batch = value[:, None] if value.dim() == 3 else value
        return [Image.fromarray(pixels(item)) for item in batch]
    return []


def strip(shown: list[tuple[str, list[Any]]]) -> bytes:
    """Pictures side by side, each group with its caption below, as a small PNG."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=13)
    groups = [(caption, [_tile(tile) for tile in tiles]) for caption, tiles in shown]
    if all(
        t.height <= SMALL and t.width <= 2 * SMALL for _, tiles in groups for t in tiles
    ):  # all, so that sizes compare
        groups = [(caption, [_enlarged(tile, 2) for tile in tiles]) for caption, tiles in groups]
    widths = [max(sum(t.width + 4 for t in tiles) - 4, math.ceil(font.getlength(text))) for text, tiles in groups]
    height = max(tile.height for _, tiles in groups for tile in tiles)
    canvas = Image.new("RGB", (sum(widths) + GAP * (len(groups) + 1), height + CAPTION + 2 * GAP - 4), "white")
    draw, left = ImageDraw.Draw(canvas), GAP
    for (caption, tiles), width in zip(groups, widths, strict=True):
        x = left + (width - (sum(t.width + 4 for t in tiles) - 4)) // 2
        for tile in tiles:
            canvas.paste(tile, (x, GAP))
            draw.rectangle((x - 1, GAP - 1, x + tile.width, GAP + tile.height), outline="#b8b8b8")
            x += tile.width + 4
        draw.text((left + width / 2, height + GAP + CAPTION / 2), caption, "black", font, anchor="mm")
        left += width + GAP
    for colors in (COLORS, 48, 24, 12):
        buffer = io.BytesIO()
        canvas.quantize(colors, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    return buffer.getvalue()


def _enlarged(picture: Any, times: int) -> Any:
    from PIL import Image

    return picture.convert("RGB").resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _tile(picture: Any) -> Any:
    """A picture fit for a page: not too wide, and chequered where it is transparent."""
    from PIL import Image

    if picture.mode in ("RGBA", "LA"):
        square = Image.new("RGB", (16, 16), "#ffffff")
        for corner in ((0, 0), (8, 8)):
            square.paste("#c8c8c8", (*corner, corner[0] + 8, corner[1] + 8))
        ground = Image.new("RGB", picture.size)
        for x in range(0, picture.width, 16):
            for y in range(0, picture.height, 16):
                ground.paste(square, (x, y))
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    picture = picture.convert("RGB")
    if picture.width > 420:
        return picture.resize((420, round(picture.height * 420 / picture.width)), Image.Resampling.LANCZOS)
    return picture
